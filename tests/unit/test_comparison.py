"""Does each word of the README's table of task queues lead to a test of ours that exists, or to somebody's own words?"""

from __future__ import annotations

import re

import pytest

from tests.unit.file_map import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in README.partition("## Beside other task queues\n")[2].partition("\n[o-")[0].splitlines()
    if line.startswith("| ") and "---" not in line
]
TARGETS = dict(re.findall(r"^\[([a-z-]+)\]: (.+)$", README, re.MULTILINE))
# What needs no proof: a blank, a question mark, and Go's own queue among those that share with it.
BARE = {"?", "itself", "not Python"}
LINKS = re.compile(r"\[[^\]]+\]\[([a-z-]+)\]")


def test_every_row_has_a_word_for_every_queue() -> None:
    assert len(TABLE) > 8
    assert {len(row) for row in TABLE} == {9}


@pytest.mark.parametrize("row", TABLE[1:], ids=lambda row: row[0])
def test_each_word_leads_somewhere(row: list[str]) -> None:
    for place, cell in enumerate(row[1:]):
        names = LINKS.findall(cell)
        assert names or cell in BARE, cell
        assert LINKS.sub("", cell).strip(", ") == "" or cell in BARE, f"{cell!r} has words that lead nowhere"
        assert names == [name for name in names if name in TARGETS]
        assert all(name.startswith("o-") for name in names) == (place == 0) or not names, cell


@pytest.mark.parametrize("name", sorted(name for name in TARGETS if name.startswith("o-")))
def test_our_own_claims_are_tests(name: str) -> None:
    found = re.fullmatch(r'(tests/\S+\.py) "(test_\w+)"', TARGETS[name])
    assert found, TARGETS[name]
    assert f"def {found[2]}(" in (REPOSITORY / found[1]).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(name for name in TARGETS if not name.startswith("o-")))
def test_what_others_say_is_read_at_one_commit(name: str) -> None:
    assert re.fullmatch(r"https://github\.com/[\w-]+/[\w-]+/blob/[0-9a-f]{7,}/\S+", TARGETS[name])


def test_nothing_is_listed_that_no_word_leads_to() -> None:
    used = {name for row in TABLE for cell in row for name in LINKS.findall(cell)}

    assert used == set(TARGETS)
