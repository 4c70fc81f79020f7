"""Does the doctor see that the last server of a journal has died, though nobody tells the journal that time passes?"""

from __future__ import annotations

import uuid
from contextlib import closing

from asynq_compat.brokers.journal.diagnosing.partition import PartitionDiagnosis
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.machine.versions import VERSIONS
from asynq_compat.ports.diagnosing import Severity
from asynq_compat.testing import VirtualClock
from tests.unit.brokers.journal.workplace import enqueue, memory_broker, open_intake, take

_LEASE_MS = 30_000


def test_tasks_of_a_server_that_says_nothing_any_more_are_told() -> None:
    name, clock = uuid.uuid4().hex, VirtualClock()
    with closing(memory_broker(name, clock=clock)) as broker:
        enqueue(broker, 3)
        intake = open_intake(broker, capacity=2)
        take(intake, 2)
        with PartitionDiagnosis(MemoryJournalStore(name), "default", 0, VERSIONS) as diagnosis:
            (now,) = [one for one in diagnosis.findings(clock.now_ms()) if one.check == "servers"]
            (later,) = [one for one in diagnosis.findings(clock.now_ms() + _LEASE_MS) if one.check == "orphans"]
        intake.close()

    assert (now.severity, now.message) == (Severity.FINE, "servers: 1, pending tasks: 1")
    assert later.severity is Severity.WARNING
    assert later.message.startswith("tasks of servers that say nothing any more: 2 (servers: 1)")
