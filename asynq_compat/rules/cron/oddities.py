"""Which spec is taken although it does not fire when it seems to?

Contract: pure. Specs come from programs that were written for Go, so it is taken all the same; the caller logs the line.
"""

from __future__ import annotations

from asynq_compat.rules.cron.go_parsing import parse_duration_ns
from asynq_compat.rules.cron.schedule import Every, Schedule
from asynq_compat.rules.go_text import go_duration
from asynq_compat.rules.limits import NS_PER_S, shown


def odd_spec(spec: str, schedule: Schedule, now_ns: int) -> str:
    """Return a line that says what `spec`, of which `schedule` was made, will do; "" where nothing is odd."""
    if isinstance(schedule, Every):
        used_ns = schedule.delay_s * NS_PER_S
        if parse_duration_ns(spec.rpartition("@every ")[2]) == used_ns:
            return ""
        return f"cron spec {shown(spec)} fires every {go_duration(used_ns)}: an interval is cut to whole seconds, and is 1s at least"
    if schedule.next(now_ns) is not None:
        return ""
    return f"cron spec {shown(spec)} never fires: its fields name no instant of the next five years"
