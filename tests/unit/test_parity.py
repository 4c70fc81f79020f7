"""Has every name that Go's packages export a name of ours, or a reason why not?"""

from __future__ import annotations

from tests.unit import parity


def test_every_exported_name_has_one_of_ours_or_a_reason() -> None:
    assert parity.unexplained() == []


def test_the_page_is_that_of_the_package() -> None:
    held = parity.PAGE.read_text(encoding="utf-8").partition(parity.BEGIN)[2].partition(parity.END)[0]

    assert held == parity.table(), "run `make docs` and commit docs/parity.md"


def test_no_reason_is_given_for_what_is_there() -> None:
    names = {
        one.go: one
        for package in parity.PACKAGES
        for name, _, members in parity.of_package(package)
        for one in (name, *members)
    }

    assert {go for go in parity.REASONS if go not in names or names[go].exists} == set()
    assert {go for go in parity.OTHER_WORDS if go not in names} == set()
