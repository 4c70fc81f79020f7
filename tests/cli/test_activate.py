"""Does an operator see which machine version holds, and is nothing activated by accident?

Contract: this release brings one version. What activating a later one does, and what refuses it, is in tests/server/test_releases.py.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

import asynq_compat as asynq
from tests.cli.conftest import Ask
from tests.services.waiting import wait_until


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The URL of a file whose default queue has a server; queue `idle` has none."""
    url = f"sqlite:///{tmp_path}/tasks.db"
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("ok"), queue="idle")
    server = asynq.Server(url)
    server.start(lambda ctx, task: None)
    with asynq.Inspector(url) as inspector:
        control = inspector._broker.registering._partitions.control  # type: ignore[attr-defined]
        wait_until(lambda: control.replica.fold.servers(0), "the server has said who it is")
    yield url
    server.shutdown()


def test_versions_are_shown(ask: Ask, served: str) -> None:
    default, idle = ask("--broker", served, "journal", "activate", "--json").json()
    for_people = ask("--broker", served, "journal", "activate").out.splitlines()

    assert (default["queue"], default["active_version"], default["known_versions"]) == ("default", 1, [1])
    ((server, newest),) = [tuple(one.values()) for one in default["servers"]]
    assert (server.count(":"), newest) == (2, 1)  # Host, process and id.
    assert (idle["queue"], idle["servers"]) == ("idle", [])
    assert for_people[0] == "this program knows machine version 1"
    assert [line.split()[:4] for line in for_people[3:]] == [["default", "0", "1", server], ["idle", "0", "1", "-"]]


def test_a_version_that_this_program_does_not_know_is_wrong_usage(ask: Ask, served: str) -> None:
    answer = ask("--broker", served, "journal", "activate", "2", "--yes")

    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "asynq-compat: this program does not know machine version 2, it knows 1; use the command of the release that brings it\n"
    )


def test_the_version_that_holds_is_left_as_it_is(ask: Ask, served: str) -> None:
    (told,) = ask("--broker", served, "journal", "activate", "1", "--queue", "default", "--yes", "--json").json()

    assert told["active_version"] == 1
    assert ask("--broker", served, "journal", "verify", "default").code == 0


@pytest.mark.parametrize(("said", "code"), [("y\n", 0), ("n\n", 1), ("", 130)])
def test_who_activates_is_asked(said: str, code: int, ask: Ask, served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(said))

    answer = ask("--broker", served, "journal", "activate", "1")

    assert answer.code == code
    assert "machine version 1 holds in: default, idle" in answer.err
    assert "going back to it ends here" in answer.err
    assert ("nothing was activated" in answer.out) == (code == 1)


def test_who_wants_json_is_not_asked(ask: Ask, served: str) -> None:
    answer = ask("--broker", served, "journal", "activate", "1", "--json")

    assert (answer.code, answer.out) == (2, "")
    assert "add --yes" in answer.err


def test_a_place_without_queues(ask: Ask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.db"
    with asynq.Inspector(url) as inspector:
        assert inspector.queues() == []

    assert ask("--broker", url, "journal", "activate").out == "no queues\n"
    missing = ask("--broker", url, "journal", "activate", "--queue", "nowhere")
    assert (missing.code, missing.err) == (1, 'asynq-compat: NOT_FOUND: queue "nowhere" does not exist\n')
