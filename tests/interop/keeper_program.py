"""What does a keeper do that dies in the middle of a checkpoint?

Contract: `python -m tests.interop.keeper_program URL STEP COUNT` writes a checkpoint of the default queue and of the control journal, and
kills itself when STEP is done for the COUNT-th time; with the step "none" it comes to its end and prints "done".
"""

from __future__ import annotations

import os
import signal
import sys

from asynq_compat.brokers.journal.keeping.keeper import checkpoint
from asynq_compat.brokers.journal.partitions import Partitions
from asynq_compat.ports.system_clock import SystemClock
from tests.interop.keeper_story import SOON, store_of

_PATIENCE_S = 30.0


def main(url: str, step: str, count: int) -> int:
    """Write the checkpoints, or die."""
    left = [count]

    def at(done: str) -> None:
        left[0] -= done == step
        if done == step and not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    store = store_of(url)
    partitions = Partitions(store, SystemClock(), keeping=SOON)
    for one in (partitions.queue("default").partitions[0], partitions.control):
        one.replica.sync(timeout_s=_PATIENCE_S)
        checkpoint(one, one.checkpoints.open(), at)
    partitions.close()
    print("done")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
