"""How does a server know what a worker process had begun, after that has died in the middle of it?

Contract: a byte for each place of a worker, in memory that both processes share: the server clears it when it gives a task, the worker
sets it just before the handler runs. It is there whatever ends the worker, and no message tells it.
"""

from __future__ import annotations

import mmap
import os
import tempfile

from asynq_compat.ports.consuming import Lease


def shared_file(size: int) -> int:
    """Return a descriptor of so many bytes of memory; the caller closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("asynq-started", os.MFD_CLOEXEC)
    else:
        descriptor, path = tempfile.mkstemp()
        os.unlink(path)
    os.ftruncate(descriptor, size)
    return descriptor


def opened(descriptor: int, size: int) -> mmap.mmap:
    """Return the marks behind a descriptor, which is closed."""
    try:
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


class _ForAsLongAsHeld:
    """In a worker: the server watches the lease, and says so when it is lost."""

    __slots__ = ()

    def is_valid(self) -> bool:
        return True


_HELD = _ForAsLongAsHeld()


class GivenLease(Lease):
    """A lease as a worker has it; `index` is its place."""

    __slots__ = ("_marks",)

    def __init__(self, queue: str, task_id: str, message: bytes, place: int, marks: mmap.mmap) -> None:
        self.queue = queue
        self.task_id = task_id
        self.message = message
        self.term = _HELD
        self.position = 0
        self.index = place
        self._marks = marks

    @property
    def has_started(self) -> bool:
        """Whether the handler was begun."""
        return self._marks[self.index] != 0

    @has_started.setter
    def has_started(self, value: bool) -> None:
        self._marks[self.index] = value
