"""What has a whole run proven, whichever process ran which test?

Contract: at the end it prints how many tests of the conformance suite each broker executed and how often each step of the differential test
was. In CI a broker that executed less than it has to, by a skip or because a file was lost, fails every run that was meant to hold the
whole suite: one that names no part of it.
Not obvious: it stands in the process that gets the reports. With pytest-xdist that process runs no test and reads no conftest.py of a
folder below; what a test wants to tell it, it puts into a property of its report.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conformance.binding import TRAITS, scenarios

CONFORMANCE = Path(__file__).parent / "conformance"
# What `make test` leaves to a run of its own (`-m alone`), or to `make full`, is no part of the conformance suite.
_WHOLE = ("", "not alone and not full")
_STEPS = "steps executed by "


def steps_executed(by: str, counts: Mapping[str, int]) -> tuple[str, dict[str, int]]:
    """Return the property by which a test tells how often each step was executed."""
    return _STEPS + by, {str(name): counts[name] for name in sorted(counts)}


class Proofs:
    """A plugin of pytest that counts from reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._executed: Counter[str] = Counter()
        self._steps: dict[str, Counter[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count what ran to an end, good or bad."""
        if report.when != "call" or report.skipped:
            return
        if broker := _broker_of(report.nodeid):
            self._executed[broker] += 1
        for name, counts in report.user_properties:
            if name.startswith(_STEPS) and isinstance(counts, dict):
                self._steps.setdefault(name, Counter()).update(counts)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail a run of CI in which a broker fell short."""
        if self._fails() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the numbers."""
        for name, counts in self._steps.items():
            terminalreporter.section(name)
            for step, count in sorted(counts.items()):
                terminalreporter.write_line(f"{count:6d}  {step}")
        if self._executed or self._fails():
            terminalreporter.section("conformance: tests executed per broker")
            for broker in TRAITS:
                terminalreporter.write_line(f"{broker:9} {self._executed[broker]:4} of {len(scenarios(broker))}")
        if self._fails():
            terminalreporter.write_line(
                f"shortfall: {self._missing()}; each broker has to pass the whole suite", red=True
            )

    def _fails(self) -> bool:
        return bool(os.environ.get("CI") and _holds_the_suite(self._config) and self._missing())

    def _missing(self) -> dict[str, int]:
        missing = {broker: len(scenarios(broker)) - self._executed[broker] for broker in TRAITS}
        return {broker: count for broker, count in missing.items() if count > 0}


def _holds_the_suite(config: pytest.Config) -> bool:
    """Say whether the run was meant to execute the whole conformance suite."""
    option = config.option
    if option.keyword or option.markexpr not in _WHOLE or option.collectonly:
        return False
    named = (Path(config.invocation_params.dir, argument).resolve() for argument in config.args)
    return any(CONFORMANCE.is_relative_to(path) for path in named)


def _broker_of(nodeid: str) -> str:
    path, _, test = nodeid.partition("::")
    broker = path.removeprefix("tests/conformance/test_").removesuffix(".py")
    return broker if broker in TRAITS and test.startswith(f"test_{broker}[") else ""
