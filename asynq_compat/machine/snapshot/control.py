"""How is the state of the control journal written down and read again?

Contract: as for a queue: see `saving` and `loading`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asynq_compat.machine.control import ControlMachine, ControlState, PublishedServer
from asynq_compat.machine.control.published import PublishedCounts, are_numbers
from asynq_compat.machine.control.scheduling import Claim, History, PublishedScheduler
from asynq_compat.machine.control.tokens import Token
from asynq_compat.machine.snapshot import fields as f
from asynq_compat.machine.snapshot.columns import Sized, batches, size_of
from asynq_compat.machine.snapshot.common import (
    ROW_BYTES,
    clock_items,
    head,
    head_items,
    read_clocks,
    read_way,
    read_writers,
    way_items,
    writer_rows,
)
from asynq_compat.wire import snapshot as s

# The commands of the control journal mean this; it has no sessions that another version could wait for.
VERSION = 1


def control_sections(machine: ControlMachine, size_bytes_max: int = s.SECTION_BYTES_AIM) -> Iterator[bytes]:
    """Give a machine's state as sections; see `snapshot_sections`."""
    return s.seal(_bodies(machine.state, size_bytes_max))


def _bodies(state: ControlState, size_bytes_max: int) -> Iterator[s.Body]:
    yield head_items("control", VERSION, state.position)
    yield [s.STATE, clock_items(state.clocks), way_items(state.trail, state.markers)]
    for code, rows in (
        (s.WRITERS, writer_rows(state.writers)),
        (s.QUEUES, _queue_rows(state)),
        (s.SERVERS, _server_rows(state)),
        (s.COUNTS, _counts_rows(state)),
        (s.SCHEDULERS, _scheduler_rows(state)),
        (s.HISTORIES, _history_rows(state)),
        (s.CLAIMS, _claim_rows(state)),
        (s.TOKENS, _token_rows(state)),
    ):
        for batch in batches(rows, size_bytes_max):
            yield [code, batch]


def _queue_rows(state: ControlState) -> Iterator[Sized]:
    for name, partition_count in sorted(state.queues.items()):
        yield [name, partition_count], ROW_BYTES + size_of([name], [])


def _server_rows(state: ControlState) -> Iterator[Sized]:
    for key, told in sorted(state.servers.items()):
        workers = [list(pair) for pair in told.workers]
        size = size_of([key], [told.info]) + size_of(
            [pair[0] for pair in told.workers], [pair[1] for pair in told.workers]
        )
        yield [key, told.info, workers, told.expires_ms], ROW_BYTES + size


def _counts_rows(state: ControlState) -> Iterator[Sized]:
    for _, one in sorted(state.counts.items()):
        row = [
            one.queue,
            one.partition,
            one.position,
            one.clock_ms,
            one.is_paused,
            one.oldest_pending_since_ms,
            one.numbers,
            one.told_ms,
        ]
        yield row, ROW_BYTES + size_of([one.queue], []) + 9 * len(one.numbers)


def _scheduler_rows(state: ControlState) -> Iterator[Sized]:
    for key, told in sorted(state.scheduling.schedulers.items()):
        yield [key, told.entries, told.expires_ms], ROW_BYTES + size_of([key], told.entries)


def _history_rows(state: ControlState) -> Iterator[Sized]:
    for key, history in state.scheduling.histories.items():
        yield [key, history.events, history.touched_ms], ROW_BYTES + size_of([key], history.events)


def _claim_rows(state: ControlState) -> Iterator[Sized]:
    for (entry, instant_s), claim in state.scheduling.claims.items():
        yield (
            [entry, instant_s, claim.holder, claim.until_ms, claim.is_made],
            ROW_BYTES + size_of([entry, claim.holder], []),
        )


def _token_rows(state: ControlState) -> Iterator[Sized]:
    for scope, task_id, token in state.tokens.rows():
        yield [scope, task_id, token.deadline_s, token.position], ROW_BYTES + size_of([scope, task_id], [])


def restore_control(sections: Iterable[bytes], *, accepts_issuer_time: bool = False) -> ControlMachine:
    """Return the machine whose state the sections hold; see `restore`."""
    state = ControlState()
    bodies = s.unseal(sections)
    _, state.position = head(next(bodies, []), "control", (VERSION,))
    code, clocks, way = f.array(next(bodies, []), 3)
    if code != s.STATE:
        raise f.corrupt("what belongs to the whole journal is missing")
    state.clocks = read_clocks(clocks)
    state.trail, state.markers = read_way(way)
    for body in bodies:
        if body[0] == s.WRITERS:
            read_writers(state.writers, body)
        elif body[0] == s.QUEUES:
            for name, partition_count in f.rows(body, 2):
                state.queues[f.text(name)] = f.integer(partition_count)
        elif body[0] == s.SERVERS:
            _read_servers(state, body)
        elif body[0] == s.COUNTS:
            _read_counts(state, body)
        elif body[0] in {s.SCHEDULERS, s.HISTORIES, s.CLAIMS}:
            _read_scheduling(state, body)
        elif body[0] == s.TOKENS:
            for scope, task_id, deadline_s, position in f.rows(body, 4):
                token = Token(f.integer(deadline_s), f.integer(position))
                state.tokens.put(f.text(scope), f.text(task_id), token)
        else:
            raise f.corrupt(f"a section with code {body[0]}")
    return ControlMachine(accepts_issuer_time=accepts_issuer_time, state=state)


def _read_servers(state: ControlState, body: s.Body) -> None:
    for key, info, pairs, expires_ms in f.rows(body, 4):
        workers = [
            (f.text(task_id), f.blob(worker)) for task_id, worker in (f.array(pair, 2) for pair in f.array(pairs))
        ]
        state.servers[f.text(key)] = PublishedServer(f.text(key), f.blob(info), workers, f.integer(expires_ms))


def _read_counts(state: ControlState, body: s.Body) -> None:
    for queue, partition, position, clock_ms, is_paused, since_ms, numbers, told_ms in f.rows(body, 8):
        if not are_numbers(numbers):
            raise f.corrupt("counts that hold something else than numbers")
        one = PublishedCounts(
            f.text(queue),
            f.count(partition),
            f.integer(position),
            f.integer(clock_ms),
            f.flag(is_paused),
            f.integer_or_none(since_ms),
            numbers,
            f.integer(told_ms),
        )
        state.counts[one.queue, one.partition] = one


def _read_scheduling(state: ControlState, body: s.Body) -> None:
    known = state.scheduling
    if body[0] == s.SCHEDULERS:
        for key, entries, expires_ms in f.rows(body, 3):
            told = [f.blob(entry) for entry in f.array(entries)]
            known.schedulers[f.text(key)] = PublishedScheduler(f.text(key), told, f.integer(expires_ms))
    elif body[0] == s.HISTORIES:
        for key, events, touched_ms in f.rows(body, 3):
            known.histories[f.text(key)] = History([f.blob(event) for event in f.array(events)], f.integer(touched_ms))
    else:
        for entry, instant_s, holder, until_ms, is_made in f.rows(body, 5):
            claim = Claim(f.text(holder), f.integer(until_ms), f.flag(is_made))
            known.claims[f.text(entry), f.integer(instant_s)] = claim
