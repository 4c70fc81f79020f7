"""Is the error tree what its docstring draws?"""

from __future__ import annotations

import re

import pytest

from asynq_compat import errors

DRAWN = re.findall(r"^ *[│ ]*[├└]── (\w+)", errors.__doc__ or "", re.MULTILINE)


def test_the_drawing_names_every_error() -> None:
    defined = {name for name, thing in vars(errors).items() if isinstance(thing, type)} - {"AsynqError"}

    assert set(DRAWN) == defined


@pytest.mark.parametrize("name", DRAWN)
def test_every_error_is_an_asynq_error(name: str) -> None:
    assert issubclass(getattr(errors, name), errors.AsynqError)
