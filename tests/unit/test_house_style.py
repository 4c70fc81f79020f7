"""Does the repository keep the house rules that no other tool checks?

Budgets are ratchets: a number below is lowered when the code allows it and never raised. What is over a budget is split by duty; where
the parts have no names of their own, it stands in the table here with the reason why it stays whole.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "asynq_compat"
GENERATED = ("asynq_compat/wire/_pb/",)

MODULE_LINES_MAX = 300
PORT_AND_TEST_LINES_MAX = 400
FUNCTION_LINES_MAX = 40
FOLDER_FILES_MAX = 12

# Path of a module -> (its lines at most, why it stays whole).
LONG_MODULES: dict[str, tuple[int, str]] = {
    "asynq_compat/wire/command.py": (
        340,
        "one table of all commands and outcomes, and what makes those of a task's life",
    ),
}

# "path::name" of a function -> (its lines at most, why it stays whole).
LONG_FUNCTIONS: dict[str, tuple[int, str]] = {
    "asynq_compat/config.py::Config.__init__": (
        58,
        "twenty fields of Asynq's, a line each to name and a line each to check",
    ),
}

# Folder -> (its files at most, why they stay together).
FULL_FOLDERS: dict[str, tuple[int, str]] = {
    "asynq_compat/engine": (18, "what a server and its runner are made of"),
    "asynq_compat": (23, "its files are the public modules, one for each thing that a user holds"),
    "asynq_compat/testing/conformance": (42, "one file a transition, and what they share"),
    "asynq_compat/brokers/redis": (31, "one file a port, and the few that all of them stand on"),
    "asynq_compat/brokers/redis/lua": (32, "one file a transition"),
    "asynq_compat/brokers/journal": (27, "one file a port, as in every broker, and what they share"),
    "asynq_compat/wire": (14, "one file a kind of message, and one for each family of commands"),
    "asynq_compat/ports": (15, "one file a port"),
    "asynq_compat/rules": (15, "one rule of Asynq a file"),
    "asynq_compat/machine": (
        24,
        "one family of transitions a file; all work on one state, no part has a life of its own",
    ),
}

# Paths of one machine, and hosts of package registries or mirrors: neither means anything to a reader elsewhere.
MACHINE_PATH = re.compile(r"(?<![\w.*~})\]/-])/(?:work|root|home|opt|tmp/h)/")
REGISTRY_HOST = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|proxy\.golang\.org|sum\.golang\.org|repo1?\.maven|deb\.debian\.org"
    r"|static\.crates\.io|index\.crates\.io|--(?:extra-)?index-url|--(?:trusted)-host|--(?:find)-links"
    r"|(?<![\d.])(?:10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.\d{1,3}\.\d{1,3}(?:\.\d{1,3})?(?![\d.])"
)


def committed_files() -> list[Path]:
    """Return every file of the repository that is, or is about to be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


FILES = committed_files()
MODULES = [path for path in FILES if path.suffix == ".py" and not relative(path).startswith(GENERATED)]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


# The package's own page (`help(asynq_compat)`) is for users: it tells them what they have.
ANSWERING = [path for path in MODULES if PACKAGE in path.parents and path != PACKAGE / "__init__.py"]


def test_a_module_opens_with_the_question_it_answers() -> None:
    silent = [relative(path) for path in ANSWERING if not first_paragraph(path).endswith("?")]

    assert not silent, (
        f"{silent}: begin with a docstring whose first paragraph is the question that this file answers, and ends in '?'"
    )


def first_paragraph(path: Path) -> str:
    return (ast.get_docstring(parsed(path)) or "").split("\n\n")[0].strip()


def test_a_module_keeps_its_budget() -> None:
    too_long = []
    for path in MODULES:
        is_port_or_test = relative(path).startswith(("asynq_compat/ports/", "tests/"))
        budget = PORT_AND_TEST_LINES_MAX if is_port_or_test else MODULE_LINES_MAX
        allowed, _ = LONG_MODULES.get(relative(path), (budget, ""))
        if path.name != "__init__.py" and line_count(path) > allowed:
            too_long.append(f"{relative(path)} has {line_count(path)} lines, {allowed} are allowed")

    assert not too_long, (
        f"{'; '.join(too_long)}: move one duty into a file with its own name, or enter it in LONG_MODULES with the reason why it "
        "stays whole"
    )


@cache
def functions(path: Path) -> tuple[tuple[str, int], ...]:
    """Give every function's qualified name and its lines without docstring and decorators."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):  # No function stands in one.
                continue
            name = f"{prefix}{getattr(child, 'name', None) or ''}"
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                first = child.body[0]
                has_docstring = ast.get_docstring(child, clean=False) is not None
                docstring_lines = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
                yield name, (child.end_lineno or 0) - child.lineno + 1 - docstring_lines
            is_scope = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            yield from walk(child, f"{name}." if is_scope else prefix)

    return tuple(walk(parsed(path), ""))


def test_a_function_fits_a_screen() -> None:
    too_long = []
    for path in MODULES:
        for name, lines in functions(path):
            allowed, _ = LONG_FUNCTIONS.get(f"{relative(path)}::{name}", (FUNCTION_LINES_MAX, ""))
            if lines > allowed:
                too_long.append(f"{relative(path)}: {name} has {lines} lines, {allowed} are allowed")

    assert not too_long, (
        f"{'; '.join(too_long)} (docstring not counted): give its steps names of their own, or enter it in "
        "LONG_FUNCTIONS with the reason why it stays whole"
    )


def folder_files() -> dict[str, int]:
    counts: dict[str, int] = {}
    for path in FILES:
        if PACKAGE in path.parents and path.suffix in {".py", ".lua", ".sql"} and path.name != "__init__.py":
            folder = relative(path.parent)
            counts[folder] = counts.get(folder, 0) + 1
    return {folder: count for folder, count in counts.items() if not f"{folder}/".startswith(GENERATED)}


@pytest.mark.parametrize(("folder", "count"), sorted(folder_files().items()))
def test_a_folder_is_seen_at_a_glance(folder: str, count: int) -> None:
    allowed, _ = FULL_FOLDERS.get(folder, (FOLDER_FILES_MAX, ""))

    assert count <= allowed, (
        f"{folder} has {count} files, {allowed} are allowed: find the folder in it that has a name of its own, or enter it in "
        "FULL_FOLDERS with the reason why they stay together"
    )


def test_the_ratchets_name_what_exists() -> None:
    """An entry outlives its reason easily: it goes with the file, the function or the folder that it excuses."""
    functions_now = {f"{relative(path)}::{name}" for path in MODULES for name, _ in functions(path)}

    gone = (
        [name for name in LONG_MODULES if not (ROOT / name).is_file()]
        + [name for name in LONG_FUNCTIONS if name not in functions_now]
        + [name for name in FULL_FOLDERS if not (ROOT / name).is_dir()]
    )

    assert not gone, f"delete these entries from the tables of this file, nothing bears the name any more: {gone}"
    assert all(why for table in (LONG_MODULES, LONG_FUNCTIONS, FULL_FOLDERS) for _, why in table.values())


TEST_FOLDERS = sorted({path.relative_to(ROOT / "tests").parts[0] for path in FILES if (ROOT / "tests") in path.parents})


@pytest.mark.parametrize("folder", [name for name in TEST_FOLDERS if (ROOT / "tests" / name).is_dir()])
def test_a_test_folder_says_what_belongs_there_what_it_needs_and_how_long_it_takes(folder: str) -> None:
    readme = ROOT / "tests" / folder / "README.md"
    advice = f"tests/{folder}/README.md: '# {folder}', then what belongs there, 'Needs: ...', 'Takes: ...'"

    assert readme.is_file(), f"write {advice}"
    text = readme.read_text(encoding="utf-8")

    assert text.startswith(f"# {folder}\n"), advice
    assert re.search(r"^Needs: ", text, re.MULTILINE), advice
    assert re.search(r"^Takes: ", text, re.MULTILINE), advice


def test_no_text_names_a_path_or_registry_of_one_machine() -> None:
    found = {}
    for path in FILES:
        text = path.read_text(encoding="utf-8", errors="replace")
        if named := MACHINE_PATH.findall(text) + REGISTRY_HOST.findall(text):
            found[relative(path)] = named

    assert not found, f"{found}: say it without, a clone elsewhere has neither this path nor this registry"


def test_ci_runs_nothing_but_targets_of_the_makefile() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd ", "export "))]

    assert commands
    assert all(line.startswith("make ") for line in commands), (
        f"move it into a target of the Makefile and call that: {commands}"
    )
