"""Which brokers need no server?

Contract: values; nothing is opened here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from urllib.parse import parse_qsl

from asynq_compat.errors import InvalidArgumentError
from asynq_compat.rules.go_url import GoURL
from asynq_compat.rules.keywords import suggesting_fields, unknown_keyword
from asynq_compat.targets.partitioning import parse_partitions


class DefaultFile(Enum):
    """What a path that was left out means. Not None or "": those come from a setting that is missing, and are refused."""

    OF_THE_USER = "the default file of this user"


@suggesting_fields
@dataclass(frozen=True, slots=True)
class EmbeddedOpt:
    """A SQLite file that processes of one machine share; needs no server.

    Attributes:
        path: The file; the default file of this user where it is left out.
        partitions: Of each queue that this program makes, 1 to 256; docs/semantics.md says what holds per partition.
    """

    path: str | os.PathLike[str] | DefaultFile = DefaultFile.OF_THE_USER
    partitions: int = 1


@suggesting_fields
@dataclass(frozen=True, slots=True)
class MemoryOpt:
    """Tasks in the memory of this process, gone with it; the same `name` is the same broker. `partitions` as of `EmbeddedOpt`."""

    name: str = ""
    partitions: int = 1


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
    return EmbeddedOpt(os.path.expanduser(url.path[1:]), _partitions(url))


def parse_memory(url: GoURL) -> MemoryOpt:
    """Return what a memory URL means.

    Raises:
        InvalidArgumentError: It has a parameter that means nothing here.
    """
    return MemoryOpt(url.host + url.path, _partitions(url))


def _partitions(url: GoURL) -> int:
    parameters = parse_qsl(url.query, keep_blank_values=True)
    for name, _ in parameters:
        if name != "partitions":
            raise unknown_keyword(name, ["partitions"], kind="parameter", of=f"a {url.scheme}:// URL")
    if len(parameters) > 1:
        raise InvalidArgumentError(f"parameter partitions of a {url.scheme}:// URL is given twice; write it once")
    return parse_partitions(parameters[0][1]) if parameters else 1
