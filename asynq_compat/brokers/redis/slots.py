"""Which node of a cluster has a key?

Contract: pure. A key's slot is the CRC-16 of what stands in its first braces, or of all of it; a table says which node has which slots.
Not obvious: a command's key is read off its packed form, so that commands cost no more where there is no cluster.
Source: the Redis Cluster specification, "Key distribution model"; `CLUSTER SLOTS`.
"""

from __future__ import annotations

import bisect
from binascii import crc_hqx
from collections.abc import Sequence

from asynq_compat.brokers.redis.commands import Reply, as_bytes, as_int, as_list

SLOT_COUNT = 16_384
# Commands without a key, which any node can answer, and those whose key is not their first argument. PUBLISH reaches all nodes from any.
_KEYLESS = frozenset(
    {
        b"PING",
        b"SCRIPT",
        b"PUBLISH",
        b"SUBSCRIBE",
        b"INFO",
        b"CONFIG",
        b"CLUSTER",
        b"TIME",
        b"CLIENT",
        b"COMMAND",
    }
)
# SCAN looks for keys of one queue, whose pattern has its braces.
_KEY_AT = {b"EVALSHA": 3, b"EVAL": 3, b"MEMORY": 2, b"SCAN": 3}


def slot_of(key: bytes) -> int:
    """Return the slot of a key."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOT_COUNT


def key_of(packed: bytes) -> bytes | None:
    """Return the first key of a packed command; None when it has none."""
    name, place = _part(packed, packed.index(b"\r\n") + 2)
    if name in _KEYLESS:
        return None
    for _ in range(_KEY_AT.get(name, 1) - 1):
        _, place = _part(packed, place)
    if place >= len(packed):
        return None
    key = _part(packed, place)[0]
    return key.replace(b"\\", b"") if name == b"SCAN" else key


def _part(packed: bytes, place: int) -> tuple[bytes, int]:
    """Return the bulk string that begins at `place`, and where the next one does."""
    end = packed.index(b"\r\n", place)
    start, size = end + 2, int(packed[place + 1 : end])
    return packed[start : start + size], start + size + 2


class SlotTable:
    """Which node has which slots; never changed."""

    def __init__(self, ranges: Sequence[tuple[int, int, str]]) -> None:
        """Take (first slot, last slot, "host:port") of each range."""
        self._ranges = sorted(ranges)
        self._starts = [first for first, _, _ in self._ranges]
        self.addresses = frozenset(address for _, _, address in ranges)

    def address_of(self, slot: int) -> str | None:
        """Return the node of a slot; None when nobody has it."""
        at = bisect.bisect_right(self._starts, slot) - 1
        if at < 0:
            return None
        _, last, address = self._ranges[at]
        return address if slot <= last else None


def read_slots(answer: Reply, asked: str) -> SlotTable:
    """Return the table of an answer to CLUSTER SLOTS; `asked` is who gave it, and knows no address of its own perhaps."""
    ranges = []
    for each in as_list(answer):
        first, last, master, *_ = as_list(each)
        host, port = as_list(master)[:2]
        name = as_bytes(host).decode() if host else ""
        ranges.append((as_int(first), as_int(last), address_at(name, as_int(port), asked)))
    return SlotTable(ranges)


def address_at(host: str, port: int, asked: str) -> str:
    """Return "host:port"; a node that says no host, or a question mark, means the one that was asked."""
    if host in {"", "?"}:
        return f"{asked.rpartition(':')[0]}:{port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def redirected_to(text: str, asked: str) -> str:
    """Return where ``MOVED slot host:port`` or ``ASK slot host:port`` sends a command."""
    host, _, port = text.split()[2].rpartition(":")
    return address_at(host.strip("[]"), int(port), asked)
