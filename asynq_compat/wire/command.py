"""Which commands does a journal carry, and how is each laid out?

Contract: pure. A command is an array whose first item is its code; each function here builds one, and alone knows the order of its
items for writing. docs/journal.md is the specification; `machine` reads them.
Not obvious: codes and layouts never change their meaning, since recorded journals are replayed for ever; a new need takes a new code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

# A command as it is packed; after unpacking nothing is known about its items until the machine has looked.
Command = list[object]
# Tasks `lo` to `hi - 1` of what was assigned at `position`.
Range = tuple[int, int, int]
# A range and how long its tasks are kept, seconds.
KeptRange = tuple[int, int, int, int]
# position, index, delay_ms, error_msg, retried (the new count; None when this does not count as a failure)
Retry = tuple[int, int, int, str, int | None]
Archiving = tuple[int, int, str]  # position, index, error_msg
# session, position, index, delay_ms, error_msg, retried
OrphanRetry = tuple[int, int, int, int, str, int | None]
# session, position, index, error_msg
OrphanArchiving = tuple[int, int, int, str]

GENESIS: Final = 0
OPEN: Final = 1
SESSION: Final = 2
CLOSE: Final = 3
LEAVE: Final = 4
ENQUEUE: Final = 8
ENQUEUE_MORE: Final = 9
SETTLE_DONE: Final = 16
SETTLE_COMPLETE: Final = 17
SETTLE_RETRY: Final = 18
SETTLE_ARCHIVE: Final = 19
SETTLE_REQUEUE: Final = 20
HAND_BACK: Final = 21
WRITE_RESULT: Final = 22
RECOVER_RETRY: Final = 24
RECOVER_ARCHIVE: Final = 25
AGGREGATE: Final = 26
DELETE_SET: Final = 27
RUN: Final = 32
ARCHIVE: Final = 33
DELETE: Final = 34
PAUSE: Final = 35
UNPAUSE: Final = 36
RUN_ALL: Final = 37
ARCHIVE_ALL: Final = 38
DELETE_ALL: Final = 39
TICK: Final = 40
ASK: Final = 41
REPLY: Final = 42
CHECKPOINTED: Final = 43
ACTIVATE: Final = 44
UPDATE_PAYLOAD: Final = 45
REMOVE_QUEUE: Final = 46
QUEUE: Final = 48
SERVER: Final = 49
SERVER_GONE: Final = 50
CANCEL: Final = 51
COUNTS: Final = 52
SCHEDULER: Final = 53
SCHEDULER_GONE: Final = 54
ENQUEUED: Final = 55
HISTORY_GONE: Final = 56
QUEUE_GONE: Final = 59
CLAIM: Final = 60
FIRED: Final = 61
TAKE_TOKEN: Final = 57
RETURN_TOKEN: Final = 58

# Outcome codes.
OK: Final = 0
DUPLICATE: Final = 1
ID_TAKEN: Final = 2
STALE: Final = 3
NO_SUCH_TASK: Final = 4
IS_ACTIVE: Final = 5
IS_PENDING: Final = 6
IS_ARCHIVED: Final = 7
IS_PAUSED: Final = 8
IS_NOT_PAUSED: Final = 9
REJECTED: Final = 10
BEHIND: Final = 11
UNKNOWN_VERSION: Final = 12
LAST_SESSION: Final = 13
IS_NOT_EMPTY: Final = 14
IS_NOT_SCHEDULED: Final = 15
IS_NOT_DUE: Final = 16
NO_SUCH_SET: Final = 17
IS_IN_SET: Final = 18

# Sizes of what CHECKPOINTED carries.
DIGEST_BYTES: Final = 32
TRAIL_BYTES: Final = 16

# What COUNTS counts, in this order; a later release may append to it.
COUNTED: Final = (
    "pending",
    "active",
    "scheduled",
    "retry",
    "archived",
    "completed",
    "aggregating",
    "groups",
    "orphaned",
    "processed",
    "failed",
    "processed_total",
    "failed_total",
    "unreadable",
    "memory_usage_bytes",
    "credit",
    "sessions",
)

# The machine version that this release writes and knows.
MACHINE_VERSION: Final = 1


def genesis(journal_id: bytes, partition: int, partition_count: int) -> Command:
    """The first entry of a partition: `journal_id` is 16 random bytes. Later ones are ignored."""
    return [GENESIS, journal_id, partition, partition_count, MACHINE_VERSION]


def open_session(server_id: str, slots: int, credit: int, newest_version: int = MACHINE_VERSION) -> Command:
    """Join with `slots` slots and `credit` of them offered. The session's name is the position of this frame."""
    return [OPEN, server_id, slots, newest_version, credit]


def session(name: int, mark_position: int, mark_index: int, credit_delta: int = 0) -> Command:
    """Renew a session, say what has started, offer (> 0) or withdraw (< 0) credit.

    Started is everything assigned at a position below `mark_position`, and at `mark_position` what has an index below `mark_index`.
    """
    return [SESSION, name, mark_position, mark_index, credit_delta]


def close_session(name: int) -> Command:
    """Leave: what has not started returns uncounted, what has started is orphaned."""
    return [CLOSE, name]


def leave(name: int) -> Command:
    """Close the session if another one that lives takes tasks: so of several that let go at once, one stays."""
    return [LEAVE, name]


def enqueue(ids: Sequence[str], messages: Sequence[bytes]) -> Command:
    """Pending tasks, two columns of equal length."""
    return [ENQUEUE, ids, messages]


def enqueue_more(
    ids: Sequence[str],
    messages: Sequence[bytes],
    *,
    process_at: Sequence[int | None] | None = None,
    unique_keys: Sequence[str | None] | None = None,
    unique_ttls: Sequence[int | None] | None = None,
    groups: Sequence[str | None] | None = None,
) -> Command:
    """Tasks of any kind; the further columns have the same length, an item is None where it does not apply.

    Args:
        ids: Task ids.
        messages: Their encoded messages.
        process_at: Unix seconds.
        unique_keys: Full keys of uniqueness locks.
        unique_ttls: How long each lock lasts from now, whole seconds.
        groups: Groups in which they wait instead of running, or, those with a `process_at`, from then on.
    """
    return [ENQUEUE_MORE, ids, messages, process_at, unique_keys, unique_ttls, groups]


def settle_done(ranges: Sequence[Range]) -> Command:
    """Ended well: deleted, locks freed."""
    return [SETTLE_DONE, ranges]


def settle_complete(ranges: Sequence[KeptRange]) -> Command:
    """Ended well: kept for the retention named with each range (at least 1 s), locks freed."""
    return [SETTLE_COMPLETE, ranges]


def settle_retry(retries: Sequence[Retry]) -> Command:
    """Failed: each runs again at its delay from now."""
    return [SETTLE_RETRY, retries]


def settle_archive(archivings: Sequence[Archiving]) -> Command:
    """Failed for good."""
    return [SETTLE_ARCHIVE, archivings]


def settle_requeue(ranges: Sequence[Range]) -> Command:
    """Next in line again, nothing counted."""
    return [SETTLE_REQUEUE, ranges]


def hand_back(ranges: Sequence[Range]) -> Command:
    """What was not started returns to its place, nothing counted."""
    return [HAND_BACK, ranges]


def write_result(position: int, index: int, result: bytes) -> Command:
    """Store a result with the task, replacing an earlier one."""
    return [WRITE_RESULT, position, index, result]


def recover_retry(retries: Sequence[OrphanRetry]) -> Command:
    """Settle orphans: they run again."""
    return [RECOVER_RETRY, retries]


def recover_archive(archivings: Sequence[OrphanArchiving]) -> Command:
    """Settle orphans: failed for good."""
    return [RECOVER_ARCHIVE, archivings]


def aggregate(groups: Sequence[str], size_max: int, delay_s: int, grace_s: int) -> Command:
    """Make a set of each group that is full or has waited long enough.

    The outcome has for each group the list of the set's position and number, or IS_NOT_DUE.

    Args:
        groups: Names.
        size_max: A group is full with so many tasks, and no set has more; 0: no limit.
        delay_s: Its first task waits at most so long, whole seconds; 0: no limit.
        grace_s: No task has come for so long, whole seconds.
    """
    return [AGGREGATE, groups, size_max, delay_s, grace_s]


def delete_set(position: int, number: int, enqueueing: Command | None = None) -> Command:
    """Delete the tasks of a set and free their locks; `enqueueing`, of one task, comes first, and nothing is deleted unless it enters.

    The outcome is 0, or one code: NO_SUCH_SET, or the one of the task that was refused.
    """
    return [DELETE_SET, position, number, enqueueing]


def run(ids: Sequence[str]) -> Command:
    """Make tasks pending now, whatever they wait for."""
    return [RUN, ids]


def archive(ids: Sequence[str]) -> Command:
    """Move tasks to the archive; message and counters stay."""
    return [ARCHIVE, ids]


def delete(ids: Sequence[str]) -> Command:
    """Delete tasks that are not active and free their locks."""
    return [DELETE, ids]


def pause() -> Command:
    """Stop assigning."""
    return [PAUSE]


def unpause() -> Command:
    """Assign again."""
    return [UNPAUSE]


def tick() -> Command:
    """Let time pass: only the entry's timestamp counts."""
    return [TICK]


def ask() -> Command:
    """Ask whoever looks after the journal for a reply to this frame."""
    return [ASK]


def reply(writer_id: bytes, sequence: int, outcomes: Sequence[object]) -> Command:
    """Tell the writer of a frame what became of its commands: `outcomes` as the machine gave them, one a command."""
    return [REPLY, writer_id, sequence, outcomes]


def checkpointed(position: int, digest: bytes, first_chunk: int, trail: bytes) -> Command:
    """A checkpoint of the state behind `position` is complete; also a command of the control journal.

    Args:
        position: Below that of this frame.
        digest: Of the checkpoint's bytes, 32 bytes.
        first_chunk: Where it begins in the journal of checkpoints.
        trail: The machine's `trail` at the position.
    """
    return [CHECKPOINTED, position, digest, first_chunk, trail]


def activate(version: int) -> Command:
    """Let a machine version hold from here on; there is no way back. Accepted if every live session knows it."""
    return [ACTIVATE, version]


def queue(name: str, partition_count: int) -> Command:
    """Control: the queue exists."""
    return [QUEUE, name, partition_count]


def server(key: str, info: bytes, workers: Sequence[tuple[str, bytes]], ttl_s: int) -> Command:
    """Control: what a server tells about itself, for `ttl_s` seconds; `workers` are (task id, encoded WorkerInfo)."""
    return [SERVER, key, info, workers, ttl_s]


def server_gone(key: str) -> Command:
    """Control: withdraw what `server` told."""
    return [SERVER_GONE, key]


def cancel(task_id: str) -> Command:
    """Control: ask whoever runs the task to stop."""
    return [CANCEL, task_id]


def counts(
    queue: str,
    partition: int,
    position: int,
    clock_ms: int,
    numbers: Sequence[int],
    *,
    is_paused: bool,
    oldest_pending_since_ms: int | None,
) -> Command:
    """Control: what a queue's partition looked like behind `position`, at `clock_ms` of its own clock; `numbers` as in `COUNTED`."""
    return [COUNTS, queue, partition, position, clock_ms, is_paused, oldest_pending_since_ms, numbers]
