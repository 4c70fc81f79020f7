"""Where are the ways from a machine to sections of bytes and back?

Contract: pure. `snapshot_sections` gives the state of a `Machine` as it is now, `restore` makes a machine that behaves the same from then on;
`control_sections` and `restore_control` do so for a `ControlMachine`. Equal states give equal bytes, however they came about. What no
section says, since it follows from the rest, is worked out again: counts, indexes, which frame enqueued a task. docs/journal.md,
"Snapshots", has the layout.
"""

from __future__ import annotations

from asynq_compat.machine.snapshot.control import control_sections, restore_control
from asynq_compat.machine.snapshot.loading import restore
from asynq_compat.machine.snapshot.saving import snapshot_sections
from asynq_compat.wire.snapshot import digest

__all__ = ["control_sections", "digest", "restore", "restore_control", "snapshot_sections"]
