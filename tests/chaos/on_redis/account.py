"""Did every acknowledged task on Redis reach its end, and is nothing left behind?

Contract: asked when nothing runs any more. The keys of the queue, read past every library, are compared with what the processes noted; each
difference is a problem in words.
Not obvious: a task may run more than once, since a worker is killed between the end of its handler and the settlement, or because the lease
of one that slept ran out; Go's workers also when the answer to their settlement was lost. It is counted, and no problem. A task that is not to
be retried may end without its handler having come that far: it is archived with the word that its worker was lost. Of the archive less than ten
thousand stay, the newest: where it is full, what is not in it may have been there.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import redis

from tests.chaos.account import Account
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import ARCHIVED as KINDS_ARCHIVED
from tests.chaos.ledger import FLEETING, Line, lines
from tests.chaos.work import QUEUE

# As Go trims it: this many stay.
ARCHIVE_MAX = 9_999
_PREFIX = f"asynq:{{{QUEUE}}}:"
# What an archived task says whose worker, or worker process, was struck while it had it.
_OF_LOST_WORKERS = re.compile(r"asynq: task lease expired|worker process \d+ died")


def settle(operator: redis.Redis, folder: Path, fleet: Fleet) -> Account:
    """Compare the ledgers in `folder` with what stands in Redis; `operator` decodes, bytes that are no text included."""
    account = Account(problems=[*fleet.problems])
    produced = list(lines(folder, "producer-*.jsonl"))
    worked = list(lines(folder, "worker-*.jsonl"))
    account.counts.update(str(line["event"]) for line in produced)
    account.counts.update(f"handler: {line['event']}" for line in worked)
    account.counts.update(fleet.counts)
    for producer in ("producer-1", "producer-2-go", "worker-1", "worker-2", "worker-3-go"):
        account.counts[f"notes of {producer}"] = sum(1 for _ in lines(folder, f"{producer}.*.jsonl"))
    acknowledged = {str(line["id"]): str(line["kind"]) for line in produced if line["event"] == "acknowledged"}
    kept = {name: {str(one) for one in operator.zrange(_PREFIX + name, 0, -1)} for name in ("completed", "archived")}
    _check_nothing_is_left(account, operator, kept["completed"] | kept["archived"])
    struck = {one for one in acknowledged.keys() & kept["archived"] if _was_struck(operator, one, acknowledged[one])}
    account.counts["archived, its worker was lost"] = len(struck)
    _check_ends(account, acknowledged, kept, worked, struck)
    _check_strangers(account, acknowledged, worked)
    _check_logs(account, folder)
    return account


def _check_nothing_is_left(account: Account, operator: redis.Redis, kept: set[str]) -> None:
    """Every key belongs to a task that is kept: no ghost, no lock, no lease."""
    waiting = {name: operator.llen(_PREFIX + name) for name in ("pending", "active")}
    waiting |= {name: operator.zcard(_PREFIX + name) for name in ("scheduled", "retry", "lease")}
    account.expect_equal(waiting, dict.fromkeys(waiting, 0), "tasks that wait or run, and leases")
    stored = {key.removeprefix(f"{_PREFIX}t:") for key in operator.scan_iter(f"{_PREFIX}t:*", count=1_000)}
    account.expect_none(stored - kept, "are stored and in no list")
    account.expect_none(kept - stored, "are listed and not stored")
    account.expect_none(operator.scan_iter(f"{_PREFIX}unique:*", count=1_000), "left their lock behind")
    account.counts["tasks completed"], account.counts["tasks kept"] = operator.zcard(f"{_PREFIX}completed"), len(kept)


def _was_struck(operator: redis.Redis, task_id: str, kind: str) -> bool:
    """A task that is not to be retried, archived since its worker was lost before or while it ran."""
    if kind != "deadly":
        return False
    return bool(_OF_LOST_WORKERS.search(str(operator.hget(f"{_PREFIX}t:{task_id}", "msg"))))


def _check_ends(
    account: Account, acknowledged: dict[str, str], kept: dict[str, set[str]], worked: list[Line], struck: set[str]
) -> None:
    ends = Counter(str(line["id"]) for line in worked if line["event"] in {"end", "kills"})
    account.counts["ran more than once"] = sum(count > 1 for count in ends.values())
    is_cut = len(kept["archived"]) >= ARCHIVE_MAX
    trimmed = {one for one, kind in acknowledged.items() if is_cut and kind == "deadly"} - kept["archived"]
    unended = acknowledged.keys() - ends.keys() - struck - trimmed
    account.expect_none(unended, "were acknowledged and no handler came to its end")
    for place, wrong in (("completed", "archived"), ("archived", "completed")):
        kinds = [one for one, kind in acknowledged.items() if kind not in FLEETING]
        expected = {one for one in kinds if (acknowledged[one] in KINDS_ARCHIVED) == (place == "archived")}
        account.expect_none(expected & kept[wrong], f"are {wrong} and should be {place}")
        if place == "completed" or not is_cut:
            account.expect_none(expected - kept[place], f"were acknowledged and are not {place}")
    fleeting = {one for one, kind in acknowledged.items() if kind in FLEETING}
    account.expect_none(fleeting & (kept["completed"] | kept["archived"]), "are kept and nobody asked for that")


def _check_strangers(account: Account, acknowledged: dict[str, str], worked: list[Line]) -> None:
    """Whatever ran was asked for: acknowledged, or its answer was lost."""
    strangers = {str(line["id"]) for line in worked} - acknowledged.keys()
    unanswered = account.counts["asked"] - account.counts["acknowledged"] - account.counts["duplicate"]
    account.counts["stored, answer lost"] = len(strangers)
    if len(strangers) > unanswered:
        account.problems.append(f"{len(strangers)} tasks nobody asked for; only {unanswered} went without an answer")


def _check_logs(account: Account, folder: Path) -> None:
    for path in sorted(folder.glob("*.log")):
        if "-go" not in path.name:
            account.problems += [
                f"{path}: {line}" for line in path.read_text(errors="replace").splitlines() if "Traceback" in line
            ]
