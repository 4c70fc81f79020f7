"""Does an operator see a queue's journal as it is, and the queue as it was?"""

from __future__ import annotations

import itertools
import json
import threading
from pathlib import Path

import asynq_compat as asynq
from asynq_compat.brokers.journal.keeping.apart import write_one
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.journals.sqlite import SqliteJournalStore
from asynq_compat.wire import TaskMessage, command, encode_message
from asynq_compat.wire.frame import encode_frame
from tests.cli.conftest import WAIT_S, Ask


def test_the_queue_now(ask: Ask, lived: str) -> None:
    now = ask("--broker", lived, "journal", "describe", "default", "--json").json()

    assert (now["behind"], now["position"], now["cut_before"]) == (0, now["end"], None)
    assert now["counts"]["completed"] == now["counts"]["scheduled"] == 1
    assert (now["counts"]["processed_total"], now["counts"]["failed_total"]) == (23, 1)
    assert (now["sessions"], now["notes"]) == ([], [])


def test_all_queues_at_a_glance(ask: Ask, lived: str) -> None:
    (told,) = ask("--broker", lived, "journal", "queues", "--json").json()
    for_people = ask("--broker", lived, "journal", "queues").out.splitlines()

    now = ask("--broker", lived, "journal", "describe", "default", "--json").json()
    assert {name: told["counts"][name] for name in now["counts"]} == now["counts"]
    assert (told["queue"], told["partition_count"], told["is_paused"], told["latency"]) == ("default", 1, False, 0.0)
    assert told["partitions"][0]["position"] <= now["position"]
    assert told["age"] >= 0
    assert [line.split()[0] for line in for_people] == ["queue", "default"]


def test_a_place_without_queues(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    with asynq.Inspector(f"sqlite:///{path}") as inspector:
        assert inspector.queues() == []

    answer = ask("--broker", f"sqlite:///{path}", "journal", "queues")
    assert (answer.code, answer.out) == (0, "no queues\n")


def test_the_queue_as_of_a_position_and_of_its_time_are_the_same(ask: Ask, lived: str) -> None:
    at_position = ask("--broker", lived, "journal", "describe", "default", "--at", "2", "--json").json()
    at_time = ask("--broker", lived, "journal", "describe", "default", "--at", at_position["at"], "--json").json()

    assert (at_position["counts"]["pending"], at_position["counts"]["scheduled"]) == (2, 1)
    assert at_position["behind"] > 0
    assert at_time["position"] >= 2
    again = ask("--broker", lived, "journal", "describe", "default", "--at", str(at_time["position"]), "--json").json()
    assert again["digest"] == at_time["digest"]


def test_the_server_at_work_is_the_keeper(ask: Ask, lived: str) -> None:
    entries = [
        json.loads(line)
        for line in ask("--broker", lived, "journal", "tail", "default", "--from", "0", "--json").out.splitlines()
    ]
    opened = next(
        entry["position"] for entry in entries if "open_session" in entry["commands"][-1] + entry["commands"][0]
    )

    then = ask("--broker", lived, "journal", "describe", "default", "--at", str(opened), "--json").json()

    (session,) = then["sessions"]
    assert (session["name"], session["slots"], session["is_keeper"]) == (opened, 4, True)


def test_what_changed_between_two_positions(ask: Ask, lived: str) -> None:
    end = ask("--broker", lived, "journal", "describe", "default", "--json").json()["end"]

    changed = ask("--broker", lived, "journal", "diff", "default", "2", str(end), "--json").json()
    for_people = ask("--broker", lived, "journal", "diff", "default", "2", str(end)).out

    assert changed["tasks"] == [
        {"task_id": "one", "before": "pending", "after": ""},
        {"task_id": "two", "before": "pending", "after": "completed"},
    ]
    assert "+1" in for_people
    assert "gone" in for_people


def test_a_position_beyond_the_end_is_answered_with_the_end_and_says_so(ask: Ask, lived: str) -> None:
    now = ask("--broker", lived, "journal", "describe", "default", "--json")
    end = now.json()["end"]
    at_end = ask("--broker", lived, "journal", "describe", "default", "--at", str(end), "--json")
    described = ask("--broker", lived, "journal", "describe", "default", "--at", "99999", "--json")
    changed = ask("--broker", lived, "journal", "diff", "default", "2", "99999", "--json")

    said = f"the journal of queue default ends at {end}, earlier than 99999; it is shown as of {end}\n"
    assert (described.code, described.err, described.json()["digest"]) == (0, said, now.json()["digest"])
    assert (changed.code, changed.err, changed.json()["after"]["position"]) == (0, said, end)
    assert (now.err, at_end.err) == ("", "")


def test_moments_in_the_wrong_order_are_wrong_usage(ask: Ask, lived: str) -> None:
    answer = ask("--broker", lived, "journal", "diff", "default", "3", "2")

    assert answer.code == 2
    assert "change their order" in answer.err


def test_entries_are_told_in_words(ask: Ask, lived: str) -> None:
    lines = ask("--broker", lived, "journal", "tail", "default", "--from", "0", "--limit", "3").out.splitlines()
    last = ask("--broker", lived, "journal", "tail", "default").out

    assert len(lines) == 3
    assert "enqueue one" in lines[0]
    assert "enqueue_more later" in lines[2]
    assert "close_session" in last


def test_following_goes_on_with_what_is_written(ask: Ask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tasks.db"
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("ok"), task_id="first")
        later = threading.Timer(0.3, client.enqueue, [asynq.Task("ok")], {"task_id": "second"})
        later.start()

        told = ask("--broker", url, "journal", "tail", "default", "--follow", "--limit", "2").out
        later.join(WAIT_S)

    first, second = told.splitlines()
    assert "enqueue first" in first
    assert "enqueue second" in second


def test_a_sound_journal_verifies(ask: Ask, lived: str) -> None:
    answer = ask("--broker", lived, "journal", "verify", "default", "--json")

    verification = answer.json()
    assert answer.code == 0
    assert verification["problems"] == []
    assert verification["digests"][0] == verification["digests"][1]
    assert verification["entries"]["applied"] == verification["position"] + 1


def test_what_is_wrong_with_a_journal_is_told_by_its_exit_code(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    url = f"sqlite:///{path}"
    with asynq.Client(url) as client:
        client.enqueue(asynq.Task("ok"), task_id="first")
    store = SqliteJournalStore(str(path))
    journal = store.open(queue_journal_name("default"))
    journal.append(b"nobody can read this")
    store.close()

    verified = ask("--broker", url, "journal", "verify", "default")
    described = ask("--broker", url, "journal", "describe", "default")

    assert verified.code == 1
    assert "entry 1 was skipped" in verified.out
    assert "1 unreadable" in verified.out
    assert "entry 1 was skipped" in described.out
    assert described.code == 0


def test_a_lease_that_ends_at_an_unreadable_entry_is_no_problem_of_the_journal(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    times = itertools.count(1_700_000_000_000, 10_000)
    store = SqliteJournalStore(str(path), now_ms=lambda: next(times))
    journal = store.open(queue_journal_name("default"))
    journal.append(encode_frame(bytes(16), 1, [command.open_session("server", 1, 1)]))
    for _ in range(3):
        journal.append(b"nobody can read this")
    store.close()

    verified = ask("--broker", f"sqlite:///{path}", "journal", "verify", "default", "--json").json()
    described = ask("--broker", f"sqlite:///{path}", "journal", "describe", "default", "--json").json()

    assert any("its lease ran out" in note for note in described["notes"])
    assert [text[:19] for text in verified["problems"]] == [f"entry {n} was skipped" for n in (1, 2, 3)]


def test_a_foreign_record_whose_id_is_taken_is_a_note_and_no_problem(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    store = SqliteJournalStore(str(path))
    journal = store.open(queue_journal_name("default"))
    for _ in range(2):
        journal.append(encode_message(TaskMessage(type="ok", id="same", queue="default")))
    store.close()

    verified = ask("--broker", f"sqlite:///{path}", "journal", "verify", "default")
    described = ask("--broker", f"sqlite:///{path}", "journal", "describe", "default", "--json").json()

    assert (verified.code, "2 bare" in verified.out) == (0, True)
    assert described["note_count"] == 1
    assert "'same' is taken" in described["notes"][0]


def cut_before_the_last(url: str, path: Path, *, keeps_checkpoint: bool) -> int:
    """A queue with five tasks, four of them in a checkpoint and no more in its journal; the first position that is there."""
    with asynq.Client(url) as client:
        for number in range(4):
            client.enqueue(asynq.Task("ok"), task_id=f"task{number}")
        store = SqliteJournalStore(str(path))
        name = queue_journal_name("default")
        if keeps_checkpoint:
            assert write_one(store, name, 0) is not None
        client.enqueue(asynq.Task("ok"), task_id="task4")
    journal = store.open(name)
    first = 3 if keeps_checkpoint else journal.end()
    journal.truncate(first)
    store.close()
    return first


def test_a_journal_that_was_cut_is_read_from_its_checkpoint(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    url = f"sqlite:///{path}"
    cut_before_the_last(url, path, keeps_checkpoint=True)

    now = ask("--broker", url, "journal", "describe", "default", "--json").json()
    (told,) = ask("--broker", url, "history", "task4", "--json").json()
    (known,) = ask("--broker", url, "history", "task0", "--json").json()
    before = ask("--broker", url, "journal", "describe", "default", "--at", "1")

    assert (now["counts"]["pending"], now["cut_before"]) == (5, 4)
    assert ([event["change"] for event in told["events"]], told["cut_before"]) == (["enqueued"], 4)
    assert (known["events"], known["state"], known["type"]) == ([], "pending", "ok")
    assert ask("--broker", url, "journal", "verify", "default").code == 0
    assert before.code == 2
    assert "known from position 3 on" in before.err


def test_a_journal_that_was_cut_without_a_checkpoint_says_so(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    url = f"sqlite:///{path}"
    first = cut_before_the_last(url, path, keeps_checkpoint=False)

    described = ask("--broker", url, "journal", "describe", "default")
    tailed = ask("--broker", url, "journal", "tail", "default", "--from", "0")

    assert described.code == 1
    assert f"cut before position {first}" in described.err
    assert tailed.out.startswith(f"{first} ")


def test_a_checkpoint_is_written_and_changes_nothing_else(ask: Ask, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/tasks.db"
    with asynq.Client(url) as client:
        client.enqueue_many([asynq.Task("ok")] * 3)
    before = ask("--broker", url, "journal", "describe", "default", "--json").json()

    written = ask("--broker", url, "journal", "checkpoint", "default", "--json").json()
    after = ask("--broker", url, "journal", "describe", "default", "--json").json()

    assert (written["position"], written["size_bytes"] > 0) == (before["position"], True)
    assert (after["counts"], after["cut_before"], after["notes"]) == (before["counts"], None, [])
    assert ask("--broker", url, "journal", "verify", "default").code == 0
