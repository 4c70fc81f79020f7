"""What does a doctor see in a Redis, and what can it mend?

Contract: the diagnosing port. A right that is missing (INFO, CONFIG, SCAN) is a finding, no failure.
Not obvious: of a cluster only the tasks are looked at, and none that no list names: INFO and SCAN are questions to one node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from asynq_compat.brokers.redis.commands import Refusal, Reply, as_bytes, as_int, as_list, command
from asynq_compat.brokers.redis.diagnosing.server import facts_of, server_findings
from asynq_compat.brokers.redis.diagnosing.tasks import FAULTS, TaskDiagnosis
from asynq_compat.brokers.redis.keys import QUEUES, SCHEDULERS, SERVERS, WORKERS
from asynq_compat.brokers.redis.link import Link, ServerLink
from asynq_compat.errors import UnsupportedByBroker
from asynq_compat.ports.diagnosing import Finding, Severity
from asynq_compat.ports.history import Progress
from asynq_compat.rules.clock import Clock

_NS = 1_000_000_000
_STALE = "stale_servers"


class RedisDiagnosing:
    """The diagnosing port."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._tasks = TaskDiagnosis(link, clock)

    def facts(self) -> Mapping[str, str]:
        """Return the fields of INFO; empty on a cluster, and for a user who may not ask."""
        info = self._allowed(b"INFO") if self._is_one_server else None
        return facts_of(info.decode(errors="replace")) if isinstance(info, bytes) else {}

    @property
    def _is_one_server(self) -> bool:
        return isinstance(self._link, ServerLink)

    def findings(self, progress: Progress) -> Sequence[Finding]:
        """Look at the server, the servers that are known, and each queue."""
        return [*self._of_server(), *self._of_servers(), *self._of_queues(progress)]

    def repair(self, finding: Finding) -> int:
        """Do what the finding's remedy says."""
        if finding.check in {fault.check for fault in FAULTS}:
            return self._tasks.repair(finding)
        if finding.check != _STALE:
            raise UnsupportedByBroker(f"{finding.check} cannot be mended from here; its message says what to do")
        until = self._clock.now_ns() // _NS
        return sum(
            as_int(self._link.ask(command(b"ZREMRANGEBYSCORE", key, b"-inf", until)))
            for key in (SERVERS, WORKERS, SCHEDULERS)
        )

    def _allowed(self, *parts: bytes) -> Reply:
        """Return the answer; None where the user may not ask."""
        answer = self._link.run([command(*parts)]).answers[0]
        if isinstance(answer, Refusal) and answer.code == "NOPERM":
            return None
        return self._link.accept(answer)

    def _of_server(self) -> Iterator[Finding]:
        if not self._is_one_server:
            yield Finding(
                check="cluster", severity=Severity.FINE, message="a cluster: its nodes are not looked at one by one"
            )
            return
        info = self.facts()
        if not info:
            yield Finding(
                check="version",
                severity=Severity.WARNING,
                message="this user may not ask INFO: version, eviction and persistence are not known; give it +info",
            )
            return
        save = self._allowed(b"CONFIG", b"GET", b"save")
        saved = as_bytes(save[1]).decode() if isinstance(save, list) and len(save) == 2 else None
        yield from server_findings(info, saved, self._skew_s())

    def _skew_s(self) -> float:
        """Return how far the server's clock is ahead of ours, as near as half a round trip."""
        before_ns = self._clock.now_ns()
        told = self._allowed(b"TIME")
        after_ns = self._clock.now_ns()
        if told is None:
            return 0.0
        seconds, microseconds = (int(as_bytes(part)) for part in as_list(told))
        return seconds + microseconds / 1e6 - (before_ns + after_ns) / 2 / _NS

    def _of_servers(self) -> Iterator[Finding]:
        until = self._clock.now_ns() // _NS
        gone = [
            as_bytes(name).decode(errors="replace").partition(":")[2]
            for key in (SERVERS, WORKERS, SCHEDULERS)
            for name in as_list(self._link.ask(command(b"ZRANGEBYSCORE", key, b"-inf", until)))
        ]
        if gone:
            yield Finding(
                check=_STALE,
                severity=Severity.WARNING,
                message=f"{len(gone)} entries are of servers and schedulers that ended without a word",
                names=tuple(gone),
                remedy="remove these entries",
            )

    def _of_queues(self, progress: Progress) -> Iterator[Finding]:
        names = [
            as_bytes(name).decode(errors="replace") for name in as_list(self._link.ask(command(b"SMEMBERS", QUEUES)))
        ]
        scans = self._is_one_server and self._allowed(b"SCAN", b"0", b"COUNT", b"1") is not None
        if self._is_one_server and not scans:
            yield Finding(
                check="strays",
                severity=Severity.WARNING,
                message="this user may not SCAN: tasks that no list names are not looked for; give it +scan",
            )
        for name in sorted(names):
            found = list(self._tasks.findings(name, progress, scans=scans))
            yield from found or [
                Finding(check="tasks", severity=Severity.FINE, message="each task stands where it should", queue=name)
            ]
