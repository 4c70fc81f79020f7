"""Are the names in tests/vectors/exports.json those that Go's modules export?

From them docs/parity.md is made. The modules are fetched as Go fetches them; x/rate and x/metrics stand in a module of their own, whose newest
published version this is.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.golang import go_command
from tests.unit.parity import exports

ASYNQ, EXTRAS = "github.com/hibiken/asynq@v0.26.0", "github.com/hibiken/asynq/x@v0.0.0-20211219150637-8dfabfccb3be"


def _folder(module: str) -> Path:
    answer = subprocess.run(
        [go_command(), "mod", "download", "-json", module], check=True, capture_output=True, text=True, timeout=150
    ).stdout
    return Path(json.loads(answer)["Dir"])


@pytest.mark.go
def test_the_exported_names_are_those_of_the_modules(go_program: Callable[[str], Path]) -> None:
    folders = [_folder(ASYNQ), _folder(EXTRAS) / "rate", _folder(EXTRAS) / "metrics"]

    told = subprocess.run([go_program("exports"), *folders], check=True, capture_output=True, text=True).stdout

    assert json.loads(told) == exports()
