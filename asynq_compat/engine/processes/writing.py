"""How does a result that a handler writes in a worker process reach the broker?

Contract: on threads of the pool, several at a time; the handler waits for the answer. A task whose lease the server has no more gets none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from asynq_compat.engine.pool import Pool
from asynq_compat.engine.processes.bereaved import Job
from asynq_compat.engine.processes.between import messages
from asynq_compat.engine.processes.between.outcomes import failure_of
from asynq_compat.engine.processes.worker import Worker
from asynq_compat.errors import ContextCanceledError
from asynq_compat.ports.consuming import Intake, Lease


class Writing:
    """Writes results for workers; `say` sends a worker a message."""

    def __init__(self, intake: Intake, pool: Pool[Job], say: Callable[..., object]) -> None:
        self._intake = intake
        self._pool = pool
        self._say = say

    def write(self, worker: Worker, number: int, lease: Lease | None, result: bytes) -> None:
        """Store a result and answer write number `number` of the worker."""
        if lease is None:
            gone = ContextCanceledError("failed to write task result: context canceled")
            self._say(worker, messages.WRITTEN, number, None, failure_of(gone))
        else:
            self._pool.submit([partial(self._write, worker, number, lease, result)])

    def _write(self, worker: Worker, number: int, lease: Lease, result: bytes) -> bool:
        try:
            length = self._intake.write_result(lease, result)
        except Exception as error:  # noqa: BLE001 - the handler gets it
            self._say(worker, messages.WRITTEN, number, None, failure_of(error))
        else:
            self._say(worker, messages.WRITTEN, number, length, None)
        return True
