"""Which fixtures does a test of a program with task queues find?

Contract: loaded by pytest itself wherever this package is installed (entry point `pytest11`), so it imports nothing of the package until a
test asks for a fixture, and changes nothing for tests that ask for none. ``-p no:asynq_compat`` keeps it out.
Not obvious: with ``asynq_sandbox_always = true`` in pytest's configuration brokers are routed from the start, so that a client made at the
import of a module under test goes to the sandbox too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from asynq_compat.client import Client
    from asynq_compat.inspector import Inspector
    from asynq_compat.testing import Attempt, Sandbox, VirtualClock

_ALWAYS = "asynq_sandbox_always"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say which settings there are."""
    parser.addini(
        _ALWAYS,
        "route every task queue to the sandbox of the test that runs (asynq_compat), also those opened at import",
        type="bool",
        default=False,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Route from the start where it is wanted."""
    if config.getini(_ALWAYS):
        from asynq_compat.testing import routing

        routing.route_always()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the process as it was: pytest may run inside another."""
    if config.getini(_ALWAYS):
        from asynq_compat.testing import routing

        routing.route_no_longer()


@pytest.fixture
def asynq_clock() -> VirtualClock:
    """The clock of the sandbox; it begins at the present second. Override it for a test that begins at another time."""
    from asynq_compat.testing.sandbox import present_clock

    return present_clock()


@pytest.fixture
def asynq_sandbox(asynq_clock: VirtualClock) -> Iterator[Sandbox]:
    """A broker of this test's own, to which all task queues of the program go."""
    from asynq_compat.testing import Sandbox

    with Sandbox(asynq_clock) as sandbox:
        yield sandbox


@pytest.fixture
def asynq_client(asynq_sandbox: Sandbox) -> Client:
    """A client of the sandbox."""
    return asynq_sandbox.client


@pytest.fixture
def asynq_inspector(asynq_sandbox: Sandbox) -> Inspector:
    """An inspector of the sandbox."""
    return asynq_sandbox.inspector


@pytest.fixture
def asynq_run(asynq_sandbox: Sandbox) -> Callable[..., list[Attempt]]:
    """`Sandbox.run_all`: runs everything that is due, now, on the test's thread."""
    return asynq_sandbox.run_all
