"""What does a doctor make of what a Redis tells of itself?"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from asynq_compat.brokers.redis.diagnosing.node import facts_of
from asynq_compat.brokers.redis.diagnosing.server import server_findings
from asynq_compat.ports.diagnosing import Severity

INFO = """# Server\r
redis_version:7.2.4\r
# Clients\r
maxmemory:0\r
maxmemory_policy:noeviction\r
used_memory:1000\r
role:master\r
aof_enabled:1\r
rdb_last_bgsave_status:ok\r
aof_last_write_status:ok\r
"""


def told(
    changed: Mapping[str, str] | None = None, *, save: str = "", skew_s: float = 0.0
) -> dict[str, tuple[Severity, str]]:
    findings = server_findings({**facts_of(INFO), **(changed or {})}, save, skew_s)
    return {one.check: (one.severity, one.message) for one in findings}


def test_one_that_keeps_everything_is_fine() -> None:
    assert {severity for severity, _ in told().values()} == {Severity.FINE}
    assert told()["version"][1] == "Redis 7.2.4"
    assert told({"valkey_version": "9.0.1"})["version"][1] == "Valkey 9.0.1"


@pytest.mark.parametrize(
    ("changed", "check", "severity"),
    [
        ({"redis_version": "6.0.16"}, "version", Severity.WARNING),
        ({"redis_version": "12.1"}, "version", Severity.FINE),
        ({"role": "slave"}, "role", Severity.PROBLEM),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": "5000"}, "eviction_policy", Severity.PROBLEM),
        ({"maxmemory_policy": "allkeys-lru"}, "eviction_policy", Severity.WARNING),
        ({"maxmemory_policy": ""}, "eviction_policy", Severity.WARNING),
        ({"maxmemory": "1100"}, "memory", Severity.WARNING),
        ({"maxmemory": "1200"}, "memory", Severity.FINE),
        ({"aof_enabled": "0"}, "persistence", Severity.WARNING),
        ({"aof_last_write_status": "err"}, "persistence", Severity.PROBLEM),
        ({"aof_enabled": "0", "rdb_last_bgsave_status": "err"}, "persistence", Severity.PROBLEM),
    ],
)
def test_what_would_lose_tasks_or_stop_them_is_told(changed: dict[str, str], check: str, severity: Severity) -> None:
    findings = told(changed)

    assert findings[check][0] is severity
    assert {one for name, (one, _) in findings.items() if name != check} == {Severity.FINE}


def test_what_a_crash_loses_depends_on_snapshots() -> None:
    assert "loses everything" in told({"aof_enabled": "0"})["persistence"][1]
    assert "since the last snapshot" in told({"aof_enabled": "0"}, save="3600 1")["persistence"][1]


@pytest.mark.parametrize(
    ("skew_s", "severity", "words"),
    [
        (0.9, Severity.FINE, "agrees"),
        (-2.5, Severity.WARNING, "2.5 s behind"),
        (11.0, Severity.PROBLEM, "11.0 s ahead of"),
    ],
)
def test_clocks_that_differ_are_told(skew_s: float, severity: Severity, words: str) -> None:
    found, message = told(skew_s=skew_s)["clock"]

    assert found is severity
    assert words in message
