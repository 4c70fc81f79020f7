"""What does a worker on Redis do that may be killed at any moment?

Run as `python -m tests.chaos.on_redis.work URL LEDGER`: the handlers of tests/chaos/work.py.
Not obvious: it looks for tasks of dead workers every two seconds, not every minute as Go does, so that a run has an end.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import asynq_compat as asynq
from asynq_compat.connect import open_broker
from tests.chaos.ledger import Ledger
from tests.chaos.work import RETRY_DELAY_S, SHUTDOWN_TIMEOUT_S, SLOTS, Work

RECOVERY_S = 2.0


def main(url: str, path: str) -> None:
    """Serve until a signal."""
    config = asynq.Config(
        concurrency=SLOTS,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        retry_delay_func=lambda retried, error, task: RETRY_DELAY_S,
    )
    broker = dataclasses.replace(open_broker(url), recovery_interval_s=RECOVERY_S)
    try:
        asynq.Server(broker, config).run(Work(Ledger(Path(path))).mux())
    except asynq.BrokerUnavailableError as error:  # As it starts; the fleet knows whether that is excused.
        sys.exit(f"cannot start: {error}")
    broker.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
