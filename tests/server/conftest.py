"""Which brokers do the tests of a running server use?"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from asynq_compat.connect import open_broker
from asynq_compat.errors import UnsupportedByBroker
from tests.server.ground import Ground


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), "memory", "sqlite"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    """An empty broker of the test's own, of each kind in turn."""
    match request.param:
        case "redis":
            url = str(request.getfixturevalue("redis_url"))
        case "sqlite":
            url = f"sqlite:///{tmp_path / 'tasks.db'}"
        case _:
            url = f"memory://{uuid.uuid4()}"
    try:
        broker = open_broker(url)
    except UnsupportedByBroker as error:
        pytest.skip(str(error))
    yield Ground(broker, url)
    broker.close()
