"""How does a checkpoint come to stand where a new replica finds it?

Contract: chunks are appended to the journal of checkpoints and read back; then a marker goes into the journal itself, which accepts it or
not; an accepted one is confirmed behind its chunks. After each step the generator yields, so that whoever drives it may stop, or die,
anywhere: what was begun is then garbage, never half a checkpoint. A failed append ends it; nothing is tried twice.
Not obvious: several may write checkpoints at once. The journal's order decides between their markers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from asynq_compat.brokers.journal.keeping.loading import check_of, sections
from asynq_compat.journals.journal import Entry, Journal
from asynq_compat.wire import command
from asynq_compat.wire.checkpoint import Chunk, Confirmed, encode_chunk, encode_confirmed
from asynq_compat.wire.command import Command


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state to be written: behind `entry`, by `writer_id`, 16 random bytes; the sections are taken once.

    Attributes:
        trail: Which way the state has come, as the machine tells it.
    """

    writer_id: bytes
    entry: Entry
    trail: bytes
    sections: Iterable[bytes]


@dataclass(frozen=True, slots=True)
class Marker:
    """A command to be put into the journal now; the answer says whether it was accepted."""

    command: Command


# The steps behind which a driver may stop; the last two are known to it.
CHUNK, READ_BACK, MARKED, CONFIRMED = "chunk", "read back", "marked", "confirmed"

Steps = Generator[str | Marker, bool | None, Confirmed | None]


def write(snapshot: Snapshot, state: Journal) -> Steps:
    """Write a checkpoint; return what was confirmed, None if the journal refused its marker.

    Raises:
        BrokerUnavailableError: A journal does not answer.
        CorruptDataError: What was read back is not what was written.
    """
    entry = snapshot.entry
    summing = blake2b(digest_size=32)
    first = last = size_bytes = count = 0
    for data in snapshot.sections:
        last = state.append(encode_chunk(Chunk(snapshot.writer_id, entry.position, count, data)))
        first = first if count else last
        summing.update(data)
        size_bytes += len(data)
        count += 1
        yield CHUNK
    check = check_of(entry.data)
    made = Confirmed(snapshot.writer_id, entry.position, summing.digest(), first, count, size_bytes, check)
    for _ in sections(state, made):
        pass
    yield READ_BACK
    if not (yield Marker(command.checkpointed(made.position, made.digest, made.first_chunk, snapshot.trail))):
        return None
    state.append(encode_confirmed(made))
    return made


def _pass(_step: str) -> None:
    """Nobody waits at the steps."""


def drive(
    snapshot: Snapshot, state: Journal, mark: Callable[[Command], bool], at: Callable[[str], None] = _pass
) -> Confirmed | None:
    """Write a checkpoint from beginning to end; raises as `write`.

    Args:
        snapshot: What is to be written.
        state: The journal of checkpoints.
        mark: Puts a command into the journal itself and says whether it was accepted.
        at: Hears of each step when it is done.
    """
    steps = write(snapshot, state)
    answer: bool | None = None
    try:
        while True:
            step = steps.send(answer)
            is_marker = isinstance(step, Marker)
            answer = mark(step.command) if isinstance(step, Marker) else None
            at(MARKED if is_marker else str(step))
    except StopIteration as end:
        confirmed: Confirmed | None = end.value
    if confirmed is not None:
        at(CONFIRMED)
    return confirmed
