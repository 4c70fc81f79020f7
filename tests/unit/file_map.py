"""Which question does each file of the package answer?

`python -m tests.unit.file_map` (`make docs`) writes the file map of docs/architecture.md from the first line of every module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "architecture.md"
BEGIN, END = "<!-- file map: made by `make docs` -->\n", "<!-- end of the file map -->\n"


def questions() -> Iterator[tuple[str, str]]:
    """Yield (folder or file, question), folders before their files."""
    package = REPOSITORY / "asynq_compat"
    folders = [
        package,
        *sorted(path for path in package.rglob("*") if path.is_dir() and (path / "__init__.py").exists()),
    ]
    for folder in folders:
        if folder.name == "_pb":
            continue
        for file in sorted(folder.glob("*.py"), key=lambda path: (path.stem != "__init__", path.stem)):
            text = ast.get_docstring(ast.parse(file.read_text())) or ""
            relative = file.relative_to(package)
            name = f"{relative.parent}/" if file.stem == "__init__" else str(relative)
            yield name.replace("./", "asynq_compat/"), text.splitlines()[0]


def file_map() -> str:
    """Return the map as Markdown."""
    lines = ["| file | its question |", "|---|---|"]
    for name, question in questions():
        lines.append(f"| **`{name}`** | **{question}** |" if name.endswith("/") else f"| `{name}` | {question} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Renew the map in the page."""
    head, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(head + BEGIN + file_map() + END + tail)


if __name__ == "__main__":
    main()
