"""How do tasks of a program under test get into the sandbox of the test that runs?

Contract: while a sandbox is open, or `route_always` was called, whatever opens a broker gets one that passes each call on to the sandbox
that is open then: a client that was made in one test, or when its module was imported, works in the next. Of several the last opened
counts. Outside a sandbox each call is refused, so that no test reaches a real broker by accident.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

from asynq_compat.brokers.journal.open import open_journal
from asynq_compat.connect.standing_in import StandIn, stand_in
from asynq_compat.errors import ServerStateError
from asynq_compat.journals.memory import MemoryJournalStore
from asynq_compat.ports.broker import Broker
from asynq_compat.rules.clock import Clock

_PLAIN = (str, int, float, frozenset, type(None))


@dataclass(frozen=True, slots=True)
class Destination:
    """Where calls go: the broker and the clock of a sandbox."""

    broker: Broker
    clock: Clock


_lock = threading.Lock()  # Guards the next two.
_destinations: list[Destination] = []
_is_always = False


def route_always() -> None:
    """Route from now on, whether a sandbox is open or not."""
    global _is_always
    with _lock:
        _is_always = True
        stand_in(_stand_in())


def route_no_longer() -> None:
    """Take back `route_always`."""
    global _is_always
    with _lock:
        _is_always = False
        if not _destinations:
            stand_in(None)


def enter(destination: Destination) -> None:
    """Route to this destination from now on."""
    with _lock:
        _destinations.append(destination)
        stand_in(_stand_in())


def leave(destination: Destination) -> None:
    """Route to it no longer."""
    with _lock:
        _destinations.remove(destination)
        if not _destinations and not _is_always:
            stand_in(None)


def _now() -> Destination:
    try:
        return _destinations[-1]
    except IndexError:
        raise ServerStateError(
            "asynq_compat.testing: a task queue is used outside a sandbox; let the test use the fixture asynq_sandbox"
        ) from None


def _stand_in() -> StandIn:
    template = open_journal(MemoryJournalStore("asynq_compat.testing"))
    routed: dict[str, Any] = {}
    for field in fields(template):
        value = getattr(template, field.name)
        if not isinstance(value, _PLAIN):
            routed[field.name] = _call(field.name) if callable(value) else _Port(field.name)
    routed["close"] = _nothing
    return StandIn(replace(template, **routed), _RoutedClock())


def _call(name: str) -> Callable[..., object]:
    def call(*arguments: object, **keywords: object) -> object:
        return getattr(_now().broker, name)(*arguments, **keywords)

    return call


def _nothing() -> None:
    """Close nothing: the sandbox does."""


class _Port:
    """A port of the sandbox that is open."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, method: str) -> object:
        return getattr(getattr(_now().broker, self._name), method)


class _RoutedClock:
    """The clock of the sandbox that is open."""

    def now_ns(self) -> int:
        """Return its wall clock."""
        return _now().clock.now_ns()

    def monotonic_s(self) -> float:
        """Return its seconds."""
        return _now().clock.monotonic_s()
