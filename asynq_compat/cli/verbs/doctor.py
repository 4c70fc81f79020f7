"""Is the broker, and what it holds, as it should be?

Contract: exit code 0: all is well; 1: somebody should look; 2: tasks can be lost or stuck. A broker that does not answer is 2, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from asynq_compat.cli.asking import confirm, yes_option
from asynq_compat.cli.output import json_option, print_json, print_table, print_text
from asynq_compat.cli.session import Session
from asynq_compat.errors import BrokerUnavailableError
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.diagnosing import Finding, Severity

_NAMES_SHOWN_MAX = 100
_NAMES_NAMED_MAX = 3


@click.command()
@click.option("--repair", is_flag=True, help="Mend what can be mended safely, after asking.")
@yes_option
@json_option
@click.pass_context
def doctor(context: click.Context, *, repair: bool, yes: bool, as_json: bool) -> None:
    """Look whether the broker, and what it holds, is as it should be, and mend what can be mended.

    On Redis: version, eviction, persistence, clock, tasks without a lease, leases without a task, ids without a task, tasks in no list, entries of
    dead servers. On journals: topics and their settings, copies, clock, servers and the versions they know, checkpoints, unreadable entries. The
    exit code is 0 if all is well, 1 if somebody should look, 2 if tasks can be lost or stuck.

    \b
    Examples:
      asynq-compat doctor
      asynq-compat --broker redis://localhost:6379 doctor --json
      asynq-compat doctor --repair
    """
    session: Session = context.obj
    mended: list[dict[str, object]] = []
    try:
        with session.broker() as broker:
            findings = _look(session, broker)
            curable = [one for one in findings if one.remedy]
            if repair and curable:
                _ask(curable, yes=yes, as_json=as_json)
                mended = [_mend(broker, one, as_json=as_json) for one in curable]
                findings = _look(session, broker)
    except BrokerUnavailableError as error:
        findings = [Finding(check="reachable", severity=Severity.PROBLEM, message=str(error))]
    if as_json:
        print_json(
            {"severity": str(_worst(findings)), "findings": [_json(one) for one in findings], "repaired": mended}
        )
    else:
        _print(findings, repair=repair)
    context.exit(int(_worst(findings)))


def _look(session: Session, broker: Broker) -> Sequence[Finding]:
    with session.progress("looking") as progress:
        return broker.diagnosing.findings(progress)


def _worst(findings: Sequence[Finding]) -> Severity:
    return max((one.severity for one in findings), default=Severity.FINE)


def _ask(curable: Sequence[Finding], *, yes: bool, as_json: bool) -> None:
    if not yes:
        for one in curable:
            click.echo(f"{_where(one)}{one.message}\n  would {one.remedy}: {_named(one)}", err=True)
    confirm("Do that?", yes=yes, as_json=as_json)


def _mend(broker: Broker, one: Finding, *, as_json: bool) -> dict[str, object]:
    count = broker.diagnosing.repair(one)
    if not as_json:
        print_text(f"mended {count} of {len(one.names)}: {_where(one)}{one.check}: {one.remedy}")
    return {"check": one.check, "queue": one.queue, "count": count, "remedy": one.remedy}


def _json(one: Finding) -> dict[str, object]:
    return {
        "check": one.check,
        "severity": str(one.severity),
        "queue": one.queue,
        "message": one.message,
        "count": len(one.names),
        "names": one.names[:_NAMES_SHOWN_MAX],
        "remedy": one.remedy,
    }


def _print(findings: Sequence[Finding], *, repair: bool) -> None:
    if not findings:
        print_text("it holds nothing that could be looked at")
        return
    print_table(
        ("", "check", "queue", ""),
        [
            (str(one.severity), one.check.replace("_", " "), one.queue or "-", f"{one.message}{_in_brackets(one)}")
            for one in findings
        ],
    )
    if any(one.remedy for one in findings) and not repair:
        print_text("\n--repair mends what can be mended from here")


def _in_brackets(one: Finding) -> str:
    return f" ({_named(one)})" if one.names else ""


def _named(one: Finding) -> str:
    more = len(one.names) - _NAMES_NAMED_MAX
    return ", ".join(one.names[:_NAMES_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _where(one: Finding) -> str:
    return f"queue {one.queue}: " if one.queue else ""
