"""How are periodic tasks configured in a file, or a database, that changes while the program runs?

A manager asks a provider in each `sync_interval`; what is new is registered, what is gone is not enqueued any more.
Run: python examples/periodic_from_a_file.py
"""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path

import asynq_compat as asynq

QUEUE = "example-periodic-file"
mux = asynq.ServeMux()
reported, cleaned = threading.Event(), threading.Event()


class FileProvider:
    """Reads ``{"<task type>": "<cron spec>"}``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get_configs(self) -> list[asynq.PeriodicTaskConfig]:
        """Return one config per line of the file."""
        specs = json.loads(self._path.read_text(encoding="utf-8"))
        return [asynq.PeriodicTaskConfig(spec, asynq.Task(kind), [asynq.Queue(QUEUE)]) for kind, spec in specs.items()]


@mux.on("report")
def report(ctx: asynq.Context, task: asynq.Task) -> None:
    """Say that it ran."""
    reported.set()


@mux.on("cleanup")
def cleanup(ctx: asynq.Context, task: asynq.Task) -> None:
    """Say that it ran."""
    cleaned.set()


def main() -> None:
    """Begin with reports, go on with cleaning up."""
    server = asynq.Server(config=asynq.Config(queues={QUEUE: 1}))
    server.start(mux)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "periodic.json"
        path.write_text('{"report": "@every 1s"}', encoding="utf-8")
        opts = asynq.PeriodicTaskManagerOpts(periodic_task_config_provider=FileProvider(path), sync_interval=0.5)
        with asynq.PeriodicTaskManager(opts):
            assert reported.wait(30)
            print("report ran")
            path.write_text('{"cleanup": "@every 1s"}', encoding="utf-8")
            assert cleaned.wait(30)
            print("cleanup ran, without a restart")
    server.shutdown()


if __name__ == "__main__":
    main()
