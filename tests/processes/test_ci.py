"""Does a proof that was not made fail in CI?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import installing


@pytest.mark.parametrize(("ci", "outcome"), [("", "2 skipped"), ("true", "1 failed, 1 error")])
def test_what_is_skipped_on_a_laptop_fails_in_ci(tmp_path: Path, ci: str, outcome: str) -> None:
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_within():\n    pytest.skip('no such tool')\n"
        "@pytest.mark.skipif(True, reason='no such system')\ndef test_marked():\n    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rs"]

    done = subprocess.run(
        [*command, str(tmp_path), f"--rootdir={tmp_path}"],
        cwd=installing.REPOSITORY,
        env=os.environ | {"CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )

    assert outcome in done.stdout, done.stdout
    assert "no such tool" in done.stdout
