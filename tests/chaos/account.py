"""Did every acknowledged task reach its end, once?

Contract: asked when nothing runs any more. What the processes noted is compared with what the Inspector and `asynq-compat journal verify`
say; each difference is a problem in words.
Not obvious: a worker killed between taking up a task and noting it leaves an attempt that is counted and not noted; as many of them as
workers were lost are let pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import asynq_compat as asynq
from tests.chaos.ledger import FLEETING, lines
from tests.services.installing import REPOSITORY

QUEUE = "default"
_SHOWN_MAX = 5


@dataclass(slots=True)
class Account:
    """What was counted, and what is wrong."""

    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def expect_none(self, wrong: set[str], what: str) -> None:
        """Make a problem of tasks that should not be."""
        if wrong:
            self.problems.append(f"{len(wrong)} tasks {what}: {', '.join(sorted(wrong)[:_SHOWN_MAX])}")

    def expect_equal(self, seen: int, expected: int, what: str) -> None:
        """Make a problem of a count that is not what it should be."""
        if seen != expected:
            self.problems.append(f"{what}: {seen}, expected {expected}")


def settle(url: str, folder: Path, lost_workers: int) -> Account:
    """Compare the ledgers in `folder` with the journal at `url`."""
    account = Account()
    produced = list(lines(folder, "producer-*.jsonl"))
    worked = list(lines(folder, "worker-*.jsonl"))
    account.counts.update(str(line["event"]) for line in produced)
    account.counts.update(f"handler: {line['event']}" for line in worked)
    acknowledged = {str(line["id"]): str(line["kind"]) for line in produced if line["event"] == "acknowledged"}
    with asynq.Inspector(url) as inspector:
        info = inspector.get_queue_info(QUEUE)
        completed = {task.id: task for task in inspector.list_completed_tasks(QUEUE, page_size=0)}
        archived = {task.id: task for task in inspector.list_archived_tasks(QUEUE, page_size=0)}
    kept = completed | archived
    attempts = {(str(line["id"]), int(line["attempt"])) for line in worked if line["event"] == "start"}
    ran_to_end = {str(line["id"]) for line in worked if line["event"] == "end"}
    gone = {task_id for task_id, _ in attempts} - set(kept)
    fleeting = {task_id for task_id, kind in acknowledged.items() if kind in FLEETING}
    refused = {task_id for task_id, kind in acknowledged.items() if kind == "refused"}

    account.counts.update({"completed": len(completed), "archived": len(archived), "done and gone": len(gone)})
    account.expect_equal(info.size, len(kept), "tasks that are still in the queue beside the finished ones")
    account.expect_none(set(acknowledged) - ran_to_end, "were acknowledged and no handler came to its end")
    account.expect_none(fleeting & set(kept), "without retention are still there")
    account.expect_none(refused - set(archived), "should have been archived")
    account.expect_none(set(acknowledged) - fleeting - refused - set(completed), "should have been completed")
    account.expect_none({task.id for task in archived.values() if task.type != "refused"}, "were archived unasked")
    early = {task.id for task in completed.values() if task.type == "failing" and not task.retried}
    account.expect_none(early, "were completed without the failure that was written for them")
    strangers = (set(kept) | gone) - set(acknowledged)
    unanswered = account.counts["asked"] - account.counts["acknowledged"] - account.counts["duplicate"]
    account.counts["stored, answer lost"] = len(strangers)
    if len(strangers) > unanswered:
        account.problems.append(f"{len(strangers)} tasks nobody asked for; only {unanswered} went without an answer")

    _check_settlements(account, info, kept, attempts, archived=len(archived), good=len(completed) + len(gone))
    _check_starts(account, kept, attempts, lost_workers)
    _verify(account, url)
    return account


def _check_settlements(
    account: Account,
    info: asynq.QueueInfo,
    kept: dict[str, asynq.TaskInfo],
    attempts: set[tuple[str, int]],
    *,
    archived: int,
    good: int,
) -> None:
    # Each end counts once as processed, each failure once as processed and failed: one settlement more or less shows.
    last = Counter[str]()
    for task_id, attempt in attempts:
        last[task_id] = max(last[task_id], attempt)
    retried = sum(task.retried for task in kept.values()) + sum(last[task_id] for task_id in set(last) - set(kept))
    account.counts["retried"] = retried
    account.expect_equal(info.processed_total - info.failed_total, good, "good ends settled")
    account.expect_equal(info.failed_total, retried + archived, "failures settled")


def _check_starts(
    account: Account, kept: dict[str, asynq.TaskInfo], attempts: set[tuple[str, int]], lost_workers: int
) -> None:
    counted = {(task.id, n) for task in kept.values() for n in range(task.retried)}
    unnoted = {task_id for task_id, _ in counted - attempts}
    account.counts["counted, killed before it was noted"] = len(unnoted)
    if len(unnoted) > lost_workers:
        account.expect_none(unnoted, "have a retry counted and never started")


def _verify(account: Account, url: str) -> None:
    command = [
        str(Path(sys.executable).with_name("asynq-compat")),
        "--broker",
        url,
        "journal",
        "verify",
        QUEUE,
        "--json",
    ]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1} or not done.stdout:
        account.problems.append(f"journal verify ended with {done.returncode}: {done.stderr.strip()}")
        return
    verification = json.loads(done.stdout)
    account.counts["journal entries"] = sum(verification["entries"].values())
    account.problems += [f"journal verify: {text}" for text in verification["problems"]]
    if done.returncode or len(set(verification["digests"])) != 1:
        account.problems.append(f"journal verify: exit code {done.returncode}, digests {verification['digests']}")
