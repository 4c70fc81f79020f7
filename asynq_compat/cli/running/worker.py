"""How is a server run without a program of one's own?

Contract: blocks until SIGTERM or SIGINT, then lets running tasks end within the shutdown timeout; exit code 0. `ServeMux`, a handler or an object with
`process_task` is what it is given, as `Server.run` takes it.
Not obvious: ``--broker`` becomes the process's ASYNQ_COMPAT_BROKER before the module is imported, so that a `Client()` in it means the same broker.
"""

from __future__ import annotations

from typing import Any, cast

import click

from asynq_compat.cli.running.loading import load
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import DURATION
from asynq_compat.config import Config
from asynq_compat.errors import InvalidArgumentError, InvalidPatternError
from asynq_compat.rules.limits import shown
from asynq_compat.servemux import Handler, check_handler
from asynq_compat.server import Server

_EXAMPLE = "jobs:mux for `mux = ServeMux()` in jobs.py"
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")


class QueuesType(click.ParamType[dict[str, int]]):
    """Queues with their priorities."""

    name = "QUEUE[=N],..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:
        """Return name to priority; one without a number has 1."""
        queues: dict[str, int] = {}
        for item in str(value).split(","):
            name, _, number = item.strip().rpartition("=") if "=" in item else (item.strip(), "", "1")
            if not name or not (number.isascii() and number.isdigit() and int(number) > 0):
                self.fail(f"{item!r} is no queue with its priority; write critical=6,default=3,low", param, ctx)
            if name in queues:
                self.fail(f"queue {name!r} is named twice", param, ctx)
            queues[name] = int(number)
        return queues


@click.command()
@click.argument("handler", metavar="MODULE:NAME")
@click.option(
    "--queues", "-q", type=QueuesType(), help="Which queues, with their priorities: critical=6,default=3; default=1."
)
@click.option("--concurrency", "-c", type=click.IntRange(1), help="How many tasks run at a time; the number of CPUs.")
@click.option("--processes", type=click.IntRange(1), help="In how many processes they run: 1.")
@click.option("--strict-priority", is_flag=True, help="Serve a queue only while all of higher priority are empty.")
@click.option("--shutdown-timeout", type=DURATION, help="How long running tasks may go on at the end: 8s.")
@click.option("--metrics-addr", metavar="HOST:PORT", help="Where it tells Prometheus what it does: nowhere.")
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="From which level on it logs: info.")
@click.option("--config", metavar="MODULE:NAME", help="A Config in the code, in place of the options above.")
@click.pass_obj
def worker(session: Session, /, *, handler: str, config: str | None, **options: object) -> None:
    """Run tasks with the handler that stands at MODULE:NAME, most often a ServeMux, until SIGTERM or Ctrl-C.

    \b
    Examples:
      asynq-compat worker jobs:mux
      asynq-compat worker jobs:mux --queues critical=6,default=3 --concurrency 20 --log-level debug
      asynq-compat worker jobs:mux --processes 4 --metrics-addr 127.0.0.1:9090
      asynq-compat worker shop.jobs:mux --config shop.jobs:config
    """
    # Each option is called as its field.
    said: dict[str, Any] = {name: value for name, value in options.items() if value is not None and value is not False}
    if config is not None and said:
        raise click.UsageError(f"--config says it all; leave out --{next(iter(said)).replace('_', '-')}")
    target = session.claimed_target()
    chosen = Config(**said) if config is None else _config(config)
    Server(target, chosen).run(_handler(handler))


def _handler(place: str) -> Handler:
    found = load(place, _EXAMPLE)
    if isinstance(found, type):
        raise InvalidArgumentError(f"{place} is the class {found.__name__}; name an object, such as mux = ServeMux()")
    try:
        check_handler(cast("Handler", found))
    except InvalidPatternError as error:
        raise InvalidArgumentError(f"{place} is no handler: {error}") from None
    return cast("Handler", found)


def _config(place: str) -> Config:
    found = load(place, "jobs:config for `config = Config(...)` in jobs.py")
    if not isinstance(found, Config):
        raise InvalidArgumentError(f"{place} must be a Config, got {shown(found)}")
    return found
