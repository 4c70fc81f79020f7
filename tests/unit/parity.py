"""Which name of ours stands for each name that Go's packages export, and if none does, why not?

`python -m tests.unit.parity` (`make docs`) writes docs/parity.md. Go's names stand in tests/vectors/exports.json, which a test holds against
the Go modules; ours are looked up in the package. A name that is not there and has no reason here makes
the test fail.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import asynq_compat
from tests.unit.file_map import REPOSITORY

PAGE = REPOSITORY / "docs" / "parity.md"
EXPORTS = REPOSITORY / "tests" / "vectors" / "exports.json"
BEGIN, END = "<!-- table: made by `make docs` -->\n", "<!-- end of the table -->\n"

PACKAGES = {
    "asynq": "github.com/hibiken/asynq",
    "rate": "github.com/hibiken/asynq/x/rate",
    "metrics": "github.com/hibiken/asynq/x/metrics",
}

# Go's name -> ours, where ours is not the same word in Python's case.
OTHER_WORDS = {
    "LogLevel.Set": "parse",
    "LogLevel.String": "__str__",
    "Option.String": "__str__",
    "TaskState.String": "__str__",
}
# A type of Go's that is a union of ours -> the one of them that has the members.
HOMES = {"Handler": "ServeMux"}
# Go's name -> why there is none of ours.
REASONS = {
    "HandlerFunc.ProcessTask": "a function is called as it is; nothing has to wrap it",
    "ErrorHandlerFunc.HandleError": "a function is called as it is; nothing has to wrap it",
    "GroupAggregatorFunc.Aggregate": "a function is called as it is; nothing has to wrap it",
    "RedisConnOpt.MakeRedisClient": "an option object is a value: what it says is opened in one place, and need not be Redis",
    "RedisClientOpt.MakeRedisClient": "as RedisConnOpt's",
    "RedisFailoverClientOpt.MakeRedisClient": "as RedisConnOpt's",
    "RedisClusterClientOpt.MakeRedisClient": "as RedisConnOpt's",
}


@dataclass(frozen=True)
class Parity:
    """One exported name, or a member of one.

    Attributes:
        go: Its name in Go, with that of its owner: ``Client.Enqueue``.
        ours: The name that was looked for; "" for none.
        exists: It is there.
        reason: Why it is not; "" when it is there, or when nobody knows.
    """

    go: str
    ours: str
    exists: bool
    reason: str


def exports() -> Mapping[str, Mapping[str, Mapping[str, object]]]:
    """Return Go's exported names: package -> name -> kind and members."""
    loaded: Mapping[str, Mapping[str, Mapping[str, object]]] = json.loads(EXPORTS.read_text(encoding="utf-8"))
    return loaded


def of_package(package: str) -> Iterator[tuple[Parity, str, list[Parity]]]:
    """Give each exported name of a package, its kind, and its members."""
    for name, export in sorted(exports()[package].items()):
        members = export["members"]
        assert isinstance(members, list)
        yield _name(name, str(export["kind"])), str(export["kind"]), [_member(name, member) for member in members]


def unexplained() -> list[str]:
    """Return Go's names that nothing of ours stands for, without a reason."""
    found = [one for package in PACKAGES for name, _, members in of_package(package) for one in (name, *members)]
    return [one.go for one in found if not one.exists and not one.reason]


def _name(name: str, kind: str) -> Parity:
    ours = OTHER_WORDS.get(name, name if not _is_function(name, kind) else _snake(name))
    exists = hasattr(asynq_compat, ours)
    return Parity(name, ours, exists, "" if exists else REASONS.get(name, ""))


def _is_function(name: str, kind: str) -> bool:
    """Functions that make an option or a page bear Go's name: they look like a type to whoever writes them."""
    return kind == "func" and not hasattr(asynq_compat, name)


def _member(owner: str, name: str) -> Parity:
    go = f"{owner}.{name}"
    ours = OTHER_WORDS.get(go, _snake(name))
    exists = ours in _members(owner) or hasattr(getattr(asynq_compat, owner, None), ours)
    return Parity(go, ours, exists, "" if exists else REASONS.get(go, ""))


@cache
def _members(name: str) -> frozenset[str]:
    """Return what an object of ours has, or takes when it is made."""
    home = getattr(asynq_compat, HOMES.get(name, name), None)
    if home is None:
        return frozenset()
    found = {*dir(home), *getattr(home, "__annotations__", {}), *getattr(home, "__slots__", ())}
    if inspect.isclass(home):
        found |= {*inspect.signature(home).parameters}
    return frozenset(found)


def _snake(name: str) -> str:
    """Return Go's name in Python's case: ``GetTaskInfo`` -> ``get_task_info``, ``TLSConfig`` -> ``tls_config``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


# --- the page ---------------------------------------------------------------------------------------------------------------------


def table() -> str:
    """Return the table as Markdown."""
    lines: list[str] = []
    for package, path in PACKAGES.items():
        lines += [f"\n## {path}\n", "| Go | Python |", "|---|---|"]
        for name, kind, members in of_package(package):
            left = f"`{name.go}` ({kind})"
            right = f"`{name.ours}`" if name.exists else name.reason
            if members:
                left += ": " + ", ".join(f"`{one.go.partition('.')[2]}`" for one in members)
            if members and name.exists:
                right += ": " + ", ".join(f"`{one.ours}`" if one.exists else f"({one.reason})" for one in members)
            lines.append(f"| {left} | {right} |")
    return "\n".join(lines).lstrip("\n") + "\n"


def main() -> None:
    """Renew the table in the page."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(head + BEGIN + table() + END + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
