"""Which keyword did a caller mean, and is it a truth value that has to be one?

Contract: an unknown keyword is an error of our tree that suggests the nearest one. A call that is right pays for one more call and
nothing else: names are compared when it was refused.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import ParamSpec, TypeVar

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.limits import shown

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C")
_NOTHING: Mapping[str, type] = {}

# How alike two names have to be, 0 to 1.
_LIKENESS_MIN = 0.5


def unknown_keyword(name: str, known: Iterable[str], *, kind: str = "keyword", of: str = "") -> InvalidArgumentError:
    """Return the error for a keyword that is none of `known`; `kind` is what it should be, `of` where."""
    import difflib  # slow to import

    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=_LIKENESS_MIN)
    advice = f"did you mean {near[0]}=?" if near else f"use one of {', '.join(names)}"
    where = f" of {of}" if of else ""
    return InvalidArgumentError(f"unknown {kind} {shown(name)}{where}; {advice}")


def check_truth(name: str, value: object) -> bool:
    """Return `value`; `name` is what an error calls it.

    Raises:
        InvalidArgumentError: It is not True or False: "no" would count as true.
    """
    if not isinstance(value, bool):
        raise InvalidArgumentError(f"{name} must be True or False, got {shown(value)}")
    return value


def suggesting(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorate a function: an unknown keyword raises `unknown_keyword`'s error in place of a TypeError."""
    return _suggesting(function, function.__name__)


def suggesting_fields(cls: type[_C]) -> type[_C]:
    """Decorate a class: its constructor is `suggesting`."""
    type.__setattr__(cls, "__init__", _suggesting(vars(cls)["__init__"], cls.__name__))
    return cls


def suggesting_fields_beside(**inner: type) -> Callable[[type[_C]], type[_C]]:
    """Decorate a class as `suggesting_fields`; an `inner` class's keyword is led to it: ``Server(concurrency=3)`` to ``config=Config(...)``."""

    def decorate(cls: type[_C]) -> type[_C]:
        type.__setattr__(cls, "__init__", _suggesting(vars(cls)["__init__"], cls.__name__, inner))
        return cls

    return decorate


def _suggesting(function: Callable[_P, _R], name: str, inner: Mapping[str, type] = _NOTHING) -> Callable[_P, _R]:
    @functools.wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return function(*args, **kwargs)
        except TypeError:
            refuse_unknown(kwargs, function, name, inner)
            raise

    return checked


def refuse_unknown(
    given: Mapping[str, object], function: Callable[_P, _R], name: str, inner: Mapping[str, type] = _NOTHING
) -> None:
    """Raise for the first of the keywords `given` that `function`, called `name`, does not have; `inner` has classes whose keywords may be meant.

    Raises:
        InvalidArgumentError: There is one.
    """
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [
        one for one, what in inspect.signature(function).parameters.items() if what.kind in kinds and one != "self"
    ]
    for keyword in given:
        if keyword in known:
            continue
        for field, cls in inner.items():
            if keyword in inspect.signature(cls).parameters:
                raise InvalidArgumentError(
                    f"unknown keyword {shown(keyword)} of {name}; write {field}={cls.__name__}({keyword}=...)"
                ) from None
        raise unknown_keyword(keyword, known, of=name) from None
