"""How does a process that has files open fork?

Contract: whoever is known here has its locks held for the length of a fork, so that no thread is inside what they guard, and is then told in
the child. A lock that does not come within a moment is left alone.
Not obvious: a child inherits what a library knows of this process's locks, SQLite above all: forked while a thread of its parent wrote, it
would believe for ever that somebody in it writes.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable
from typing import Protocol

_REST_S = 2.0


class Forked(Protocol):
    """Something that a forked child inherits."""

    def locks(self) -> Iterable[threading.Lock]:
        """Return what to hold during a fork, in the order in which threads take them."""

    def after_fork(self) -> None:
        """Start anew in a forked child, with locks of its own."""


_known: weakref.WeakSet[Forked] = weakref.WeakSet()
_forking = threading.local()


def know(one: Forked) -> None:
    """Look after it as long as it lives."""
    _known.add(one)


def _before() -> None:
    _forking.held = [lock for one in list(_known) for lock in one.locks() if lock.acquire(timeout=_REST_S)]


def _after_in_parent() -> None:
    for lock in _forking.held:
        lock.release()


def _after_in_child() -> None:
    for one in list(_known):
        one.after_fork()


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
