"""How does a program hand over tasks?

Run: python examples/producer.py
"""

from __future__ import annotations

import json

import asynq_compat as asynq


def main() -> None:
    """Enqueue one task, then a batch of ten in one call."""
    with asynq.Client() as client:
        welcome = asynq.Task("email:welcome", json.dumps({"user_id": 42}).encode())
        info = client.enqueue(welcome, queue="critical", max_retry=5, timeout=30)
        print(f"enqueued {info.type} as {info.id} to {info.queue}, state {info.state}")

        reminders = [asynq.Task("email:reminder", json.dumps({"user_id": n}).encode()) for n in range(10)]
        outcomes = client.enqueue_many(reminders)
        print(f"enqueued {sum(isinstance(outcome, asynq.TaskInfo) for outcome in outcomes)} reminders")


if __name__ == "__main__":
    main()
