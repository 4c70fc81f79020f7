"""Do the documents say what is so?"""

from __future__ import annotations

import re

from tests.unit.file_map import BEGIN, END, PAGE, REPOSITORY, file_map


def test_the_file_map_is_that_of_the_package() -> None:
    held = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]

    assert held == file_map(), "run `make docs` and commit docs/architecture.md"


def test_every_target_that_the_readme_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))

    named = set(re.findall(r"`?make ([a-z-]+)", (REPOSITORY / "README.md").read_text()))

    assert named <= targets


def test_every_link_between_the_documents_leads_somewhere() -> None:
    for page in (REPOSITORY / "README.md", *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("examples/*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} points at {target}, which is not there"
