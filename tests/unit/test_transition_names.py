"""Does a transition bear one name wherever it is written down?

The names are those of the conformance suite's files. A Lua file, a function of the machine and a heading in docs/semantics.md bear the same
name, or stand in a table here with the reason why they have none of them.
"""

from __future__ import annotations

import re
from pathlib import Path

from asynq_compat.machine.versions import TRANSITIONS as OF_THE_MACHINE
from asynq_compat.testing.conformance.suite import TRANSITIONS as OF_THE_SUITE

ROOT = Path(__file__).resolve().parents[2]

NAMES = {module.__name__.rpartition(".")[2] for module in OF_THE_SUITE}

LUA_ALONE = {
    "task": "reads one task; part of list_tasks",
    "memory_usage": "part of queue_stats, sampled by a call of its own",
    "mend_task": "what a doctor mends stands in Redis alone: a journal's lists follow from its tasks",
}
MACHINE_ALONE = {
    "genesis": "how a journal begins",
    "open_session": "how a server joins; take gives it tasks",
    "renew_session": "extend, for all that a server holds",
    "close_session": "how a server leaves",
    "leave_partition": "how a server lets go of one partition",
    "enqueue_more": "enqueue, with what few tasks have",
    "hand_back": "take, undone",
    "recover_retry": "settles what expired_leases gave",
    "recover_archive": "settles what expired_leases gave",
    "unpause_queue": "the other half of pause_queue",
    "tick": "nothing but time",
    "ask": "asks for a reply; changes nothing that a task or queue is",
    "reply": "changes nothing",
    "checkpointed": "tells of a checkpoint; changes nothing that a task or queue is",
    "activate": "changes what commands mean",
}
# What the page tells under another heading, or beside the transitions.
WITHOUT_HEADING = {
    "enqueue_unique": "under enqueue",
    "list_tasks": "reads change nothing",
    "list_groups": "reads change nothing",
    "queue_stats": "reads change nothing",
    "history": "reads change nothing",
    "cancelations": "changes nothing that is stored",
    "server_state": "belongs to no queue",
    "scheduler_entries": "belongs to no queue",
    "enqueue_events": "belongs to no queue",
}


def test_a_lua_file_is_called_like_its_transition() -> None:
    files = {path.stem for path in (ROOT / "asynq_compat" / "brokers" / "redis" / "lua").glob("*.lua")}

    unknown = files - NAMES - LUA_ALONE.keys()

    assert not unknown, f"rename {sorted(unknown)} as in asynq_compat/testing/conformance, or say in LUA_ALONE why not"


def test_a_function_of_the_machine_is_called_like_its_transition() -> None:
    functions = {function.__name__ for function in OF_THE_MACHINE.values()}

    unknown = functions - NAMES - MACHINE_ALONE.keys()

    assert not unknown, (
        f"rename {sorted(unknown)} as in asynq_compat/testing/conformance, or say in MACHINE_ALONE why not"
    )


def test_each_transition_has_a_heading_in_the_semantics() -> None:
    text = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
    chapter = re.search(r"^## Transitions\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert chapter, "docs/semantics.md needs a chapter '## Transitions' with '### <transition>' for each"
    headings = set(re.findall(r"^### (\w+)", chapter[1], re.MULTILINE))

    assert headings <= NAMES, f"rename {sorted(headings - NAMES)} as in asynq_compat/testing/conformance"
    missing = NAMES - headings - WITHOUT_HEADING.keys()
    assert not missing, f"write '### {sorted(missing)}' in docs/semantics.md, or say in WITHOUT_HEADING why not"


def test_the_exceptions_are_still_needed() -> None:
    assert not NAMES & (LUA_ALONE.keys() | MACHINE_ALONE.keys())
    assert WITHOUT_HEADING.keys() <= NAMES
