"""What does code that names Redis look like on another broker?

Exactly the same: `ASYNQ_COMPAT_BROKER` wins over the options in the code, and one log line says so. A port of a Go program keeps its
names too (`new_client`, `new_task`, `ErrTaskIDConflict`). Run: ASYNQ_COMPAT_BROKER=sqlite:///tasks.db python examples/swap_of_the_import.py
"""

from __future__ import annotations

import asynq_compat as asynq


def main() -> None:
    """Enqueue a task twice under one id, the way a Go program would."""
    client = asynq.new_client(asynq.RedisClientOpt(addr="localhost:6379"))
    task = asynq.new_task("invoice:render", b'{"invoice": 7}')
    try:
        info = client.enqueue(task, asynq.TaskID("invoice-7"), asynq.Queue("example-swap"))
        print(f"enqueued {info.id}")
        client.enqueue(task, asynq.TaskID("invoice-7"), asynq.Queue("example-swap"))
    except asynq.ErrTaskIDConflict as error:
        print(f"the second time: {error}")
    finally:
        client.close()


if __name__ == "__main__":
    main()
