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

import asynq_compat as asynq
from asynq_compat.cli.connection import chosen_target
from asynq_compat.cli.lazy import LazyGroup
from asynq_compat.cli.main import cli
from asynq_compat.connect import VARIABLE
from tests.cli.conftest import Ask

REPOSITORY = Path(__file__).parents[2]
PAGES = "".join(
    (REPOSITORY / "docs" / name).read_text(encoding="utf-8") for name in ("command-line.md", "operations.md")
)
# What no `--help` may have to wait for.
SLOW = ("rich", "redis", "kafka", "confluent_kafka", "textual", "asyncio", "google.protobuf", "asynq_compat.connect")


def commands(group: click.Group = cli, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["queu"]])
def test_help_waits_for_no_slow_import(arguments: list[str]) -> None:
    """Wall time says nothing on a busy machine; what is imported says what it can come to."""
    look = "import sys; from asynq_compat.cli.main import main\ntry: main({})\nfinally: print(*sys.modules, file=sys.stderr)"

    done = subprocess.run([sys.executable, "-c", look.format(arguments)], capture_output=True, text=True, check=False)

    loaded = done.stderr.split()
    assert "click" in loaded
    assert [name for name in SLOW if name in loaded] == []


def test_what_help_says_of_a_command_is_what_the_command_says() -> None:
    assert isinstance(cli, LazyGroup)
    for name, place in cli.places.items():
        command = place.load()

        assert command.name == name
        assert (command.help or "").startswith(place.help.removesuffix(".")), f"cli/main.py: {name}"


def test_database_0_is_a_database() -> None:
    assert chosen_target({"db": 0}) == asynq.RedisClientOpt(addr="127.0.0.1:6379", db=0)
    assert chosen_target({"db": None, "cluster": False}) is None


def test_a_mistyped_command_is_told_the_nearest(ask: Ask) -> None:
    answer = ask("queue", "inspekt", "default")

    assert (answer.code, answer.out) == (2, "")
    assert (
        answer.err
        == "asynq-compat: no such command 'inspekt'; did you mean 'inspect'?; see asynq-compat queue --help\n"
    )


def test_wrong_usage_is_json_where_the_answer_would_be(ask: Ask) -> None:
    answer = ask("task", "ls", "--queue", "default", "--state", "pending", "--page", "0", "--json")

    assert (answer.code, answer.out) == (2, "")
    told = json.loads(answer.err)
    assert told["error"] == "UsageError"
    assert "--page" in told["message"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str, ask: Ask) -> None:
    answer = ask("completion", shell)

    assert answer.code == 0
    assert "_ASYNQ_COMPAT_COMPLETE=" + shell in answer.out


@pytest.mark.parametrize(("name", "command"), list(commands()))
def test_a_command_has_help_with_an_example_and_stands_in_the_documents(
    name: str, command: click.Command, ask: Ask
) -> None:
    answer = ask(*name.split(), "--help")

    assert answer.code == 0
    assert f"\n    asynq-compat {name}" in answer.out, "examples stand on lines of their own"
    assert f"asynq-compat {name}" in PAGES
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
    assert answer.err.count("\n") == 1


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
