"""Which brokers need no server?

Contract: values; nothing is opened here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.go_url import GoURL
from asynq_compat.rules.keywords import suggesting_fields


class DefaultFile(Enum):
    """What a path that was left out means. Not None or "": those come from a setting that is missing, and are refused."""

    OF_THE_USER = "the default file of this user"


@suggesting_fields
@dataclass(frozen=True, slots=True)
class EmbeddedOpt:
    """A SQLite file that processes of one machine share; needs no server. Without a `path` it is the default file of this user."""

    path: str | os.PathLike[str] | DefaultFile = DefaultFile.OF_THE_USER


@suggesting_fields
@dataclass(frozen=True, slots=True)
class MemoryOpt:
    """Tasks in the memory of this process, gone with it; the same `name` is the same broker."""

    name: str = ""


def parse_sqlite(url: GoURL) -> EmbeddedOpt:
    """Return what a sqlite URL means.

    Raises:
        InvalidArgumentError: It names no file; the message says how one is written.
    """
    if url.host or url.path in {"", "/"}:
        raise InvalidArgumentError(
            "a sqlite URL names a file behind three slashes (relative) or four (absolute); write sqlite:///queue.db"
        )
    if url.path == "/:memory:":
        raise InvalidArgumentError(
            "a sqlite URL names a file, got :memory:; write memory:// for tasks of this process alone"
        )
    if url.query:
        raise InvalidArgumentError("a sqlite URL takes no parameters behind a question mark; write sqlite:///queue.db")
    return EmbeddedOpt(os.path.expanduser(url.path[1:]))
