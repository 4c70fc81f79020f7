"""How does a machine's state become a sequence of byte sections, and how does whoever reads them know that nothing is missing?

Contract: pure. A section is a seal of 16 bytes and a msgpack array whose first item is the section's code. The seal is BLAKE2b-128 over the
seal of the section before and the array: a section that is damaged, missing, doubled or out of place is found at once, and the seal of
the last one stands for the whole. Only `CorruptDataError` is raised. What the arrays hold is the business of `machine.snapshot`.
Not obvious: equal arrays give equal bytes; floats and maps never occur.
Source: docs/journal.md, "Snapshots".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

import msgpack

from asynq_compat.errors import CorruptDataError

FORMAT: Final = 1
# Sections end below this; one that holds a single larger thing may be as large as a frame.
SECTION_BYTES_AIM: Final = 1024 * 1024
SEAL_BYTES: Final = 16

HEAD: Final = 0
STATE: Final = 1
WRITERS: Final = 2
SESSIONS: Final = 3
ASSIGNMENTS: Final = 4
ACTIVE: Final = 5
PENDING: Final = 6
TIMED: Final = 7
EXTRAS: Final = 8
LOCKS: Final = 9
SETS: Final = 10
GROUPED: Final = 11
GROUP_NAMES: Final = 12
QUEUES: Final = 16
SERVERS: Final = 17
COUNTS: Final = 18
SCHEDULERS: Final = 19
HISTORIES: Final = 20
CLAIMS: Final = 21
TOKENS: Final = 24
END: Final = 31

# What a section holds: its code, then the items that docs/journal.md lists for it.
Body = list[object]


def seal(bodies: Iterable[Body]) -> Iterator[bytes]:
    """Give the section of each body, and one at the end that counts them."""
    mark = b""
    count = 0
    for body in bodies:
        mark, section = _sealed(mark, body)
        yield section
        count += 1
    yield _sealed(mark, [END, count])[1]


def _sealed(before: bytes, body: Body) -> tuple[bytes, bytes]:
    data: bytes = msgpack.packb(body)
    mark = _mark(before, data)
    return mark, mark + data


def _mark(before: bytes, data: bytes | memoryview) -> bytes:
    summing = blake2b(before, digest_size=SEAL_BYTES)
    summing.update(data)
    return summing.digest()


def digest(sections: Iterable[bytes]) -> bytes:
    """Return the seal of the last of all `sections`: it stands for the whole."""
    return deque(sections, maxlen=1).pop()[:SEAL_BYTES]


def unseal(sections: Iterable[bytes]) -> Iterator[Body]:
    """Give the bodies of all sections but the last.

    Raises:
        CorruptDataError: A section is not what was written, or is missing; says which.
    """
    mark = b""
    count = 0
    has_ended = False
    for section in sections:
        if has_ended:
            raise CorruptDataError(f"a snapshot of {count} sections has more behind its end")
        data = memoryview(section)[SEAL_BYTES:]
        if _mark(mark, data) != section[:SEAL_BYTES]:
            raise CorruptDataError(f"section {count} of a snapshot is damaged, or another one is missing before it")
        mark = section[:SEAL_BYTES]
        body = _unpacked(data, count)
        if body[0] == END:
            has_ended = True
            if body != [END, count]:
                raise CorruptDataError(f"a snapshot ends after {count} sections and says {body[1:]}")
        else:
            yield body
            count += 1
    if not has_ended:
        raise CorruptDataError(f"a snapshot breaks off after {count} sections")


def _unpacked(data: memoryview, number: int) -> Body:
    try:
        body = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except (ValueError, TypeError, OverflowError, MemoryError) as reason:
        raise CorruptDataError(f"section {number} of a snapshot is not msgpack: {type(reason).__name__}") from None
    if type(body) is not list or not body or type(body[0]) is not int:
        raise CorruptDataError(f"section {number} of a snapshot has no code")
    return body
