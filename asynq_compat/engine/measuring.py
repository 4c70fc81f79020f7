"""How long does a handler take, and what does it cost to know?

Contract: of the attempts of one batch a few, evenly spread, are timed and stand for all; nothing is done for the others. So at a low rate
every task is timed, and under load the price does not grow with the batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Sequence
from time import perf_counter

from asynq_compat.context import Context
from asynq_compat.engine.run import Run
from asynq_compat.ports.observing import Timing
from asynq_compat.rules.sampling import sample_places, sample_weights
from asynq_compat.servemux import HandlerFunc
from asynq_compat.task import Task


def measure(observer: Timing, runs: Sequence[Run], *, are_coroutines: bool) -> None:
    """Have the observer told how long these attempts, which have not begun, take."""
    places = sample_places(len(runs))
    for place, weight in zip(places, sample_weights(len(runs), len(places)), strict=True):
        run = runs[place]
        timed = _timed_coroutine if are_coroutines else _timed
        run.function = timed(observer, run.function, run.lease.queue, run.task.type, weight)


def _timed_coroutine(observer: Timing, function: HandlerFunc, queue: str, task_type: str, weight: int) -> HandlerFunc:
    async def timed(ctx: Context, task: Task) -> object:
        began_s = perf_counter()
        try:
            return await function(ctx, task)
        finally:
            observer.handled(queue, task_type, perf_counter() - began_s, weight)

    return timed


def _timed(observer: Timing, function: HandlerFunc, queue: str, task_type: str, weight: int) -> HandlerFunc:
    def timed(ctx: Context, task: Task) -> object:
        began_s = perf_counter()
        result: object = None
        try:
            result = function(ctx, task)
        finally:
            if not inspect.isawaitable(result):
                observer.handled(queue, task_type, perf_counter() - began_s, weight)
        return rest(result, began_s) if inspect.isawaitable(result) else result

    async def rest(awaitable: Awaitable[object], began_s: float) -> object:
        try:
            return await awaitable
        finally:
            observer.handled(queue, task_type, perf_counter() - began_s, weight)

    return timed
