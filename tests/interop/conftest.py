"""Which Go program answers the interop tests?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.go_oracle import Oracle


@pytest.fixture(scope="session")
def oracle(go_program: Callable[[str], Path]) -> Iterator[Oracle]:
    """Go's asynq, for single calls; a test that starts or kills a Go server makes an `Oracle` of its own."""
    with Oracle(go_program("oracle")) as running:
        yield running
