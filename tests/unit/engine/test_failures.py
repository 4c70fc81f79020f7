"""What does an error say about how its task ends?"""

from __future__ import annotations

import pytest

from asynq_compat.engine.failures import as_panic, ending_of, is_panic_error, text_of
from asynq_compat.errors import RevokeTask, SkipRetry
from asynq_compat.rules.outcome import Ending


def caused_by(cause: BaseException, error: Exception | None = None) -> Exception:
    """Return an error that was raised from `cause`."""
    error = error or ValueError("what is seen")
    error.__cause__ = cause
    return error


def in_a_circle() -> Exception:
    """Return an error that is, in the end, its own cause."""
    first = ValueError("first")
    return caused_by(caused_by(first), first)


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ValueError(), Ending.FAILED),
        (SkipRetry(), Ending.SKIPPED_RETRY),
        (RevokeTask(), Ending.REVOKED),
        (caused_by(SkipRetry()), Ending.SKIPPED_RETRY),
        (caused_by(caused_by(RevokeTask())), Ending.REVOKED),
        (caused_by(ExceptionGroup("two", [ValueError(), caused_by(SkipRetry())])), Ending.SKIPPED_RETRY),
        (ExceptionGroup("both", [SkipRetry(), RevokeTask()]), Ending.REVOKED),
        (in_a_circle(), Ending.FAILED),
    ],
)
def test_skip_retry_and_revoke_task_count_wherever_they_stand_behind_an_error(error: Exception, ending: Ending) -> None:
    assert ending_of(error) is ending


def test_what_merely_came_before_does_not_count() -> None:
    """An error that is raised while another is handled is one of its own."""
    error = ValueError()
    error.__context__ = SkipRetry()

    assert ending_of(error) is Ending.FAILED


def test_a_panic_is_known_wherever_it_stands() -> None:
    panic = as_panic(SystemExit("gone"))

    assert is_panic_error(panic)
    assert is_panic_error(caused_by(panic))
    assert not is_panic_error(in_a_circle())
    assert str(panic) == "panic error cause by: panic: gone"


@pytest.mark.parametrize("why", [RuntimeError("no text"), KeyboardInterrupt(), SystemExit(1)])
def test_an_error_whose_text_cannot_be_made_has_its_types_name(why: BaseException) -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise why

    assert text_of(Silent()) == "Silent"
    assert text_of(ValueError()) == "ValueError"
