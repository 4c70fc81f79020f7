"""Did every acknowledged task reach its end, once?

Contract: asked when nothing runs any more. The history that the journals of a queue's partitions give each task is compared with what the
processes noted, with what the Inspector counts and with what replicas say that began elsewhere; each difference is a problem in words.
Not obvious: a worker that is killed, or stopped, between taking up a task and its handler's first line leaves an attempt that is counted and
not noted: at most one for each slot; so does a worker process that is killed alone. That the worker had told the journal of the start is looked at without such indulgence.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import asynq_compat as asynq
from asynq_compat.brokers.journal.keeping.checkpoints import Checkpoints
from asynq_compat.journals.journal import queue_journal_name
from asynq_compat.machine.archive import ARCHIVE_COUNT_MAX
from asynq_compat.machine.snapshot import restore, snapshot_sections
from tests.chaos.fleet import Fleet
from tests.chaos.histories import ARCHIVED, COMPLETED, DONE, RECOVERED_ARCHIVED, Histories, Life
from tests.chaos.ledger import ARCHIVED as KINDS_ARCHIVED
from tests.chaos.ledger import FLEETING, lines
from tests.chaos.work import QUEUE, SLOTS
from tests.interop.keeper_story import store_of
from tests.services.installing import REPOSITORY

_SHOWN_MAX = 5
# What a process says that found itself at odds with the journal.
_AT_ODDS = ("is not what its keeper folded", "is not the journal it was", "the replica of", "Traceback")


@dataclass(slots=True)
class Account:
    """What was counted, and what is wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def expect_none(self, wrong: Iterable[str], what: str) -> None:
        """Make a problem of tasks that should not be."""
        if found := sorted(set(wrong)):
            self.problems.append(f"{len(found)} tasks {what}: {', '.join(found[:_SHOWN_MAX])}")

    def expect_equal(self, seen: object, expected: object, what: str) -> None:
        """Make a problem of what is not what it should be."""
        if seen != expected:
            self.problems.append(f"{what}: {seen}, expected {expected}")


def settle(
    url: str, folder: Path, histories: Sequence[Histories], fleet: Fleet, poison_count: int, views: Mapping[str, str]
) -> Account:
    """Compare the ledgers in `folder` with the journals at `url` and their histories; `views` are those of live replicas."""
    account = Account(problems=[*fleet.problems, *(problem for one in histories for problem in one.problems)])
    lives = {task_id: life for one in histories for task_id, life in one.lives.items()}
    account.expect_equal(sum(len(one.lives) for one in histories), len(lives), "tasks, if each stands in one partition")
    verdicts = sum((one.verdicts for one in histories), Counter[str]())
    expired = {server for one in histories for server in one.expired}
    produced = list(lines(folder, "producer-*.jsonl"))
    worked = [line for line in lines(folder, "worker-*.jsonl") if line["event"] != "view"]
    account.counts.update(str(line["event"]) for line in produced)
    account.counts.update(f"handler: {line['event']}" for line in worked)
    account.counts.update(fleet.counts)
    account.counts.update({f"entries: {verdict}": count for verdict, count in verdicts.items()})
    acknowledged = {str(line["id"]): str(line["kind"]) for line in produced if line["event"] == "acknowledged"}
    noted = {
        event: {(str(line["id"]), int(line["attempt"])) for line in worked if line["event"] == event}
        for event in ("start", "end", "failed")
    }

    _check_ends(account, lives, acknowledged)
    _check_notes(account, lives, noted, fleet.lost_count + fleet.lost_process_count)
    account.expect_equal(verdicts["unreadable"], poison_count, "entries that were skipped")
    account.counts["servers whose lease ran out"] = len(expired)
    if len(expired) > fleet.lost_count:
        account.problems.append(f"{len(expired)} servers lost their lease, and {fleet.lost_count} were struck")
    _check_counts(account, histories, url, poison_count)
    for who, view in views.items():
        account.expect_equal(view, views["inspector"], f"what {who} says of the queue, against an inspector")
    for partition, one in enumerate(histories):
        _check_digests(account, one, url, partition)
    _check_logs(account, folder)
    return account


def _check_ends(account: Account, lives: Mapping[str, Life], acknowledged: Mapping[str, str]) -> None:
    account.counts.update(f"tasks {life.ends[-1]}" for life in lives.values() if life.ends)
    account.expect_none(acknowledged.keys() - lives.keys(), "were acknowledged and are not in the journal")
    account.expect_none((one for one, life in lives.items() if len(life.ends) != 1), "did not end exactly once")
    for task_id, kind in acknowledged.items():
        if task_id not in lives:
            continue
        expected = DONE if kind in FLEETING else (ARCHIVED, RECOVERED_ARCHIVED) if kind in KINDS_ARCHIVED else COMPLETED
        if not (lives[task_id].ends and lives[task_id].ends[-1] in expected):
            account.problems.append(f"{kind} task {task_id} ended as {lives[task_id].ends}, expected {expected}")
    strangers = lives.keys() - acknowledged.keys()
    unanswered = account.counts["asked"] - account.counts["acknowledged"] - account.counts["duplicate"]
    account.counts["stored, answer lost"] = len(strangers)
    if len(strangers) > unanswered:
        account.problems.append(f"{len(strangers)} tasks nobody asked for; only {unanswered} went without an answer")


def _check_notes(
    account: Account, lives: Mapping[str, Life], noted: Mapping[str, set[tuple[str, int]]], lost_count: int
) -> None:
    """Whatever was settled had been noted by a handler before."""
    by_handler: set[tuple[str, int]] = set()
    failed: set[tuple[str, int]] = set()
    started: set[tuple[str, int]] = set()
    for task_id, life in lives.items():
        if life.ended_by_death:
            account.counts["tasks archived, their worker process had died"] += 1
            started.add((task_id, len(life.retries)))
        elif life.ends[:1] in ([DONE], [COMPLETED], [ARCHIVED]):
            by_handler.add((task_id, len(life.retries)))
        elif life.ends and life.last_was_started:
            started.add((task_id, len(life.retries)))
        for retry in life.retries:
            if retry.of_death:
                account.counts["retries because a worker process had died"] += 1
                started.add((task_id, retry.attempt))
            elif not retry.by_recoverer:
                failed.add((task_id, retry.attempt))
            elif retry.was_started:
                started.add((task_id, retry.attempt))
            else:
                account.counts["came back three times, counted as an attempt"] += 1
    account.counts["retries of handlers"] = len(failed)
    account.counts["retries of recoverers"] = sum(one.by_recoverer for life in lives.values() for one in life.retries)
    account.expect_none((one for one, _ in by_handler - noted["end"]), "were settled and no handler came to its end")
    account.expect_none((one for one, _ in failed - noted["failed"]), "have a failure counted that no handler noted")
    unnoted = started - noted["start"]
    account.counts["counted, killed before it was noted"] = len(unnoted)
    if len(unnoted) > lost_count * SLOTS:
        account.expect_none((one for one, _ in unnoted), "have an attempt counted and never started")


def _check_counts(account: Account, histories: Sequence[Histories], url: str, poison_count: int) -> None:
    ends: Counter[str] = Counter()
    retried = archived = in_archive = 0
    for one in histories:
        of_partition = Counter(end for life in one.lives.values() for end in life.ends)
        ends += of_partition
        retried += sum(len(life.retries) for life in one.lives.values())
        archived += (count := of_partition[ARCHIVED] + of_partition[RECOVERED_ARCHIVED])
        in_archive += min(count, ARCHIVE_COUNT_MAX)  # In each partition so many stay.
    with asynq.Inspector(url) as inspector:
        info = inspector.get_queue_info(QUEUE)
    account.expect_equal(
        (info.size, info.completed, info.archived, info.processed_total, info.failed_total, info.unreadable),
        (
            ends[COMPLETED] + in_archive,
            ends[COMPLETED],
            in_archive,
            ends.total() + retried,
            retried + archived,
            poison_count,
        ),
        "tasks, completed, archived, processed, failed, unreadable, as an inspector counts them",
    )


def _check_digests(account: Account, histories: Histories, url: str, partition: int) -> None:
    """Folds that began at the first entry, at the newest checkpoint and at the oldest one come to the same."""
    whole = histories.machine.digest().hex()
    position, newest = _digest_from_newest(url, partition)
    account.expect_equal(position, histories.machine.position, "where the journal ends")
    account.expect_equal(newest, whole, "digest of a replica that began at the newest checkpoint")
    program = Path(sys.executable).with_name("asynq-compat")
    command = [str(program), "--broker", url, "journal", "verify", QUEUE, "--json", "--partition", str(partition)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1} or not done.stdout:
        account.problems.append(f"journal verify ended with {done.returncode}: {done.stderr.strip()}")
        return
    verification = json.loads(done.stdout)
    account.counts["entries: cut"] += verification["cut_before"] or 0
    account.problems += [f"journal verify: {text}" for text in verification["problems"] if "was skipped" not in text]
    account.expect_equal(
        verification["problem_count"], verification["entries"].get("unreadable", 0), "problems of journal verify"
    )
    account.expect_equal(set(verification["digests"]), {whole}, "digests of journal verify, from the oldest checkpoint")


def _digest_from_newest(url: str, partition: int) -> tuple[int, str]:
    name = queue_journal_name(QUEUE, partition)
    store = store_of(url)
    try:
        journal = store.open(name)
        checkpoints = Checkpoints(store, name, snapshot_sections, partial(restore, QUEUE))
        restored = checkpoints.load(journal, lambda _: None)
        if restored is None:
            return -1, "none: there is no checkpoint"
        machine, upto, end = restored.fold, restored.entry.position, journal.end()
        while upto < end:
            batch = journal.read(upto, wait_s=1.0)
            for entry in batch.entries:
                machine.apply(entry.position, entry.timestamp_ms, entry.is_log_time, entry.data, entry.headers)
            upto = batch.upto
        return machine.position, machine.digest().hex()
    finally:
        store.close()


def _check_logs(account: Account, folder: Path) -> None:
    for path in sorted(folder.glob("*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if any(words in line for words in _AT_ODDS):
                account.problems.append(f"{path}: {line}")
