"""What is the least that a program needs to run tasks?

Run as `python tests/interop/small_program.py URL`, or as `asynq-compat worker tests.interop.small_program:mux`.
"""

from __future__ import annotations

import sys

import asynq_compat as asynq

mux = asynq.ServeMux()


@mux.on("quick")
def quick(ctx: asynq.Context, task: asynq.Task) -> None:
    pass


@mux.on("hold")
def hold(ctx: asynq.Context, task: asynq.Task) -> None:
    ctx.wait()


if __name__ == "__main__":
    asynq.Server(sys.argv[1], asynq.Config(concurrency=10, shutdown_timeout=1)).run(mux)
