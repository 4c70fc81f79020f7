"""What is known about all queues and servers together?"""

from __future__ import annotations

from asynq_compat.machine.control.fold import ControlApplied, ControlMachine, ControlState, PublishedServer
from asynq_compat.machine.control.scheduling import Claim

__all__ = ["Claim", "ControlApplied", "ControlMachine", "ControlState", "PublishedServer"]
