"""Which tasks does a command name?

Contract: pure; reads commands as the machine does, with their outcomes.
"""

from __future__ import annotations

from asynq_compat.wire import command as c


def strings(column: object) -> list[str]:
    """Return a column of ids."""
    return [str(item) for item in column] if isinstance(column, list) else []


def places(session: int, command: c.Command, outcome: object) -> list[tuple[tuple[int, int, int], int]]:
    """Every task that a settling command names, with its outcome."""
    code, items = command[0], command[1] if len(command) == 2 else [command[1:]]
    found: list[tuple[tuple[int, int, int], int]] = []
    if not isinstance(items, list) or outcome == [c.REJECTED]:
        return found
    codes = [0] * len(items) if outcome == 0 else outcome
    assert isinstance(codes, list)
    for item, item_code in zip(items, codes, strict=True):
        if code in (c.SETTLE_DONE, c.SETTLE_COMPLETE, c.SETTLE_REQUEUE, c.HAND_BACK):
            position, lo, hi = item[:3]
            each = item_code if isinstance(item_code, list) else [item_code] * (hi - lo)
            found += [((session, position, lo + offset), task_code) for offset, task_code in enumerate(each)]
        elif code in (c.RECOVER_RETRY, c.RECOVER_ARCHIVE):
            found.append(((item[0], item[1], item[2]), item_code))
        else:
            found.append(((session, item[0], item[1]), item_code))
    return found
