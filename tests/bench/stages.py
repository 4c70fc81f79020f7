"""Which step of a task's way through a server costs how much?

Contract: a `Stopwatch` stands at the doors through which batches pass while it is entered, and adds up the CPU time behind each, without
what is behind another door. A door is passed once a batch, so that looking costs little. What happens to single tasks stands in the step
that holds it; `decode_us` measures the decoding of a message by itself.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping
from time import thread_time
from typing import Any, Self

import asynq_compat as asynq
from asynq_compat.brokers.journal.consuming import JournalIntake
from asynq_compat.brokers.journal.membership import Membership
from asynq_compat.brokers.journal.writing.framing import Framing
from asynq_compat.compose import compose
from asynq_compat.engine.runner import Runner
from asynq_compat.journals.kafka.journal import KafkaJournal
from asynq_compat.journals.sqlite import SqliteJournal
from asynq_compat.machine import machine
from asynq_compat.wire.message import split_messages
from tests.bench.cpu import stages_s

# Where each stands, in the order in which a task meets them.
_DOORS: tuple[tuple[str, object, str], ...] = (
    ("read", SqliteJournal, "read"),
    ("read", KafkaJournal, "read"),
    ("decode frames", machine, "decode_frame"),
    ("apply", machine.Machine, "apply"),
    ("hand over", Membership, "applied"),
    ("hand over", Membership, "give"),
    ("start", Runner, "start"),
    ("settle", JournalIntake, "settle"),
    ("encode frames", Framing, "make"),
    ("append", SqliteJournal, "append"),
    ("append", KafkaJournal, "append"),
)
_LOOP = "loop, handlers"
_OTHER = "other threads"
GC = "garbage collection"
STAGES = (*dict.fromkeys(stage for stage, _, _ in _DOORS), _LOOP, GC, _OTHER)
_DECODINGS, _BATCH = 50_000, 100


class _Clock(threading.local):
    """A thread's open doors: stage, when it was entered, what was spent behind doors within."""

    def __init__(self) -> None:
        self.open: list[list[Any]] = []
        self.spent: dict[str, float] | None = None


class Stopwatch:
    """Counts while it is entered; the process has one at most."""

    def __init__(self) -> None:
        self._clock = _Clock()
        self._by_thread: dict[threading.Thread, dict[str, float]] = {}
        self._plain: list[tuple[object, str, object]] = []

    def __enter__(self) -> Self:
        for stage, owner, name in _DOORS:
            function = getattr(owner, name)
            self._plain.append((owner, name, function))
            setattr(owner, name, self._door(stage, function))
        gc.callbacks.append(self._collects)
        return self

    def __exit__(self, *_: object) -> None:
        gc.callbacks.remove(self._collects)
        while self._plain:
            setattr(*self._plain.pop())

    def spent_s(self) -> Mapping[str, float]:
        """Return CPU seconds by step so far; every thread's time is in exactly one."""
        spent = dict.fromkeys(STAGES, 0.0)
        known = {thread: dict(by_stage) for thread, by_stage in self._by_thread.items()}
        for by_stage in known.values():
            for stage, seconds in by_stage.items():
                spent[stage] += seconds
        threads = stages_s()
        on_loop = sum(sum(one.values()) for thread, one in known.items() if thread.name == "asynq-loop")
        elsewhere = sum(sum(one.values()) for thread, one in known.items() if thread.name != "asynq-loop")
        spent[_LOOP] = threads.get("loop", 0.0) - on_loop
        spent[_OTHER] = sum(seconds for duty, seconds in threads.items() if duty != "loop") - elsewhere
        return spent

    def _door(self, stage: str, function: Callable[..., object]) -> Callable[..., object]:
        def through(*arguments: object, **keywords: object) -> object:
            self._enter(stage)
            try:
                return function(*arguments, **keywords)
            finally:
                self._leave()

        return through

    def _collects(self, phase: str, _: object) -> None:
        if phase == "start":
            self._enter(GC)
        elif self._clock.open:
            self._leave()

    def _enter(self, stage: str) -> None:
        self._clock.open.append([stage, thread_time(), 0.0])

    def _leave(self) -> None:
        clock = self._clock
        stage, began_s, within_s = clock.open.pop()
        whole_s = thread_time() - began_s
        if clock.open:
            clock.open[-1][2] += whole_s
        if clock.spent is None:
            clock.spent = self._by_thread.setdefault(threading.current_thread(), {})
        clock.spent[stage] = clock.spent.get(stage, 0.0) + whole_s - within_s


def decode_us() -> float:
    """Return what it takes to read type and payload of one message as a server does, which has a hundred slots."""
    request, _ = compose(asynq.Task("bench:task", b'{"user_id":42,"n":0012345}'), (), time.time_ns())
    batch = [request.message] * _BATCH
    began_s = thread_time()
    for _ in range(_DECODINGS // _BATCH):
        split_messages(batch)
    return (thread_time() - began_s) / _DECODINGS * 1e6
