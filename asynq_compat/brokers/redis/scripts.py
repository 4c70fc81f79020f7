"""Which transitions run inside Redis, and where is their text?

Contract: ``lua/<transition>.lua``, one transition a file, read when it is first used. A line ``-- include: name`` stands for
``lua/fragments/name.lua``. A call passes as many keys as the header numbers. Scripts are called by their SHA-1; the link loads those that Redis does not know.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from asynq_compat.brokers.redis.commands import Command, pack

FOLDER = Path(__file__).with_name("lua")
_INCLUDE = "-- include: "


class Script:
    """The text of one transition and how to call it."""

    __slots__ = ("key_count", "load", "name", "sha", "text")

    @property
    def commands(self) -> frozenset[str]:
        """The commands that it runs: what a user needs rights to, besides EVALSHA."""
        first = re.findall(r"\b(?:redis\.p?)?call\(([^,]*),", self.text)
        return frozenset(name.lower() for one in first for name in re.findall(r"""['"]([A-Za-z]+)['"]""", one))

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.key_count = _key_count(text)
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest().encode()
        self.load = pack([b"SCRIPT", b"LOAD", text.encode()])

    def __call__(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Command:
        """Return the command that runs the script."""
        return Command(self._pack(keys, arguments), self)

    def later(self, keys: Sequence[bytes], arguments: Callable[[], Sequence[bytes]]) -> Command:
        """Return the command that runs the script; its arguments are asked for when it is sent."""
        return Command(lambda: self._pack(keys, arguments()), self)

    def _pack(self, keys: Sequence[bytes], arguments: Sequence[bytes]) -> bytes:
        assert len(keys) == self.key_count, f"{self.name} has {self.key_count} keys, called with {len(keys)}"
        return pack([b"EVALSHA", self.sha, b"%d" % len(keys), *keys, *arguments])


def _key_count(text: str) -> int:
    """Return how many keys the header numbers."""
    keys = re.search(r"^-- KEYS .*?(?=^-- [A-Z]|^[^-])", text, re.DOTALL | re.MULTILINE)
    return len(re.findall(r"^--(?: KEYS| {5})  ?\d", keys[0], re.MULTILINE)) if keys else 0


@lru_cache(maxsize=64)
def script(name: str) -> Script:
    """Return the transition called `name`."""
    lines = []
    for line in (FOLDER / f"{name}.lua").read_text(encoding="utf-8").splitlines():
        if line.startswith(_INCLUDE):
            line = (FOLDER / "fragments" / f"{line.removeprefix(_INCLUDE)}.lua").read_text(encoding="utf-8").rstrip()
        lines.append(line)
    return Script(name, "\n".join(lines) + "\n")


def all_scripts() -> list[Script]:
    """Return all transitions."""
    return [script(path.stem) for path in sorted(FOLDER.glob("*.lua"))]


def script_of(sha: bytes) -> Script | None:
    """Return the transition whose text has this SHA-1, if it is ours."""
    return next((one for one in all_scripts() if one.sha == sha), None)
