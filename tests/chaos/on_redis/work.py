"""What does a worker on Redis do that may be killed at any moment?

Run as `python -m tests.chaos.on_redis.work PROCESSES URL LEDGER`: the handlers of tests/chaos/work.py.
Not obvious: it looks for tasks of dead workers every two seconds, not every minute as Go does, so that a run has an end.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import asynq_compat as asynq
from asynq_compat.connect import open_broker
from tests.chaos.ledger import Ledger
from tests.chaos.work import SHUTDOWN_TIMEOUT_S, SLOTS, Work, retry_delay

RECOVERY_S = 2.0


def main(processes: str, url: str, path: str) -> None:
    """Serve until a signal, with handlers in so many processes."""
    config = asynq.Config(
        concurrency=SLOTS,
        processes=int(processes),
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        retry_delay_func=retry_delay,
    )
    broker = dataclasses.replace(open_broker(url), recovery_interval_s=RECOVERY_S)
    try:
        asynq.Server(broker, config).run(Work(Ledger(Path(path))).mux())
    except asynq.BrokerUnavailableError as error:  # As it starts; the fleet knows whether that is excused.
        sys.exit(f"cannot start: {error}")
    broker.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
