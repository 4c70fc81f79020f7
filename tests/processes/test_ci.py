"""Does a proof that was not made fail in CI, whichever process should have made it?"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conformance.binding import TRAITS
from tests.services import installing

IN_WORKERS = ("--numprocesses", "2", "--dist", "loadgroup")


def run_pytest(ci: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *map(str, arguments)]
    environment = os.environ | {"CI": ci}
    return subprocess.run(
        command, cwd=installing.REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )


def run_file(folder: Path, text: str, ci: str, workers: Sequence[str]) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    return run_pytest(ci, "-p", "tests.conftest", folder, f"--rootdir={folder}", *workers)


@pytest.mark.parametrize(
    ("ci", "workers", "outcome"),
    [("", IN_WORKERS, "2 skipped"), ("true", IN_WORKERS, "1 failed, 1 error"), ("true", (), "1 failed, 1 error")],
)
def test_what_is_skipped_on_a_laptop_fails_in_ci(
    tmp_path: Path, ci: str, workers: tuple[str, ...], outcome: str
) -> None:
    text = (
        "import pytest\n"
        "def test_within():\n    pytest.skip('no such tool')\n"
        "@pytest.mark.skipif(True, reason='no such system')\ndef test_marked():\n    pass\n"
    )

    done = run_file(tmp_path, text, ci, workers)

    assert outcome in done.stdout, done.stdout
    assert "no such tool" in done.stdout


@pytest.mark.parametrize(("ci", "outcome"), [("", "1 skipped"), ("true", "1 error")])
def test_a_file_that_is_skipped_on_a_laptop_fails_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    done = run_file(tmp_path, "import pytest\npytest.importorskip('no_such_package')\n", ci, IN_WORKERS)

    assert outcome in done.stdout, done.stdout
    assert "no_such_package" in done.stdout


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_a_broker_that_did_not_pass_the_whole_suite_fails_ci(ci: str, status: int) -> None:
    """Every file but one is lost; each test that is left passes."""
    lost = [f"--ignore=tests/conformance/test_{broker}.py" for broker in TRAITS if broker != "memory"]

    done = run_pytest(ci, "tests/conformance", "--ignore=tests/conformance/test_replies.py", *lost, *IN_WORKERS)

    executed = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if " of " in line)
    total = executed["memory"].split(" of ")[1]
    assert executed == {broker: f"{total if broker == 'memory' else 0} of {total}" for broker in TRAITS}
    assert f"{total} passed" in done.stdout
    assert done.returncode == status, done.stdout
    assert ("shortfall" in done.stdout) == bool(status)


def test_what_a_test_counted_is_told_at_the_end(tmp_path: Path) -> None:
    text = (
        "from tests.proofs import steps_executed\n"
        "def test_it(record_property):\n    record_property(*steps_executed('two sides', {'take': 7}))\n"
    )

    done = run_file(tmp_path, text, "true", IN_WORKERS)

    assert "steps executed by two sides" in done.stdout, done.stdout
    assert "     7  take" in done.stdout
