"""What does a doctor see in a Redis, and what can it mend?

Contract: the diagnosing port. A right that is missing (INFO, CONFIG, SCAN) is a finding, no failure.
Not obvious: of a cluster those nodes are looked at that hold queues. What is over is judged by Redis's clock, so that one whose own is wrong mends nothing that lives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from asynq_compat.brokers.redis.commands import as_bytes, as_int, as_list, command
from asynq_compat.brokers.redis.diagnosing.node import NodeTalk, now_s
from asynq_compat.brokers.redis.diagnosing.server import server_findings
from asynq_compat.brokers.redis.diagnosing.tasks import FAULTS, TaskDiagnosis, is_odd, odd_keys
from asynq_compat.brokers.redis.keys import QUEUES, SCHEDULERS, SERVERS, WORKERS, queue_keys
from asynq_compat.brokers.redis.link import Link
from asynq_compat.errors import UnsupportedByBroker
from asynq_compat.ports.diagnosing import Finding, Severity
from asynq_compat.ports.history import Progress
from asynq_compat.rules.clock import Clock

_NS = 1_000_000_000
_REGISTERS = (SERVERS, WORKERS, SCHEDULERS)
_STALE = "stale_servers"
_NO_INFO = Finding(
    check="version",
    severity=Severity.WARNING,
    message="this user may not ask INFO: version, eviction and persistence are not known; give it +info",
)
_NO_SCAN = Finding(
    check="strays",
    severity=Severity.WARNING,
    message="this user may not SCAN: tasks that no list names are not looked for; give it +scan",
)


class RedisDiagnosing:
    """The diagnosing port."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._tasks = TaskDiagnosis(link, clock)

    def facts(self) -> Mapping[str, str]:
        """Return the fields of INFO, of the node that knows which queues there are; empty for a user who may not ask."""
        with NodeTalk(self._link, QUEUES) as node:
            return node.facts()

    def findings(self, progress: Progress) -> Sequence[Finding]:
        """Look at the nodes, the servers that are known, and each queue."""
        found = as_list(self._link.ask(command(b"SMEMBERS", QUEUES)))
        queues = sorted(as_bytes(name).decode(errors="replace") for name in found)
        return [*self._of_nodes(queues), *self._of_servers(), *self._of_queues(queues, progress)]

    def repair(self, finding: Finding) -> int:
        """Do what the finding's remedy says."""
        if finding.check in {fault.check for fault in FAULTS}:
            return self._tasks.repair(finding)
        if finding.check != _STALE:
            raise UnsupportedByBroker(f"{finding.check} cannot be mended from here; its message says what to do")
        until = now_s(self._link, SERVERS, self._clock)
        asked = [command(b"ZREMRANGEBYSCORE", key, b"-inf", until) for key in _REGISTERS]
        return sum(as_int(self._link.accept(one)) for one in self._link.run(asked).answers if not is_odd(one))

    def _of_nodes(self, queues: Sequence[str]) -> Iterator[Finding]:
        seen: set[str] = set()
        for key in (QUEUES, *(queue_keys(queue).pending for queue in queues)):
            with NodeTalk(self._link, key) as node:
                info = node.facts()
                is_one_of_many = info.get("cluster_enabled") == "1"
                if info.get("run_id", "") not in seen:
                    where = f"node at port {info.get('tcp_port', '?')}: " if is_one_of_many else ""
                    yield from (replace(one, message=where + one.message) for one in self._of_node(node, info))
            if not is_one_of_many:
                return
            seen.add(info.get("run_id", ""))

    def _of_node(self, node: NodeTalk, info: Mapping[str, str]) -> Iterator[Finding]:
        if not info:
            yield _NO_INFO
            return
        save = node.ask(b"CONFIG", b"GET", b"save")
        saved = as_bytes(save[1]).decode() if isinstance(save, list) and len(save) == 2 else None
        yield from server_findings(info, saved, self._skew_s(node))

    def _skew_s(self, node: NodeTalk) -> float:
        """Return how far the node's clock is ahead of ours, as near as half a round trip."""
        before_ns = self._clock.now_ns()
        told_s = node.time_s()
        after_ns = self._clock.now_ns()
        return 0.0 if told_s is None else told_s - (before_ns + after_ns) / 2 / _NS

    def _of_servers(self) -> Iterator[Finding]:
        until = now_s(self._link, SERVERS, self._clock)
        asked = [command(b"ZRANGEBYSCORE", key, b"-inf", until) for key in _REGISTERS]
        answers = dict(zip(_REGISTERS, self._link.run(asked).answers, strict=True))
        if odd := [key for key, answer in answers.items() if is_odd(answer)]:
            yield odd_keys(odd, "servers and schedulers cannot tell that they live")
        gone = [
            as_bytes(name).decode(errors="replace").partition(":")[2]
            for key, answer in answers.items()
            if key not in odd
            for name in as_list(self._link.accept(answer))
        ]
        if gone:
            yield Finding(
                check=_STALE,
                severity=Severity.WARNING,
                message=f"entries of servers and schedulers that ended without a word: {len(gone)}",
                names=tuple(gone),
                remedy="remove these entries",
            )

    def _of_queues(self, queues: Sequence[str], progress: Progress) -> Iterator[Finding]:
        may_scan = True
        for name in queues:
            with NodeTalk(self._link, queue_keys(name).pending) as node:
                may_scan = may_scan and node.ask(b"SCAN", 0, b"COUNT", 1) is not None
                found = list(self._tasks.findings(name, progress, node if may_scan else None))
            yield from found or [
                Finding(check="tasks", severity=Severity.FINE, message="each task stands where it should", queue=name)
            ]
        if not may_scan:
            yield _NO_SCAN
