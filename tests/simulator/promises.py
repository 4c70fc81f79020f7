"""What is done where a promise is not kept?"""

from __future__ import annotations

from asynq_compat.wire import command as c


class BrokenPromiseError(AssertionError):
    """A promise of docs/journal.md was not kept."""


def promise(kept: object, text: str) -> None:
    """Raise unless `kept`."""
    if not kept:
        raise BrokenPromiseError(text)


def check_marker(markers: list[tuple[int, int]], at: int, command: c.Command, outcome: object) -> None:
    """Check what a marker at a position came to, and note it."""
    position, chunk = int(str(command[1])), int(str(command[3]))
    is_late = position >= at or any(position <= before for before, _ in markers)
    is_cut = len(markers) > 1 and chunk < min(first for _, first in markers[-2:])
    promise((outcome == 0) != (is_late or is_cut), f"a marker at {position} with chunk {chunk} gave {outcome}")
    if outcome == 0:
        markers.append((position, chunk))
