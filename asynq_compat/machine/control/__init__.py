"""What is known about all queues and servers together?"""

from __future__ import annotations

from asynq_compat.machine.control.fold import ControlMachine
from asynq_compat.machine.control.scheduling import Claim
from asynq_compat.machine.control.state import ControlApplied, ControlState, PublishedServer

__all__ = ["Claim", "ControlApplied", "ControlMachine", "ControlState", "PublishedServer"]
