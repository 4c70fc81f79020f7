"""Is a journal as it should be?

Contract: it is read and folded twice, and both must come to the same: the same bytes, the same state. Half-way through, the second fold is
saved and goes on from what was saved, as a checkpoint's reader would.
Not obvious: what an operator may want to know is not always wrong. A foreign record whose id is taken is a note of `describe`; it is no
problem here.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b

from asynq_compat.brokers.journal.history.past import Past, apply
from asynq_compat.brokers.journal.history.snapshots import NOTES_MAX
from asynq_compat.journals.journal import Entry
from asynq_compat.machine.applied import Applied, Verdict
from asynq_compat.machine.snapshot import restore, snapshot_sections
from asynq_compat.ports.history import Progress, Verification
from asynq_compat.wire.command import REJECTED


class _Reading:
    """One way through a journal."""

    def __init__(self, past: Past, progress: Progress, *, is_saved_at: int | None = None) -> None:
        self.kinds: Counter[str] = Counter()
        self.problems: list[str] = []
        machine, read = past.fresh(), blake2b(digest_size=32)
        for entry in past.entries(progress):
            if is_saved_at is not None and entry.position > is_saved_at:
                machine, is_saved_at = restore(past.queue, snapshot_sections(machine), versions=past.versions), None
            applied = apply(machine, entry)
            read.update(b"%d %d %d " % (entry.position, entry.timestamp_ms, len(entry.data)) + entry.data)
            self.kinds[applied.verdict.value] += 1
            self.problems += _problems(entry, applied)
        self.position = machine.position
        self.digest = machine.digest().hex()
        self.bytes_read = read.digest()


def _problems(entry: Entry, applied: Applied) -> list[str]:
    is_wrong = (
        applied.verdict in (Verdict.REFUSED, Verdict.UNREADABLE)
        or [REJECTED] in applied.outcomes
        or not entry.is_log_time  # The topic is not LogAppendTime, or its broker ignores that.
    )
    # A lease may have run out at the same entry: that is nobody's fault.
    return [note for note in applied.notes if note.startswith(f"entry {entry.position}")] if is_wrong else []


def verify(past: Past, progress: Progress) -> Verification:
    """Read a journal twice and compare."""
    first = _Reading(past, progress)
    second = _Reading(past, progress, is_saved_at=(past.first + past.end) // 2)
    problems = first.problems
    if first.bytes_read != second.bytes_read:
        problems.append("the journal gave other entries when it was read again")
    if first.digest != second.digest:
        problems.append(f"two folds of the same journal differ at position {first.position}")
    return Verification(
        queue=past.queue,
        partition=past.partition,
        position=first.position,
        cut_before=past.cut_before,
        entries=dict(first.kinds),
        digests=(first.digest, second.digest),
        problems=problems[:NOTES_MAX],
        problem_count=len(problems),
    )
