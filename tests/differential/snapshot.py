"""What stands in a Redis database?

Contract: `take` reads all keys with types, values, scores, list order and expiry in one call; `differences` compares two databases as
another process on the same Redis would see them: a message byte by byte or, where Go's random order of headers shows, decoded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from asynq_compat.wire import decode_message

_DUMP = """
local found = {}
for _, key in ipairs(redis.call("KEYS", "*")) do
  local kind = redis.call("TYPE", key).ok
  local value
  if kind == "string" then
    value = {redis.call("GET", key)}
  elseif kind == "list" then
    value = redis.call("LRANGE", key, 0, -1)
  elseif kind == "set" then
    value = redis.call("SMEMBERS", key)
    table.sort(value)
  elseif kind == "zset" then
    value = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
  else
    value = redis.call("HGETALL", key)
  end
  found[#found + 1] = {key, kind, redis.call("PEXPIRETIME", key), value}
end
return found
"""


@dataclass(frozen=True, slots=True)
class Value:
    """One key: its type, when it expires (Unix ms, -1 never), and what it holds."""

    kind: str
    expires_at_ms: int
    items: list[bytes] | dict[bytes, bytes]


Snapshot = Mapping[str, Value]


def take(database: redis.Redis) -> Snapshot:
    """Return everything in the database."""
    found: dict[str, Value] = {}
    reply: list[Any] = database.eval(_DUMP, 0)
    for key, kind, expires_at_ms, items in reply:
        if kind == b"hash":
            items = dict(zip(items[::2], items[1::2], strict=True))
        found[key.decode()] = Value(kind.decode(), expires_at_ms, items)
    return found


def differences(ours: Snapshot, theirs: Snapshot, apart_ms: int) -> list[str]:
    """Say, a line each, in what the databases differ.

    Args:
        ours: Our database.
        theirs: Go's.
        apart_ms: The two are written one after the other: so far may relative expiries lie apart.
    """
    lines = [f"{key}: only ours has it: {ours[key]}" for key in sorted(ours.keys() - theirs.keys())]
    lines += [f"{key}: only Go's has it: {theirs[key]}" for key in sorted(theirs.keys() - ours.keys())]
    for key in sorted(ours.keys() & theirs.keys()):
        mine, gos = ours[key], theirs[key]
        if mine == gos:
            continue
        if mine.kind != gos.kind or not _alike(mine.items, gos.items):
            lines.append(f"{key}: ours {mine}, Go's {gos}")
        elif not _expire_alike(key, mine.expires_at_ms, gos.expires_at_ms, apart_ms):
            lines.append(f"{key}: ours expires at {mine.expires_at_ms}, Go's at {gos.expires_at_ms}")
    return lines


def _alike(mine: list[bytes] | dict[bytes, bytes], gos: list[bytes] | dict[bytes, bytes]) -> bool:
    if mine == gos:
        return True
    if not (isinstance(mine, dict) and isinstance(gos, dict)) or mine.keys() != gos.keys():
        return False
    return all(
        mine[field] == gos[field]
        or (field == b"msg" and len(mine[field]) == len(gos[field]) and _message(mine[field]) == _message(gos[field]))
        for field in mine
    )


def _message(data: bytes) -> object:
    return decode_message(data)


def _expire_alike(key: str, mine: int, gos: int, apart_ms: int) -> bool:
    if ":processed:" in key or ":failed:" in key:
        return mine == gos  # An instant that the broker's clock gives.
    return (mine == -1) == (gos == -1) and abs(mine - gos) <= apart_ms


# The ttls of the locks that the steps ask for, seconds. None is so short that it could end by Redis's own time within a step, and they are so
# far from each other that none is taken for a shorter one however long a step took. The shortest ends within a lease.
LOCK_TTLS_S = (25, 75, 200, 5000)


class UniqueLocks:
    """The uniqueness locks of two databases, moved from Redis's own time to the test's.

    Redis counts a lock's ttl by its own clock, which nobody can move. So each new lock is compared as it was written, then made to stay, and
    deleted when the test's clock has come to its end.
    """

    def __init__(self, *databases: redis.Redis) -> None:
        self._databases = databases
        self.ends_at_ms: dict[str, int] = {}

    def adopt(self, snapshot: Snapshot, now_ms: int) -> None:
        """Make the locks that are new in `snapshot` stay until their time by the test's clock has come."""
        real_now_ms = time.time_ns() // 1_000_000
        for key, value in snapshot.items():
            if ":unique:" in key and value.expires_at_ms != -1:
                left_s = (value.expires_at_ms - real_now_ms) / 1000
                ttl_s = min(ttl_s for ttl_s in LOCK_TTLS_S if ttl_s > left_s - 0.1)
                self.ends_at_ms[key] = now_ms + ttl_s * 1000
                for database in self._databases:
                    database.persist(key)

    def expire(self, now_ms: int) -> None:
        """Delete the locks whose time is over."""
        for key in [key for key, ends_at_ms in self.ends_at_ms.items() if ends_at_ms <= now_ms]:
            self.drop(key)

    def drop(self, key: str) -> None:
        """Delete one lock."""
        self.ends_at_ms.pop(key, None)
        for database in self._databases:
            database.delete(key)
