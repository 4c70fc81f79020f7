"""On which broker in memory does a test of one module stand, and who moves its time?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from asynq_compat.connect import open_broker
from asynq_compat.ports.broker import Broker
from asynq_compat.testing.clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    """The test's own time."""
    return VirtualClock()


@pytest.fixture
def broker(clock: VirtualClock) -> Iterator[Broker]:
    """A broker of the test's own."""
    broker = open_broker(f"memory://{uuid.uuid4()}", clock=clock)
    yield broker
    broker.close()
