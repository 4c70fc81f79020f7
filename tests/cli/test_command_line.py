"""Does the command line keep its manners: help, errors, exit codes, documents?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from asynq_compat.cli.main import cli
from asynq_compat.connect import VARIABLE
from tests.cli.conftest import Ask

REPOSITORY = Path(__file__).parents[2]


def commands(group: click.Group = cli, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_a_command_has_help_with_an_example_and_stands_in_the_documents(
    name: str, command: click.Command, ask: Ask
) -> None:
    answer = ask(*name.split(), "--help")

    assert answer.code == 0
    assert f"\n    asynq-compat {name} " in answer.out, "examples stand on lines of their own"
    assert f"asynq-compat {name}" in (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_a_look_makes_no_file(ask: Ask, tmp_path: Path) -> None:
    answer = ask("--broker", f"sqlite:///{tmp_path}/mistyped.db", "journal", "describe", "default")

    assert answer.code == 2
    assert answer.err == f"asynq-compat: {tmp_path}/mistyped.db does not exist; name the file that your programs use\n"
    assert list(tmp_path.iterdir()) == []


def test_redis_has_no_history_and_says_which_has(ask: Ask) -> None:
    answer = ask("--broker", "redis://localhost:1", "journal", "verify", "default")

    assert answer.code == 1
    assert answer.err.startswith("asynq-compat: only journals have a history")
    assert answer.err.count("\n") == 1


def test_an_error_is_json_where_the_answer_would_be(ask: Ask, lived: str) -> None:
    answer = ask("--broker", lived, "journal", "describe", "nowhere", "--json")

    assert (answer.code, answer.out) == (1, "")
    assert json.loads(answer.err)["error"] == "QueueNotFoundError"


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["journal", "describe"],
        ["--broker", "http://localhost", "journal", "describe", "default"],
        ["journal", "describe", "default", "--at", "yesterday"],
        ["journal", "describe", "default", "--at", "2026-01-31T08:00:00"],
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(arguments: list[str], ask: Ask) -> None:
    answer = ask(*arguments)

    assert (answer.code, answer.out) == (2, "")
    assert answer.err


def test_what_is_said_at_the_command_line_wins_over_the_environment(
    ask: Ask, lived: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "redis://localhost:1")

    assert ask("--broker", lived, "journal", "verify", "default").code == 0
    monkeypatch.setenv(VARIABLE, lived)
    assert ask("journal", "verify", "default").code == 0


def test_a_traceback_comes_only_when_asked_for(lived: str) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("asynq-compat")
        command = [str(program), *arguments, "history", "nobody"]
        return subprocess.run(command, env=os.environ | {VARIABLE: lived}, capture_output=True, text=True, check=False)

    plain, debug = run(), run("--debug")

    assert (plain.returncode, debug.returncode) == (1, 1)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr


def test_a_shell_can_complete_commands(lived: str) -> None:
    program = Path(sys.executable).with_name("asynq-compat")

    done = subprocess.run(
        [str(program)],
        env=os.environ | {"_ASYNQ_COMPAT_COMPLETE": "bash_source"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "asynq-compat" in done.stdout
