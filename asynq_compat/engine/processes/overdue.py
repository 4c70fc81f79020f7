"""Which worker process is stuck with a task whose time is over?

Contract: called with the crew's lock, about once a second. A worker that has tasks is asked whether it lives; one that answers sees to its
deadlines itself. One that has not answered for a while, since a handler holds the interpreter in C code or the process is stopped, is
overdue when the deadline of one of its tasks passed some seconds ago.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from asynq_compat.engine.processes.between import messages
from asynq_compat.engine.processes.worker import Held, Worker
from asynq_compat.errors import CorruptDataError
from asynq_compat.rules.deadline import attempt_deadline_ns
from asynq_compat.rules.limits import NS_PER_S
from asynq_compat.wire.message import split_message

SILENT_S = 5.0
GRACE_S = 5.0


def ask(workers: Iterable[Worker], monotonic_s: Callable[[], float] = time.monotonic) -> list[tuple[Worker, set[int]]]:
    """Ask those that have tasks; return who is overdue with the tasks of which places, as far as it began them."""
    now_s = monotonic_s()
    overdue = []
    for worker in workers:
        if not worker.held or worker.overdue is not None:
            continue
        if worker.asked_s is None:
            worker.asked_s = now_s
            worker.say(messages.PING)
        elif now_s - worker.asked_s > SILENT_S:
            late = [place for place, held in worker.held.items() if _is_over(held, now_s)]
            if late:
                overdue.append((worker, {place for place in late if worker.has_begun(place)}))
    return overdue


def _is_over(held: Held, now_s: float) -> bool:
    try:
        rest = split_message(held.lease.message)[4]
    except CorruptDataError:
        return False
    limit_ns = attempt_deadline_ns(held.started_ns, rest.timeout, rest.deadline) - held.started_ns
    return now_s - held.started_s > limit_ns / NS_PER_S + GRACE_S
