"""Do journals that were recorded once still mean the same?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asynq_compat.machine.control import ControlMachine
from asynq_compat.machine.control.scheduling import SCHEDULING
from asynq_compat.machine.machine import Machine
from asynq_compat.machine.snapshot import control_sections, restore, restore_control, snapshot_sections
from asynq_compat.machine.versions import VERSIONS
from asynq_compat.wire import command as c
from asynq_compat.wire.frame import Frame, decode_frame
from asynq_compat.wire.snapshot import FORMAT
from tests.vectors.recorded_journals import FOLDER, QUEUE, follows, machine_of, read
from tests.vectors.stories import STORIES

RECORDED = sorted(FOLDER.glob("*.bin"))
# Whoever knows them says what those say that do not.
REJECTED_BY_ALL = {c.COUNTS, *SCHEDULING, c.TAKE_TOKEN, c.RETURN_TOKEN}
CONTROL_COMMANDS = {c.QUEUE, c.SERVER, c.SERVER_GONE, c.CANCEL}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_journal_means_what_it_meant(path: Path) -> None:
    recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

    found: dict[str, object] = json.loads(json.dumps(follows(machine_of(path.stem), read(path))))

    if recorded["digest"]["snapshot_format"] != FORMAT:
        # A digest is a seal over the bytes of a snapshot: another layout of them is another digest, of the same state.
        recorded.pop("digest")
        found.pop("digest")
    assert found == recorded


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_journal_goes_on_alike_from_every_snapshot(path: Path) -> None:
    machine = machine_of(path.stem)
    saved: list[Machine | ControlMachine] = []
    entries = read(path)
    for number, entry in enumerate(entries):
        applied = machine.apply(*entry)
        for one in saved:
            assert one.apply(*entry) == applied
        if number % max(1, len(entries) // 10) == 0 and machine_is_known(machine):
            saved.append(again(machine))
    assert {one.digest() for one in saved} == {machine.digest()}


def machine_is_known(machine: Machine | ControlMachine) -> bool:
    return isinstance(machine, ControlMachine) or machine.unsupported_version() is None


def again(machine: Machine | ControlMachine) -> Machine | ControlMachine:
    if isinstance(machine, ControlMachine):
        return restore_control(control_sections(machine))
    return restore(QUEUE, snapshot_sections(machine))


def test_every_command_and_every_outcome_is_recorded() -> None:
    """Whoever adds one adds a story, or the next release may read it otherwise unnoticed."""
    commands: set[object] = set()
    rejected: set[object] = set()
    outcomes: set[int] = set()
    for path in RECORDED:
        machine = machine_of(path.stem)
        for entry in read(path):
            applied = machine.apply(*entry)
            frame = decode_frame(entry[3])
            told = frame.commands if isinstance(frame, Frame) and applied.outcomes else []
            commands |= {
                command[0] for command, outcome in zip(told, applied.outcomes, strict=False) if c.OK in codes(outcome)
            }
            rejected |= {command[0] for command in told}
            outcomes |= set(codes(applied.outcomes))

    wanted = {code for table in VERSIONS.values() for code in table}
    assert commands >= wanted | CONTROL_COMMANDS
    assert rejected >= REJECTED_BY_ALL
    assert outcomes >= set(range(c.IS_IN_SET + 1))


def codes(outcome: object) -> list[int]:
    if isinstance(outcome, int):
        return [outcome]
    assert isinstance(outcome, list)
    return [code for inner in outcome for code in codes(inner)]


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_told_as_it_was_recorded(name: str) -> None:
    assert STORIES[name]() == read(FOLDER / f"{c.MACHINE_VERSION}-{name}.bin")
