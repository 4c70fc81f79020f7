"""Is everything that the package promises there?"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import asynq_compat as asynq


@pytest.mark.parametrize("name", asynq.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(asynq, name) is not None
    assert name in dir(asynq)


def test_what_type_checkers_see_is_what_is_promised() -> None:
    tree = ast.parse(Path(asynq.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = [
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]

    assert sorted([*seen, "__version__"]) == sorted(asynq.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Clinet'"):
        asynq.Clinet  # type: ignore[attr-defined]  # noqa: B018 - that a type checker says so is the other half of the proof


def test_gos_spellings_are_the_same_things() -> None:
    assert asynq.ErrDuplicateTask is asynq.DuplicateTaskError
    assert asynq.ErrTaskIDConflict is asynq.TaskIDConflictError
    assert asynq.new_client is asynq.Client
    assert asynq.TaskStatePending is asynq.TaskState.PENDING
    assert asynq.UniqueOpt is asynq.Unique(1).type
