"""How does the evening's work get into the queues?

Run by `python -m examples.demo`. Running it again adds only what the broker has not taken yet.
"""

from __future__ import annotations

import sys
from pathlib import Path

import asynq_compat as asynq
from examples.demo.plan import Ledger, evening


def produce(state: Path) -> None:
    """Enqueue every planned task that is not noted as taken, and note it."""
    taken = Ledger(state / "plan.jsonl")
    known = {str(line["id"]) for line in taken.lines()}
    kinds = {str(line["kind"]) for line in taken.lines()}
    refused = Ledger(state / "refused.jsonl")
    with asynq.Client(asynq.EmbeddedOpt(state / "tasks.db")) as client:
        for planned in evening((state / "run").read_text()):
            chosen = next(
                (str(option.value) for option in planned.options if option.type is asynq.OptionType.TASK_ID), ""
            )
            if chosen in known if chosen else planned.kind in kinds:
                continue
            try:
                task_id = client.enqueue(planned.task, *planned.options).id
            except asynq.TaskIDConflictError:
                task_id = chosen  # taken just before this producer was interrupted
            except asynq.DuplicateTaskError:
                refused.add(kind=planned.kind)
                continue
            taken.add(id=task_id, kind=planned.kind, by="python")


if __name__ == "__main__":
    produce(Path(sys.argv[1]))
