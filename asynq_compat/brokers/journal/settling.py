"""Which commands settle a batch of leases, and what do their outcomes mean for each?

Contract: pure. All settlements of one call belong to one session. Tasks that ended alike and lie side by side in an assignment
become one range; what differs is named one by one.
Not obvious: a lease that is requeued without having started is handed back to its old place instead, so that it keeps its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from asynq_compat.machine.applied import Outcome
from asynq_compat.machine.settle import RETENTION_S_MAX
from asynq_compat.ports.consuming import SettleKind, Settlement, SettleOutcome
from asynq_compat.wire import command
from asynq_compat.wire.command import Command, Range
from asynq_compat.wire.message import TaskMessage, decode_message

# A frame holds 16 MB; the text of one error, in whatever alphabet, must leave room.
_ERROR_TEXT_MAX_CHARS = 1_000_000
# position, index, number of the settlement
_Key = tuple[int, int, int]


@dataclass(slots=True)
class SettlePlan:
    """Commands, and for each its items as lists of settlement numbers."""

    commands: list[Command]
    members: list[list[list[int]]]
    size_bytes: int


def plan(settlements: Sequence[Settlement], numbers: Iterable[int]) -> SettlePlan:
    """Return the commands that carry out the settlements with these `numbers`."""
    done: list[_Key] = []
    by_kind: dict[SettleKind, list[int]] = {}
    done_kind = SettleKind.DONE
    for number in numbers:
        settlement = settlements[number]
        if settlement.kind is done_kind:
            lease = settlement.lease
            done.append((lease.position, lease.index, number))
        else:
            by_kind.setdefault(settlement.kind, []).append(number)
    result = SettlePlan([], [], 0)
    if done:
        _add_ranges(result, command.settle_done, done)
    for kind, of_kind in by_kind.items():
        _ADD[kind](result, settlements, of_kind)
    return result


def outcomes_of(settle_plan: SettlePlan, outcomes: Sequence[Outcome], results: list[SettleOutcome]) -> None:
    """Write into `results`, by number, what the outcomes of the plan's commands say; it starts as all SETTLED."""
    for outcome, items in zip(outcomes, settle_plan.members, strict=True):
        if outcome == command.OK:
            continue
        codes = outcome if isinstance(outcome, list) and len(outcome) == len(items) else [command.REJECTED] * len(items)
        for code, numbers in zip(codes, items, strict=True):
            each = code if isinstance(code, list) else [code] * len(numbers)
            for one, number in zip(each, numbers, strict=True):
                if one != command.OK:
                    results[number] = SettleOutcome.INCONSISTENT if one == command.REJECTED else SettleOutcome.NOT_HELD


def merge(keys: list[_Key]) -> tuple[list[Range], list[list[int]]]:
    """Join what lies side by side: the ranges, and the settlement numbers of each."""
    keys.sort()
    ranges: list[Range] = []
    members: list[list[int]] = []
    current, low, high = -1, 0, -1
    numbers: list[int] = []
    for position, index, number in keys:
        if index == high and position == current:
            numbers.append(number)
            high += 1
            continue
        if numbers:
            ranges.append((current, low, high))
            members.append(numbers)
        current, low, high = position, index, index + 1
        numbers = [number]
    if numbers:
        ranges.append((current, low, high))
        members.append(numbers)
    return ranges, members


def _add_ranges(result: SettlePlan, build: Callable[[Sequence[Range]], Command], keys: list[_Key]) -> None:
    ranges, members = merge(keys)
    result.commands.append(build(ranges))
    result.members.append(members)
    result.size_bytes += 8 + 12 * len(ranges)


def _keys(settlements: Sequence[Settlement], numbers: list[int]) -> list[_Key]:
    return [(settlements[n].lease.position, settlements[n].lease.index, n) for n in numbers]


def _add_complete(result: SettlePlan, settlements: Sequence[Settlement], numbers: list[int]) -> None:
    by_retention: dict[int, list[int]] = {}
    for number in numbers:
        retention_s = min(max(1, read(settlements[number].lease.message).retention), RETENTION_S_MAX)
        by_retention.setdefault(retention_s, []).append(number)
    kept, all_members = [], []
    for retention_s, alike in by_retention.items():
        ranges, members = merge(_keys(settlements, alike))
        kept += [(position, low, high, retention_s) for position, low, high in ranges]
        all_members += members
    result.commands.append(command.settle_complete(kept))
    result.members.append(all_members)
    result.size_bytes += 8 + 17 * len(kept)


def _add_retry(result: SettlePlan, settlements: Sequence[Settlement], numbers: list[int]) -> None:
    retries = []
    for number in numbers:
        one = settlements[number]
        text = one.error_msg[:_ERROR_TEXT_MAX_CHARS]
        retries.append((one.lease.position, one.lease.index, delay_ms(one), text, new_retried(one)))
        result.size_bytes += 32 + 3 * len(text)
    result.commands.append(command.settle_retry(retries))
    result.members.append([[n] for n in numbers])


def _add_archive(result: SettlePlan, settlements: Sequence[Settlement], numbers: list[int]) -> None:
    archivings = []
    for number in numbers:
        one = settlements[number]
        text = one.error_msg[:_ERROR_TEXT_MAX_CHARS]
        archivings.append((one.lease.position, one.lease.index, text))
        result.size_bytes += 24 + 3 * len(text)
    result.commands.append(command.settle_archive(archivings))
    result.members.append([[n] for n in numbers])


def _add_requeue(result: SettlePlan, settlements: Sequence[Settlement], numbers: list[int]) -> None:
    started = [n for n in numbers if settlements[n].lease.has_started]
    unstarted = [n for n in numbers if not settlements[n].lease.has_started]
    if started:
        _add_ranges(result, command.settle_requeue, _keys(settlements, started))
    if unstarted:
        _add_ranges(result, command.hand_back, _keys(settlements, unstarted))


_ADD: dict[SettleKind, Callable[[SettlePlan, Sequence[Settlement], list[int]], None]] = {
    SettleKind.COMPLETE: _add_complete,
    SettleKind.RETRY: _add_retry,
    SettleKind.ARCHIVE: _add_archive,
    SettleKind.REQUEUE: _add_requeue,
}


def delay_ms(settlement: Settlement) -> int:
    """Return the wait before the next attempt in milliseconds, at least 0."""
    return max(0, round(settlement.delay_s * 1000))


def new_retried(settlement: Settlement) -> int | None:
    """Return the retry count after this failure; None when it does not count."""
    return read(settlement.lease.message).retried + 1 if settlement.is_failure else None


def read(message: bytes) -> TaskMessage:
    """Return what is in a message; an empty one when it cannot be read, so that it can be settled all the same."""
    try:
        return decode_message(message)
    except ValueError:
        return TaskMessage()
