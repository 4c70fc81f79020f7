"""How many tests of the suite did each broker execute?

Contract: the numbers are printed at the end of a run that had this folder in it. In CI a broker that executed less than it has to, by a
skip or because a file was lost, fails the run.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

from tests.conformance.binding import TRAITS, scenarios

_executed: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the tests that ran to an end, good or bad."""
    if report.when == "call" and not report.skipped and (broker := _broker_of(report.nodeid)):
        _executed[broker] += 1


def _broker_of(nodeid: str) -> str:
    path, _, test = nodeid.partition("::")
    broker = path.removeprefix("tests/conformance/test_").removesuffix(".py")
    return broker if broker in TRAITS and test.startswith(f"test_{broker}[") else ""


def _shortfall() -> dict[str, int]:
    missing = {broker: len(scenarios(broker)) - _executed[broker] for broker in TRAITS}
    return {broker: count for broker, count in missing.items() if count > 0}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of CI in which a broker fell short."""
    config = session.config
    names_a_part = config.getoption("keyword") or any("test_" in argument for argument in config.args)
    is_whole_run = not names_a_part and not config.getoption("collectonly")
    if os.environ.get("CI") and is_whole_run and _shortfall() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the numbers."""
    terminalreporter.section("conformance: tests executed per broker")
    for broker in TRAITS:
        terminalreporter.write_line(f"{broker:8} {_executed[broker]:4} of {len(scenarios(broker))}")
    if (shortfall := _shortfall()) and os.environ.get("CI"):
        terminalreporter.write_line(f"shortfall: {shortfall}; each broker has to pass the whole suite", red=True)
