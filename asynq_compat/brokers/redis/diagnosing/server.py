"""Does a Redis keep what is put into it?

Contract: pure: what INFO, CONFIG and TIME answered is passed in; None for what the user may not ask.
Source: Asynq's own advice is `maxmemory-policy noeviction`; INFO's fields as of Redis 6 to 8 and Valkey 8 and 9.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from asynq_compat.ports.diagnosing import Finding, Severity

# Since then an idle server is woken (docs/semantics.md, "config").
_VERSION_MIN = (6, 2)
_NEARLY_FULL = 0.9
# A lease is 30 s, and what is scheduled is compared with the workers' clocks.
_SKEW_WARNING_S, _SKEW_PROBLEM_S = 1.0, 10.0


def server_findings(info: Mapping[str, str], save: str | None, skew_s: float) -> Iterator[Finding]:
    """Yield how the server is: version, role, eviction, memory, persistence, clock.

    Args:
        info: INFO's fields.
        save: The setting `save`; None if it is not known.
        skew_s: How far its clock is ahead of this machine's.
    """
    yield _version(info)
    yield _role(info)
    yield _eviction(info)
    if (memory := _memory(info)) is not None:
        yield memory
    yield from _persistence(info, save)
    yield _clock(skew_s)


def _fine(check: str, message: str) -> Finding:
    return Finding(check=check, severity=Severity.FINE, message=message)


def _version(info: Mapping[str, str]) -> Finding:
    text = info.get("redis_version", "")
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {text}"
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if numbers >= _VERSION_MIN:
        return _fine("version", name)
    oldest = ".".join(map(str, _VERSION_MIN))
    message = f"{name} is older than {oldest}: idle servers cannot be woken there and ask again and again; upgrade it"
    return Finding(check="version", severity=Severity.WARNING, message=message)


def _role(info: Mapping[str, str]) -> Finding:
    if info.get("role") == "slave":
        return Finding(
            check="role",
            severity=Severity.PROBLEM,
            message="it is a replica, which takes no writes; connect to its primary",
        )
    return _fine("role", "it is a primary")


def _eviction(info: Mapping[str, str]) -> Finding:
    policy, limit = info.get("maxmemory_policy", ""), int(info.get("maxmemory", 0) or 0)
    if policy == "noeviction":
        return _fine("eviction_policy", "maxmemory-policy is noeviction")
    advice = "set it with `redis-cli CONFIG SET maxmemory-policy noeviction`, and in redis.conf"
    if not policy:
        message = f"maxmemory-policy is not told, it must be noeviction; {advice}"
        return Finding(check="eviction_policy", severity=Severity.WARNING, message=message)
    if limit:
        message = f"maxmemory-policy is {policy}: Redis deletes tasks when it is full; {advice}"
        return Finding(check="eviction_policy", severity=Severity.PROBLEM, message=message)
    message = f"maxmemory-policy is {policy}: Redis will delete tasks once a maxmemory is set; {advice}"
    return Finding(check="eviction_policy", severity=Severity.WARNING, message=message)


def _memory(info: Mapping[str, str]) -> Finding | None:
    used, limit = int(info.get("used_memory", 0) or 0), int(info.get("maxmemory", 0) or 0)
    if not limit:
        return None
    message = f"{used} of {limit} bytes (maxmemory) are in use"
    if used < limit * _NEARLY_FULL:
        return _fine("memory", message)
    return Finding(
        check="memory",
        severity=Severity.WARNING,
        message=f"{message}; when it is full no task can be enqueued, and none settled: raise it or delete tasks",
    )


def _persistence(info: Mapping[str, str], save: str | None) -> Iterator[Finding]:
    failing = [
        name
        for name in ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")
        if info.get(name, "ok") != "ok"
    ]
    if failing:
        yield Finding(
            check="persistence",
            severity=Severity.PROBLEM,
            message=f"Redis cannot write to its disk ({', '.join(failing)} is not ok); look at its log and its disk",
        )
    elif info.get("aof_enabled") == "1":
        yield _fine("persistence", "the append-only file is on")
    else:
        since = "everything" if save == "" else "what came since the last snapshot"
        yield Finding(
            check="persistence",
            severity=Severity.WARNING,
            message=f"the append-only file is off: a crash of Redis loses {since}; set appendonly yes",
        )


def _clock(skew_s: float) -> Finding:
    off = abs(skew_s)
    message = f"its clock is {off:.1f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    if off < _SKEW_WARNING_S:
        return _fine("clock", "its clock agrees with this machine's within a second")
    severity = Severity.WARNING if off < _SKEW_PROBLEM_S else Severity.PROBLEM
    return Finding(
        check="clock",
        severity=severity,
        message=f"{message}: leases and schedules go by the workers' clocks; let all machines follow NTP",
    )
