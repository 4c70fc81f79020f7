"""Is the conformance suite complete as a table?"""

from __future__ import annotations

import dataclasses
import pkgutil

from asynq_compat.testing import conformance
from asynq_compat.testing.conformance import traits
from asynq_compat.testing.conformance.suite import SCENARIOS, TRANSITIONS, scenarios_for

SHARED = {"grouping", "harness", "scenario", "suite", "traits", "worker"}


def test_every_file_of_the_suite_is_in_its_table() -> None:
    """A file that is forgotten there would never run."""
    files = {module.name for module in pkgutil.iter_modules(conformance.__path__)} - SHARED

    assert {module.__name__.rpartition(".")[2] for module in TRANSITIONS} == files
    assert {scenario.transition for scenario in SCENARIOS} == files


def test_each_scenario_has_a_name_and_a_reason() -> None:
    names = [scenario.name for scenario in SCENARIOS]

    assert len(set(names)) == len(names)
    assert all(scenario.run.__doc__ for scenario in SCENARIOS)


def test_a_broker_whose_time_can_be_moved_runs_all_of_it() -> None:
    real_time = dataclasses.replace(traits.JOURNAL, has_virtual_time=False)

    assert scenarios_for(traits.REDIS) == scenarios_for(traits.JOURNAL) == SCENARIOS
    assert 0.8 < len(scenarios_for(real_time)) / len(SCENARIOS) < 1
