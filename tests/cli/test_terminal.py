"""What does somebody see who sits at a terminal, or reads from a pipe and has enough?"""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import asynq_compat as asynq

WAIT_S = 60.0


def test_who_deletes_is_asked_and_sees_how_far_it_has_come(redis_url: str) -> None:
    program = str(Path(sys.executable).with_name("asynq-compat"))
    with asynq.Client(redis_url) as client, asynq.Inspector(redis_url) as inspector:
        client.enqueue_many([asynq.Task("x")] * 3_000)
        ours, theirs = pty.openpty()
        command = [program, "--broker", redis_url, "task", "deleteall", "-q", "default", "-s", "pending"]
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        try:
            asked = read_until(ours, "[y/N]: ")
            os.write(ours, b"y\n")
            shown = read_until(ours, "3000 tasks deleted")
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()
            process.wait()
            os.close(ours)

        assert 'Delete all pending tasks of queue "default", 3000 now?' in asked
        assert "default: pending" in shown
        assert inspector.get_queue_info("default").size == 0


UNREAD = (
    "stats",
    "stats --json",
    "queue inspect default",
    "task ls -q default -s scheduled",
    "task inspect -q default -i later --json",
    "doctor --json",
    "metrics --once",
    "history one",
    "journal tail default --follow",
    "task ls --help",
    "nonsense",  # The error finds nobody either.
)


def test_who_reads_no_further_ends_a_command_in_silence(lived: str) -> None:
    program = str(Path(sys.executable).with_name("asynq-compat"))
    reading, writing = os.pipe()
    os.close(reading)
    try:
        running = {
            words: subprocess.Popen(
                [program, "--broker", lived, *words.split()],
                stdout=writing,
                stderr=writing if words == "nonsense" else subprocess.PIPE,
            )
            for words in UNREAD
        }
    finally:
        os.close(writing)
    try:
        said = {words: process.communicate(timeout=WAIT_S)[1] or b"" for words, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            process.wait()

    assert said == dict.fromkeys(UNREAD, b"")
    assert {words: process.returncode for words, process in running.items()} == dict.fromkeys(UNREAD, 141)


def read_until(terminal: int, words: str) -> str:
    """Return what stands on the terminal once the words have come."""
    seen, give_up_at = b"", time.monotonic() + WAIT_S
    while words.encode() not in seen:
        assert time.monotonic() < give_up_at, seen
        if select.select([terminal], [], [], 1.0)[0]:
            seen += os.read(terminal, 65_536)
    return seen.decode()
