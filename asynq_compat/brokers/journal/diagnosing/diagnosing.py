"""What does a doctor see in journals, and what can it mend?

Contract: the diagnosing port. Each queue's journal is folded once, from its newest checkpoint on, beside what else this process does.
Not obvious: the broker's clock is told by an entry alone, so one without commands is appended to the control journal; it changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from asynq_compat.brokers.journal.diagnosing.partition import PartitionDiagnosis
from asynq_compat.errors import AsynqError, BrokerUnavailableError, NewerReleaseError, UnsupportedByBroker
from asynq_compat.journals.examining import Condition
from asynq_compat.journals.journal import CONTROL, JournalStore, queue_journal_name
from asynq_compat.machine.versions import Versions
from asynq_compat.ports.diagnosing import Finding, Severity
from asynq_compat.ports.history import History, Progress
from asynq_compat.rules.clock import Clock
from asynq_compat.wire.frame import encode_frame

_QUEUES = queue_journal_name("")
_NS_PER_MS = 1_000_000
_WAIT_S = 5.0
# Leases and schedules go by the log's clock; this machine's decides what it calls now.
_SKEW_WARNING_MS, _SKEW_PROBLEM_MS = 1_000, 10_000


class JournalDiagnosing:
    """The diagnosing port over journals.

    Args:
        store: Where they stand.
        clock: This machine's.
        versions: The machine versions that this program knows.
        history: Writes checkpoints.
        examine: Says how the place itself is.
    """

    def __init__(
        self,
        store: JournalStore,
        clock: Clock,
        versions: Versions,
        history: History,
        examine: Callable[[], Sequence[Condition]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._versions = versions
        self._history = history
        self._examine = examine

    def facts(self) -> Mapping[str, str]:
        """Return where the journals stand."""
        return {"address": self._store.address}

    def findings(self, progress: Progress) -> Sequence[Finding]:
        """Look at the place, its clock, and each queue."""
        found = [_finding_of(one) for one in self._examine()]
        names = self._store.names()
        if CONTROL in names:
            found.append(self._clock_of_the_log())
        queues = [name.removeprefix(_QUEUES) for name in names if name.startswith(_QUEUES)]
        for number, queue in enumerate(queues):
            progress(number, len(queues))
            found.extend(self._of_queue(queue))
        return found

    def repair(self, finding: Finding) -> int:
        """Write the checkpoints that a finding misses."""
        if finding.check != "checkpoint" or not finding.remedy:
            raise UnsupportedByBroker(f"{finding.check} cannot be mended from here; its message says what to do")
        written = [self._history.checkpoint(finding.queue, int(partition)) for partition in finding.names]
        return sum(one is not None for one in written)

    def _of_queue(self, queue: str) -> Iterator[Finding]:
        try:
            for partition in range(self._store.partition_count(queue_journal_name(queue), 1)):
                with PartitionDiagnosis(self._store, queue, partition, self._versions) as diagnosis:
                    yield from diagnosis.findings(self._clock.now_ns() // _NS_PER_MS)
        except NewerReleaseError as error:
            yield Finding(check="machine_version", severity=Severity.PROBLEM, message=str(error), queue=queue)
        except AsynqError as error:  # A topic that is refused, or has no leader; a journal that cannot be folded.
            yield Finding(check="journal", severity=Severity.PROBLEM, message=str(error), queue=queue)

    def _clock_of_the_log(self) -> Finding:
        try:
            told_ms, before_ns, after_ns = self._ask_the_clock()
        except AsynqError as error:
            message = f"the clock of the log is not known: {error}"
            return Finding(check="clock", severity=Severity.WARNING, message=message)
        return _skew(told_ms, before_ns // _NS_PER_MS, after_ns // _NS_PER_MS)

    def _ask_the_clock(self) -> tuple[int, int, int]:
        """Return the time of an entry, and ours before and after it was appended."""
        journal = self._store.open(CONTROL)
        try:
            before_ns = self._clock.now_ns()
            position = journal.append(encode_frame(os.urandom(16), 1, []))
            after_ns = self._clock.now_ns()
            entries = journal.read(position - 1, wait_s=_WAIT_S, max_count=1).entries
        finally:
            journal.close()
        if not entries:
            raise BrokerUnavailableError(f"the control journal gave no entry within {_WAIT_S:g} s")
        return entries[0].timestamp_ms, before_ns, after_ns


def _finding_of(one: Condition) -> Finding:
    severity = Severity.FINE if one.is_fine else Severity.PROBLEM if one.is_grave else Severity.WARNING
    return Finding(check=one.check, severity=severity, message=one.text)


def _skew(told_ms: int, before_ms: int, after_ms: int) -> Finding:
    """Say how far the log's clock is off; it was read at some time from `before_ms` to `after_ms`."""
    off_ms = told_ms - before_ms if told_ms < before_ms else max(told_ms - after_ms, 0)
    if abs(off_ms) < _SKEW_WARNING_MS:
        message = "the log's clock agrees with this machine's within a second"
        return Finding(check="clock", severity=Severity.FINE, message=message)
    which = "ahead of" if off_ms > 0 else "behind"
    return Finding(
        check="clock",
        severity=Severity.WARNING if abs(off_ms) < _SKEW_PROBLEM_MS else Severity.PROBLEM,
        message=f"the log's clock is {abs(off_ms) / 1000:.1f} s {which} this machine's: tasks run by the log's; let both follow NTP",
    )
