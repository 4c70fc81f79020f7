"""Which object does a user mean with ``module:name``?

Contract: the folder in which the command was called is looked into first, as Python does for a script. Importing runs the user's module.
Not obvious: a module that is not there is wrong usage; one that fails while it is imported is the user's to mend, so the place is named.
"""

from __future__ import annotations

import os
import sys
import traceback
from functools import reduce
from importlib import import_module
from types import ModuleType

from asynq_compat.errors import AsynqError, InvalidArgumentError


def load(place: str, example: str) -> object:
    """Return what stands at ``module:name``; the name may have dots.

    Args:
        place: What the user wrote.
        example: What they could have written, for errors.

    Raises:
        InvalidArgumentError: It names nothing, or a module or name that is not there.
        AsynqError: The module failed.
    """
    module_name, separator, name = place.partition(":")
    if not (module_name and separator and name):
        raise InvalidArgumentError(f"{place!r} names no object of a module; write {example}")
    module = _module(module_name, place)
    try:
        return reduce(getattr, name.split("."), module)
    except AttributeError:
        there = ", ".join(sorted(found for found in vars(module) if not found.startswith("_"))[:12])
        raise InvalidArgumentError(
            f"module {module_name} has no {name!r}; it has {there or 'nothing public'}"
        ) from None


def _module(name: str, place: str) -> ModuleType:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise InvalidArgumentError(
                f"there is no module {error.name!r}, which {place!r} names; it is looked for in {here} and among what is installed"
            ) from None
        raise _failed(name, error) from error
    except Exception as error:
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> AsynqError:
    if isinstance(error, SyntaxError):
        where = f"{error.filename}, line {error.lineno}"
    else:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{last.filename}, line {last.lineno}"
    return AsynqError(
        f"module {name} cannot be imported: {type(error).__name__}: {error} ({where}); --debug shows the traceback"
    )
