"""What do a server and its worker processes say to each other, and in which bytes?

Contract: pure. A message is a tuple whose first item is its kind; on the way it is its length and marshal's bytes.
Not obvious: marshal, since both ends are the same interpreter of the same release on the same machine, and nothing is quicker for bytes,
texts and numbers. A stream that ends within a message ends before it.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Sequence
from typing import Any

# A message's first item; any others by the comment.
Message = tuple[Any, ...]

# Server to worker.
BEGIN = 0  # program: dict
TASKS = 1  # places, queues, task ids, messages: lists of one length
CANCEL = 2  # task id
LOST = 3  # place: its lease is over
WRITTEN = 4  # number of the write, length or None, error or None
PING = 5
END = 6
# Worker to server.
READY = 20
UNFIT = 21  # text: why no task can be run
ENDED = 22  # places of tasks that are done; what became of others: list of outcomes.Told; how long handlers took: list of outcomes.Timed
WRITE = 23  # number, place, bytes
PONG = 24
LOG = 25  # a record's fields: between.logs

_LENGTH_BYTES = 4


def packed(message: Message) -> bytes:
    """Return a message's bytes."""
    body = marshal.dumps(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Inbox:
    """Makes messages of what was received, whatever the pieces."""

    def __init__(self) -> None:
        self._left = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take what was received; give the messages that are whole now, each once. Call it again when these have been taken."""
        left = self._left
        left += data
        at = 0
        try:
            while len(left) - at >= _LENGTH_BYTES:
                end = at + _LENGTH_BYTES + int.from_bytes(left[at : at + _LENGTH_BYTES], "big")
                if len(left) < end:
                    break
                body = bytes(left[at + _LENGTH_BYTES : end])
                at = end
                # Ours: from a process that runs the same code, over a socket that no other has.
                yield marshal.loads(body)  # noqa: S302
        finally:  # Also where the caller fails at one of them.
            del left[:at]


def shares(count: int, room: Sequence[int]) -> list[int]:
    """Return how many of `count` tasks each worker gets that has so much room: in proportion to it, the roomiest first."""
    given = [0] * len(room)
    left, room_left = min(count, sum(room)), sum(room)
    for index in sorted(range(len(room)), key=lambda one: -room[one]):
        if not left:
            break
        given[index] = min(room[index], -(-left * room[index] // room_left))
        left -= given[index]
        room_left -= room[index]
    return given
