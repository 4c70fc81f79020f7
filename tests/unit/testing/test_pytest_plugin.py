"""Does docs/testing.md work as it is written, and does the plugin leave everybody else alone?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE_NAME = re.compile(r"# ([\w.]+)\n")


def _files(page: Path) -> dict[str, str]:
    """Return the code blocks of a document, by the names in their first lines."""
    files = {}
    for language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        named = FILE_NAME.match(text)
        assert named, f"a block of {page.name} in {language!r} does not begin with the name of its file: {text[:60]!r}"
        files[named[1]] = text
    return files


def _pytest(folder: Path, *options: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *options, str(folder)]
    ended = subprocess.run(
        command, cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    return ended.stdout + ended.stderr


def test_every_code_block_of_the_document_works(tmp_path: Path) -> None:
    files = _files(REPOSITORY / "docs" / "testing.md")
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    output = _pytest(tmp_path)

    count = sum(text.count("\ndef test_") for text in files.values())
    assert count >= 6
    assert f"{count} passed" in output, output


def test_the_test_of_the_readme_works(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    (test,) = [text for text in blocks if "\ndef test_" in text]
    (tmp_path / "test_readme.py").write_text(test, encoding="utf-8")

    assert "1 passed" in _pytest(tmp_path)


def test_the_plugin_loads_nothing_for_those_who_do_not_ask(tmp_path: Path) -> None:
    (tmp_path / "test_another.py").write_text(
        "import sys\n"
        "def test_nothing_is_loaded():\n"
        "    ours = {name for name in sys.modules if name.startswith('asynq_compat')}\n"
        "    assert ours == {'asynq_compat', 'asynq_compat.testing', 'asynq_compat.testing.pytest_plugin'}\n"
        "    assert not {'redis', 'google.protobuf', 'msgpack', 'kafka'} & set(sys.modules)\n"
    )

    assert "1 passed" in _pytest(tmp_path)


def test_the_plugin_can_be_kept_out(tmp_path: Path) -> None:
    (tmp_path / "test_another.py").write_text("def test_with_a_sandbox(asynq_sandbox): pass\n")

    assert "fixture 'asynq_sandbox' not found" in _pytest(tmp_path, "-p", "no:asynq_compat")


def test_with_routing_from_the_start_no_test_reaches_a_real_broker(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nasynq_sandbox_always = true\n")
    (tmp_path / "test_another.py").write_text(
        "import asynq_compat as asynq\n"
        "import pytest\n"
        "client = asynq.Client('redis://redis.production:6379')\n"
        "def test_it_is_refused():\n"
        "    with pytest.raises(asynq.ServerStateError, match='asynq_sandbox'):\n"
        "        client.enqueue(asynq.Task('mail'))\n"
    )

    assert "1 passed" in _pytest(tmp_path)


@pytest.mark.parametrize("fixture", ["asynq_sandbox", "asynq_clock", "asynq_client", "asynq_inspector", "asynq_run"])
def test_each_fixture_is_documented(fixture: str) -> None:
    assert f"| `{fixture}` |" in (REPOSITORY / "docs" / "testing.md").read_text(encoding="utf-8")
