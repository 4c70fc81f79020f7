"""What happens to a task after an attempt?

Contract: pure, one table. What a handler raised is told apart by the caller (`Ending`); what has to be done is a `Verdict`.
Not obvious: a revoked task is done even when it should be retained; a task without retries left is archived whether or not the
failure counts; after a lost lease nothing is written, because the task belongs to somebody else.
Source: asynq v0.26.0 `processor.handleFailedMessage`; docs/semantics.md, "outcomes".
"""

from __future__ import annotations

from enum import Enum


class Ending(Enum):
    """How an attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"  # an error, a panic, a passed deadline or a cancellation
    SKIPPED_RETRY = "skipped_retry"
    REVOKED = "revoked"
    LEASE_LOST = "lease_lost"
    ABORTED = "aborted"  # the server's shutdown timeout was over


class Verdict(Enum):
    """What is to be done with the task; the values are those of the transitions, NOTHING writes none."""

    DONE = "done"
    COMPLETE = "complete"
    RETRY = "retry"
    ARCHIVE = "archive"
    REQUEUE = "requeue"
    NOTHING = "nothing"


_ALWAYS = {
    Ending.SKIPPED_RETRY: Verdict.ARCHIVE,
    Ending.REVOKED: Verdict.DONE,
    Ending.LEASE_LOST: Verdict.NOTHING,
    Ending.ABORTED: Verdict.REQUEUE,
}


def verdict(ending: Ending, *, retried: int, retry_max: int, retention_s: int) -> Verdict:
    """Return what is to be done with a task.

    Args:
        ending: How the attempt ended.
        retried: Retries so far, before this failure is booked.
        retry_max: The message's maximum number of retries.
        retention_s: How long to keep it after success; zero or less: not at all.
    """
    if ending is Ending.SUCCEEDED:
        return Verdict.COMPLETE if retention_s > 0 else Verdict.DONE
    if ending is Ending.FAILED:
        return Verdict.ARCHIVE if retried >= retry_max else Verdict.RETRY
    return _ALWAYS[ending]
