"""How long does a caller wait for a replica that has much to do?"""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from asynq_compat.brokers.journal.following import progress as module
from asynq_compat.brokers.journal.following.progress import Progress
from asynq_compat.errors import BrokerUnavailableError

_HOURS = itertools.count(0, 3600)


def test_a_caller_waits_while_the_entries_of_one_read_are_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress("queue.default")

    def look_at_the_clock() -> float:
        progress.applied_count += 1
        if progress.applied_count > 10:
            progress.upto = 5
        return next(_HOURS)

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=look_at_the_clock))

    progress.wait_for(5, timeout_s=0.01)

    assert progress.applied_count > 10


def test_a_caller_gives_up_where_nothing_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(_HOURS)))

    with pytest.raises(BrokerUnavailableError, match=r"queue\.default gave no entries within 0\.01 s"):
        Progress("queue.default").wait_for(5, timeout_s=0.01)
