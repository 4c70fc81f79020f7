"""Which checkpoint does a new replica begin with?

Contract: the newest confirmed one that is whole, belongs to this journal and has everything behind it. Reads the journal of checkpoints
and one entry of the journal itself, changes nothing.
Not obvious: a checkpoint belongs to this journal if the entry at its position is the one it was made behind; that entry is never cut away
before a newer checkpoint is confirmed. A topic that was made anew under old checkpoints is noticed by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from asynq_compat.errors import CorruptDataError
from asynq_compat.journals.journal import Entry, Journal, NotInJournalError
from asynq_compat.wire.checkpoint import Chunk, Confirmed, decode_state_entry

# A confirmation stands near the end, behind it at most an unfinished checkpoint.
_LOOK_BACK_COUNT = 4
_LOOK_BACK_GROWTH = 16
# Reads give what stands there; this long is waited for a slow answer.
_WAIT_S = 5.0
_READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Loadable:
    """A checkpoint, and the journal's entry at its position."""

    confirmed: Confirmed
    entry: Entry


def check_of(data: bytes) -> bytes:
    """Return the check value of an entry."""
    return blake2b(data, digest_size=16).digest()


def candidates(journal: Journal, state: Journal) -> Iterator[Loadable]:
    """Give the checkpoints that may be loaded, the newest first.

    Raises:
        BrokerUnavailableError: A journal does not answer.
        NotInJournalError: The journal of checkpoints was cut meanwhile: look again.
    """
    upto, first = state.end(), state.first()
    count = _LOOK_BACK_COUNT
    while upto >= first:
        after = max(first - 1, upto - count)
        for one in sorted(_confirmed(state, after, upto), key=lambda one: one.position, reverse=True):
            entry = _entry_of(journal, one) if one.first_chunk >= first else None
            if entry is not None:
                yield Loadable(one, entry)
        upto = after
        count *= _LOOK_BACK_GROWTH


def _confirmed(state: Journal, after: int, end: int) -> Iterator[Confirmed]:
    for _, found in read_between(state, after, end):
        if isinstance(found, Confirmed):
            yield found


def read_between(state: Journal, after: int, end: int) -> Iterator[tuple[int, Chunk | Confirmed | None]]:
    """Give the entries of a journal of checkpoints behind `after` up to `end`, with their positions."""
    while after < end:
        batch = state.read(after, wait_s=_WAIT_S, max_bytes=_READ_BYTES)
        if batch.upto == after:
            return  # Cut off meanwhile, or gone back: what is missing is noticed by who counts.
        for entry in batch.entries:
            if entry.position <= end:
                yield entry.position, decode_state_entry(entry.data)
        after = batch.upto


def _entry_of(journal: Journal, confirmed: Confirmed) -> Entry | None:
    """Return the entry that a checkpoint was made behind; None if the journal has another one there, or none."""
    if confirmed.position > journal.end():
        return None
    try:
        entries = journal.read(confirmed.position - 1, wait_s=_WAIT_S, max_count=1).entries
    except NotInJournalError:
        return None
    is_same = bool(entries) and entries[0].position == confirmed.position
    return entries[0] if is_same and check_of(entries[0].data) == confirmed.entry_check else None


def sections(state: Journal, confirmed: Confirmed, hear: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """Give the sections of a checkpoint in order; `hear` is told how many bytes have come.

    Raises:
        CorruptDataError: They are not what was confirmed.
        BrokerUnavailableError: The journal does not answer.
    """
    summing = blake2b(digest_size=32)
    size_bytes = count = 0
    for _, found in read_between(state, confirmed.first_chunk - 1, state.end()):
        if count == confirmed.chunk_count:
            break
        if not isinstance(found, Chunk) or found.writer_id != confirmed.writer_id:
            continue
        # An append whose answer was lost may stand there twice.
        if found.position != confirmed.position or found.index < count:
            continue
        if found.index != count:
            break
        summing.update(found.data)
        size_bytes += len(found.data)
        count += 1
        hear(size_bytes)
        yield found.data
    if count != confirmed.chunk_count or summing.digest() != confirmed.digest:
        raise CorruptDataError(
            f"the checkpoint at position {confirmed.position} in {state.name} is not what was confirmed: {count} of "
            f"{confirmed.chunk_count} chunks are there"
        )


def newest_size(state: Journal) -> int:
    """Return the size of the newest checkpoint that was confirmed, 0 if there is none; wherever it belongs."""
    upto, first = state.end(), state.first()
    count = _LOOK_BACK_COUNT
    while upto >= first:
        after = max(first - 1, upto - count)
        if found := list(_confirmed(state, after, upto)):
            return max(found, key=lambda one: one.position).size_bytes
        upto = after
        count *= _LOOK_BACK_GROWTH
    return 0
