"""Where do the messages of tasks stay that are not needed soon?

Contract: a port. A machine without an attic keeps everything in memory; with one it behaves the same, to the byte.
Not obvious: whether something is put aside depends on this process alone (its disk may be full), so nothing may follow from it.
"""

from __future__ import annotations

from typing import Protocol, overload


class PutAside(Protocol):
    """Messages that are elsewhere; each look brings them back for the caller alone."""

    def __len__(self) -> int:
        """Return how many they are."""

    @overload
    def __getitem__(self, place: int) -> bytes: ...
    @overload
    def __getitem__(self, place: slice[int, int, None]) -> list[bytes]: ...


class Attic(Protocol):
    """Takes messages out of memory."""

    def put(self, messages: list[bytes]) -> PutAside | None:
        """Return what stands for them from now on; None where they have to stay."""
