"""How is a scheduler run without a program of one's own?

Contract: blocks until SIGTERM or SIGINT, then lets the firings that run end; exit code 0. A broker that does not answer at the start ends it at
once, as it ends a worker; the library's `Scheduler.start`, as Go's, would go on and log each firing that fails. What stands at ``module:name`` says what is enqueued:

- a list of `PeriodicTaskConfig`: these, as long as it runs; one with a wrong spec is refused before anything is enqueued;
- a function that returns such a list, or an object with `get_configs` (a `PeriodicTaskConfigProvider`): it is asked again in each
  ``--sync-interval``, and what is new or gone is followed, as `PeriodicTaskManager` does.

Not obvious: as in Go each scheduler fires for itself, so two of these enqueue everything twice unless both are told ``--elect``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import click

from asynq_compat.cli.running.loading import load
from asynq_compat.cli.running.worker import LOG_LEVELS
from asynq_compat.cli.session import Session
from asynq_compat.cli.values import DURATION
from asynq_compat.connect import open_broker
from asynq_compat.errors import InvalidArgumentError
from asynq_compat.periodic import PeriodicTaskConfig, PeriodicTaskManager, PeriodicTaskManagerOpts
from asynq_compat.ports.broker import Broker
from asynq_compat.rules.limits import shown
from asynq_compat.scheduler import Scheduler
from asynq_compat.scheduler_opts import SchedulerOpts
from asynq_compat.targets import Target

_EXAMPLE = "jobs:entries for `entries = [PeriodicTaskConfig(...)]` in jobs.py"


@click.command()
@click.argument("entries", metavar="MODULE:NAME")
@click.option("--elect", is_flag=True, help="Of all schedulers that are told so, one enqueues each time.")
@click.option("--location", metavar="ZONE", help="Whose clock counts where a spec names no zone: UTC.")
@click.option("--sync-interval", type=DURATION, help="How often a function or provider is asked again: 3m.")
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="From which level on it logs: info.")
@click.pass_obj
def scheduler(
    session: Session,
    *,
    entries: str,
    elect: bool,
    location: str | None,
    sync_interval: timedelta | None,
    log_level: str | None,
) -> None:
    """Enqueue the periodic tasks that stand at MODULE:NAME, until SIGTERM or Ctrl-C.

    There stands a list of PeriodicTaskConfig, or, to be asked again and again, a function that returns one or an object with get_configs.

    \b
    Examples:
      asynq-compat scheduler jobs:entries
      asynq-compat scheduler jobs:entries --elect --location Europe/Berlin
      asynq-compat scheduler shop.jobs:provider --sync-interval 30s
    """
    opts = SchedulerOpts(elect=elect, location=location, log_level=log_level)
    target = session.claimed_target()
    found = load(entries, _EXAMPLE)
    if isinstance(found, Sequence) and not isinstance(found, str | bytes):
        if sync_interval is not None:
            raise click.UsageError(f"{entries} is a list, which is not asked again; leave out --sync-interval")
        with _answering(target) as broker:
            _fixed(entries, found, broker, opts).run()
        return
    if isinstance(found, type) or not (callable(found) or hasattr(found, "get_configs")):
        raise InvalidArgumentError(
            f"{entries} must be a list of PeriodicTaskConfig, a function or an object with get_configs, got {shown(found)}"
        )
    with _answering(target) as broker:
        PeriodicTaskManager(
            PeriodicTaskManagerOpts(
                periodic_task_config_provider=found,
                redis_conn_opt=broker,
                scheduler_opts=opts,
                sync_interval=sync_interval.total_seconds() if sync_interval else 0,
            )
        ).run()


@contextmanager
def _answering(target: Target | None) -> Iterator[Broker]:
    """Open the broker.

    Raises:
        BrokerUnavailableError: It does not answer.
    """
    broker = open_broker(target)
    try:
        broker.ping()
        yield broker
    finally:
        broker.close()


def _fixed(place: str, configs: Sequence[object], broker: Broker, opts: SchedulerOpts) -> Scheduler:
    """Return a scheduler of exactly these.

    Raises:
        InvalidArgumentError: One is none, or its spec, task or options are wrong; says which.
    """
    if not configs:
        raise InvalidArgumentError(f"{place} is empty: there is nothing to enqueue")
    made = Scheduler(broker, opts)
    for number, config in enumerate(configs):
        if not isinstance(config, PeriodicTaskConfig):
            raise InvalidArgumentError(f"{place}[{number}] must be a PeriodicTaskConfig, got {shown(config)}")
        try:
            made.register(config.cronspec, config.task, *config.opts)
        except InvalidArgumentError as error:
            raise InvalidArgumentError(f"{place}[{number}]: {error}") from error
    return made
