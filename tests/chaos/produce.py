"""What does a producer do that may be killed at any moment?

Run as `python -m tests.chaos.produce URL LEDGER`: a steady load of all kinds until it is ended. It notes what it asks for, and durably what
was acknowledged. What may or may not have happened is noted as such and not asked for again.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path

import asynq_compat as asynq
from asynq_compat import aio
from tests.chaos.ledger import FLEETING, KINDS, RETENTION_S, Ledger

TICK_S = 0.1
TASKS_PER_TICK = 15
UNDER_WAY_MAX = 500


class Producer:
    """One producer and its ledger."""

    def __init__(self, client: aio.AsyncClient, ledger: Ledger, tasks_per_tick: int) -> None:
        self._client = client
        self._tasks_per_tick = tasks_per_tick
        self._ledger = ledger

    async def produce(self, name: str) -> None:
        """Ask for so many tasks every 100 ms, fewer while the broker is slower or away."""
        slots = asyncio.Semaphore(UNDER_WAY_MAX)
        async with asyncio.TaskGroup() as group:
            for n in itertools.count():
                if n % self._tasks_per_tick == 0:
                    await asyncio.sleep(TICK_S)
                await slots.acquire()
                group.create_task(self._one(f"{name}/{n}", n)).add_done_callback(lambda _: slots.release())

    async def _one(self, name: str, n: int) -> None:
        kind = KINDS[n % len(KINDS)]
        options = [] if kind in FLEETING else [asynq.Retention(RETENTION_S)]
        if kind == "delayed":
            options.append(asynq.ProcessIn(1 + n % 2))
        if kind == "unique":
            options.append(asynq.Unique(3600))
        await self._ask(kind, name, options)
        if kind == "unique":
            await self._ask(kind, name, options)

    async def _ask(self, kind: str, name: str, options: list[asynq.Option]) -> None:
        self._ledger.note(event="asked", kind=kind)
        try:
            info = await self._client.enqueue(asynq.Task(kind, name.encode(), *options))
        except asynq.DuplicateTaskError:
            self._ledger.note(event="duplicate", kind=kind)
        except asynq.BrokerUnavailableError as error:
            self._ledger.note(event="unanswered", kind=kind, error=str(error))
        else:
            self._ledger.note(event="acknowledged", kind=kind, id=info.id, durable=True)


async def main(url: str, path: Path, tasks_per_tick: int = TASKS_PER_TICK) -> None:
    """Produce until killed."""
    async with aio.AsyncClient(url) as client:
        await Producer(client, Ledger(path), tasks_per_tick).produce(path.name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
