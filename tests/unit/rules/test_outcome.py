"""Is every ending answered as in Asynq?"""

from __future__ import annotations

import pytest

from asynq_compat.ports.consuming import SettleKind
from asynq_compat.rules.outcome import Ending, Verdict, verdict


@pytest.mark.parametrize(
    ("ending", "retried", "retention_s", "expected"),
    [
        (Ending.SUCCEEDED, 0, 0, Verdict.DONE),
        (Ending.SUCCEEDED, 0, -1, Verdict.DONE),
        (Ending.SUCCEEDED, 0, 1, Verdict.COMPLETE),
        (Ending.FAILED, 4, 60, Verdict.RETRY),
        (Ending.FAILED, 5, 60, Verdict.ARCHIVE),
        (Ending.FAILED, 6, 60, Verdict.ARCHIVE),
        (Ending.SKIPPED_RETRY, 0, 60, Verdict.ARCHIVE),
        (Ending.REVOKED, 0, 60, Verdict.DONE),
        (Ending.REVOKED, 5, 60, Verdict.DONE),
        (Ending.LEASE_LOST, 5, 60, Verdict.NOTHING),
        (Ending.ABORTED, 5, 60, Verdict.REQUEUE),
    ],
)
def test_the_verdict_is_asynqs(ending: Ending, retried: int, retention_s: int, expected: Verdict) -> None:
    assert verdict(ending, retried=retried, retry_max=5, retention_s=retention_s) is expected


def test_each_verdict_but_nothing_is_a_transition_of_the_same_name() -> None:
    assert {v.name: v.value for v in Verdict if v is not Verdict.NOTHING} == {k.name: k.value for k in SettleKind}
