"""Does a shutdown wait for all that may still begin?"""

from __future__ import annotations

import logging
import threading
import uuid

from asynq_compat.config import Config
from asynq_compat.connect import open_broker
from asynq_compat.engine.attempts import Attempts
from asynq_compat.engine.failures import Failures
from asynq_compat.engine.settler import Settler
from asynq_compat.ports.consuming import QueueOrder

LOG = logging.getLogger("test.attempts")


def test_a_shutdown_waits_for_whoever_is_about_to_start_attempts() -> None:
    broker = open_broker(f"memory://{uuid.uuid4()}")
    intake = broker.consuming.open_intake(QueueOrder(weights={"default": 1}), 1, "s")
    attempts = Attempts(Settler(intake, LOG, 10), Failures(Config(), LOG), LOG)
    shutdown = threading.Thread(target=attempts.drain, args=(60,))

    with attempts.entering():
        shutdown.start()
        shutdown.join(0.2)
        waited = shutdown.is_alive()
    shutdown.join(60)

    assert waited
    assert not shutdown.is_alive()
    intake.close()
    broker.close()
