"""What do users and our own tests need to test with?

Contract: public; free of pytest but for the plugin. `Sandbox` is a broker of one test's own, `VirtualClock` its clock, `Enqueued` and
`Attempt` what it tells; docs/testing.md shows how. The conformance suite for brokers stands in `conformance`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asynq_compat.testing.attempting import Attempt
    from asynq_compat.testing.clock import VirtualClock
    from asynq_compat.testing.matching import ANY, Wish
    from asynq_compat.testing.recording import Enqueued
    from asynq_compat.testing.sandbox import Sandbox

__all__ = ["ANY", "Attempt", "Enqueued", "Sandbox", "VirtualClock", "Wish"]

# A name is imported when it is first asked for: pytest loads this package with the plugin, for everybody.
_HOMES = {
    "ANY": "matching",
    "Attempt": "attempting",
    "Enqueued": "recording",
    "Sandbox": "sandbox",
    "VirtualClock": "clock",
    "Wish": "matching",
}

if not TYPE_CHECKING:  # Unseen by type checkers, so that they tell a misspelt name.

    def __getattr__(name: str) -> object:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'asynq_compat.testing' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"asynq_compat.testing.{home}"), name)
        globals()[name] = value
        return value
