"""What becomes of an old server, and of its tasks, where a later release takes over?

Contract: version 2 is that of `next_release`; both releases follow one journal in memory, in virtual time. The old one hears nothing while
its session ends: that is how a server meets a version that it does not know.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.config import Config
from asynq_compat.context import Context
from asynq_compat.errors import InvalidArgumentError, MachineVersionError, NewerReleaseError
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.diagnosing import Finding, Severity
from asynq_compat.ports.history import History
from asynq_compat.server import Server
from asynq_compat.task import Task
from asynq_compat.testing.clock import VirtualClock
from tests.server.ground import PATIENCE_S, Ground, pass_time, wait_until
from tests.unit.brokers.journal.faulty import FaultyStore
from tests.unit.machine.next_release import NEXT_RELEASE

_QUEUE = "default"
_LOOK_AGAIN_S = 0.02


class Releases:
    """An old and a new release on one journal; `old_store` can be cut off from it."""

    def __init__(self, *, partition_count: int = 1) -> None:
        self.clock = VirtualClock()
        name = uuid.uuid4().hex
        self.old_store = FaultyStore(MemoryJournalStore(name, now_ms=self.clock.now_ms))
        new_store = MemoryJournalStore(name, now_ms=self.clock.now_ms)
        self.old = open_journal(self.old_store, clock=self.clock, idle_s=_LOOK_AGAIN_S, replica=True)
        self.new = open_journal(
            new_store,
            clock=self.clock,
            idle_s=_LOOK_AGAIN_S,
            replica=True,
            versions=NEXT_RELEASE,
            partition_count=partition_count,
        )

    def server(self, broker: Broker) -> Server:
        """Make a server whose failed tasks run again after a second."""
        config = Config(concurrency=1, shutdown_timeout=0.2, retry_delay_func=lambda retried, error, task: 1)
        return Server(broker, config, clock=self.clock)

    @property
    def history(self) -> History:
        """What an operator of the new release asks."""
        assert self.new.history is not None
        return self.new.history

    def knowing(self) -> list[int]:
        """Return the newest version that each live server knows."""
        (one,) = self.history.versions(_QUEUE)
        return [server.newest_version for server in one.servers]

    def is_started(self, task_id: str) -> bool:
        """Return whether the journal says that a server began to work on the task."""
        (one,) = self.history.history(task_id, _QUEUE, lambda done, total: None)
        return one.attempts[-1].started_at is not None

    @contextmanager
    def silence_of_the_old(self) -> Iterator[None]:
        """Neither hear nor be heard: so an old server is inside."""
        journal = self.old_store.journals[queue_journal_name(_QUEUE)]
        journal.is_unreadable, journal.refuse = True, 1_000_000
        yield
        journal.is_unreadable, journal.refuse = False, 0

    def close(self) -> None:
        """End both."""
        self.old.close()
        self.new.close()


class OldServer:
    """A server of the old release with a task in its hands."""

    def __init__(self, releases: Releases) -> None:
        self._server = releases.server(releases.old)
        self._is_at_work = threading.Event()
        self._may_end = threading.Event()
        self._failures: list[NewerReleaseError] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._is_at_work.wait(PATIENCE_S)

    def _run(self) -> None:
        try:
            self._server.run(self._handle)
        except NewerReleaseError as failure:
            self._failures.append(failure)

    def _handle(self, ctx: Context, task: Task) -> None:
        self._is_at_work.set()
        self._may_end.wait(2 * PATIENCE_S)

    def ending(self) -> str:
        """Wait until it has ended by itself; return why it did."""
        self._thread.join(PATIENCE_S)
        self._may_end.set()
        (failure,) = self._failures
        return str(failure)


def test_an_old_server_stops_and_its_task_is_run_by_the_new_one(caplog: pytest.LogCaptureFixture) -> None:
    releases = Releases()
    clock, ran = releases.clock, threading.Semaphore(0)
    task_id = Ground(releases.new, "").enqueue()
    old, new = OldServer(releases), releases.server(releases.new)
    new.start(lambda ctx, task: ran.release())
    wait_until(lambda: releases.knowing() == [1, 2], releases.knowing)
    clock.advance_s(1)
    wait_until(lambda: releases.is_started(task_id), "the journal does not say that the task was started")
    with pytest.raises(MachineVersionError, match=r"does not know it: .*knows 1.*; upgrade or stop it") as refused:
        releases.history.activate(None, 2)
    assert len(refused.value.servers) == 1

    with releases.silence_of_the_old():
        while 1 in releases.knowing():
            pass_time(clock, 1, new, step_s=1)
        (activated,) = releases.history.activate(_QUEUE, 2)

    assert activated.active_version == 2
    assert "machine version 2, which this release does not know; upgrade this process" in old.ending()
    while not ran.acquire(timeout=_LOOK_AGAIN_S):
        pass_time(clock, 1, new, step_s=1)
    Ground(releases.new, "").wait_for_state(task_id, None)
    stats = releases.new.inspecting.queue_stats(_QUEUE)
    assert stats is not None
    # Orphaned once, done once: the old one's end counts nothing.
    assert (stats.processed_total, stats.failed_total) == (2, 1)
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR and one.exc_info]
    new.shutdown()
    releases.close()


def test_nothing_is_activated_where_it_cannot_be() -> None:
    releases = Releases()
    Ground(releases.new, "").enqueue()

    with pytest.raises(
        MachineVersionError, match=r"nobody serves partition 0 of queue .default.: start a server of the release"
    ):
        releases.history.activate(None, 2)
    with pytest.raises(InvalidArgumentError, match="does not know machine version 3, it knows 1, 2"):
        releases.history.activate(None, 3)
    assert [one.active_version for one in releases.history.versions(None)] == [1]
    releases.close()


def test_all_queues_or_none_are_activated_and_twice_is_legal() -> None:
    releases = Releases()
    ground = Ground(releases.new, "")
    for queue in ("default", "other"):
        ground.enqueue(queue=queue)
    with ground.serving(lambda ctx, task: None):
        with pytest.raises(MachineVersionError, match="other"):
            releases.history.activate(None, 2)
        assert {one.active_version for one in releases.history.versions(None)} == {1}

        for _ in range(2):
            (one,) = releases.history.activate(_QUEUE, 2)
            assert (one.active_version, one.known_versions) == (2, [1, 2])
        with pytest.raises(MachineVersionError, match="no way back to 1"):
            releases.history.activate(_QUEUE, 1)
    releases.close()


def test_an_old_program_is_told_of_a_later_version_whatever_it_asks() -> None:
    releases = Releases()
    ground = Ground(releases.new, "")
    task_id = ground.enqueue()
    with ground.serving(lambda ctx, task: None):
        releases.history.activate(_QUEUE, 2)
    history = releases.old.history
    assert history is not None

    for ask in (
        lambda: history.describe(_QUEUE, None, None, lambda done, total: None),
        lambda: history.history(task_id, None, lambda done, total: None),
        lambda: history.verify(_QUEUE, None, lambda done, total: None),
        lambda: history.versions(None),
        lambda: history.checkpoint(_QUEUE, None),
        lambda: releases.old.inspecting.queue_stats(_QUEUE),
        lambda: releases.server(releases.old).start(lambda ctx, task: None),
    ):
        with pytest.raises(NewerReleaseError, match="machine version 2, which this release does not know; upgrade"):
            ask()
    releases.close()


def test_every_partition_is_activated() -> None:
    releases = Releases(partition_count=3)
    ground = Ground(releases.new, "")
    ground.enqueue()

    with ground.serving(lambda ctx, task: None):
        told = releases.history.activate(_QUEUE, 2)

    assert [(one.partition, one.active_version) for one in told] == [(0, 2), (1, 2), (2, 2)]
    releases.close()


def test_the_doctor_tells_who_holds_up_a_version_and_when_it_can_be_activated() -> None:
    releases = Releases()
    Ground(releases.new, "").enqueue()
    old, new = releases.server(releases.old), releases.server(releases.new)
    for server in (old, new):
        server.start(lambda ctx, task: None)

    def look(broker: Broker) -> Finding:
        findings = broker.diagnosing.findings(lambda done, total: None)
        return next(one for one in findings if one.check == "machine_version")

    wait_until(lambda: releases.knowing() == [1, 2], releases.knowing)
    mixed = look(releases.new)
    old.shutdown()
    wait_until(lambda: releases.knowing() == [2], releases.knowing)
    ready = look(releases.new)
    releases.history.activate(None, 2)

    assert (mixed.severity, "machine version 1 holds; servers differ: " in mixed.message) == (Severity.WARNING, True)
    assert (ready.severity, "`asynq-compat journal activate 2`" in ready.message) == (Severity.FINE, True)
    assert look(releases.new).message == "machine version 2 holds"
    assert look(releases.old).severity is Severity.PROBLEM
    assert "upgrade this process" in look(releases.old).message
    new.shutdown()
    releases.close()
