"""Is every slot given out again exactly once, whatever is under way?"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Sequence

from asynq_compat.connect import open_broker
from asynq_compat.engine.settler import Settler
from asynq_compat.ports.consuming import Intake, QueueOrder, Settlement, SettleOutcome

PATIENCE_S = 15


class GatedIntake:
    """A real intake whose settling waits at a gate; it counts the slots that it is told of."""

    def __init__(self, inner: Intake) -> None:
        self.take, self.extend, self.write_result = inner.take, inner.extend, inner.write_result
        self.stop, self.close = inner.stop, inner.close
        self._inner = inner
        self.freed = 0
        self.entered, self.gate = threading.Event(), threading.Event()

    def settle(self, settlements: Sequence[Settlement], slots_freed: int) -> Sequence[SettleOutcome]:
        self.entered.set()
        assert self.gate.wait(PATIENCE_S)
        self.freed += slots_freed
        return self._inner.settle(settlements, 0)

    def free_slots(self, count: int) -> int:
        self.freed += count
        return count


def test_slots_that_were_given_out_early_are_not_given_out_again() -> None:
    broker = open_broker(f"memory://{uuid.uuid4()}")
    intake = GatedIntake(broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 4, "s"))
    settler = Settler(intake, logging.getLogger("test.settler"), 4)
    settler.start()

    settler.add(None)
    assert intake.entered.wait(PATIENCE_S)
    for _ in range(5):
        settler.add(None)
    intake.gate.set()
    settler.stop()
    intake.close()
    broker.close()

    assert intake.freed == 6
