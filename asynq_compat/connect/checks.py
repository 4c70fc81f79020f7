"""Is a field of an option object what it should be?

Contract: pure. An error names the field; its value only where it cannot be a password.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.options import Duration, duration_ns
from asynq_compat.rules.limits import NS_PER_S, is_utf8, shown
from asynq_compat.targets import Target

_PATH_LENGTH_MAX = 4_095  # Linux's PATH_MAX less the NUL


def check_fields(opt: Target, **kinds: type) -> None:
    """Refuse an option object whose fields are not of these types. Values are not shown: one may be a password."""
    for name, kind in kinds.items():
        value = getattr(opt, name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidArgumentError(
                f"{name} of {type(opt).__name__} must be of type {kind.__name__}, got {type(value).__name__}"
            )
        if isinstance(value, str) and not is_utf8(value):
            raise InvalidArgumentError(f"{name} of {type(opt).__name__} must be valid Unicode; it has a lone surrogate")


def timeout_s(name: str, timeout: Duration | None, default_s: float | None) -> float | None:
    """Return a timeout in seconds, None for no limit: Go's 0 is the default, and a negative one no limit."""
    timeout_ns = 0 if timeout is None else duration_ns(name, timeout)
    if timeout_ns == 0:
        return default_s
    return timeout_ns / NS_PER_S if timeout_ns > 0 else None


def checked_path(path: object) -> str:
    """Return the path of a file as text.

    Raises:
        InvalidArgumentError: It cannot be a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise InvalidArgumentError(
            f"path must be a str or os.PathLike, got {shown(path)}; for example EmbeddedOpt('tasks.db')"
        )
    text = os.fsdecode(path)
    if not text.strip():
        raise InvalidArgumentError(f"path is blank, got {shown(text)}; for example EmbeddedOpt('tasks.db')")
    if "\0" in text or not is_utf8(text) or len(text) > _PATH_LENGTH_MAX:
        raise InvalidArgumentError(f"{shown(text)} is no path of a file; for example EmbeddedOpt('tasks.db')")
    return text


def are_texts(value: object) -> bool:
    """Return whether it is a text or a sequence of texts, all valid Unicode."""
    return isinstance(value, Sequence) and all(isinstance(one, str) and is_utf8(one) for one in value)
