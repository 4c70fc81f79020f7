"""How does a table look in Markdown?

Contract: pure.
"""

from __future__ import annotations


def row(*cells: object) -> str:
    """Return one line of a table."""
    return f"|{'|'.join(f' {cell} ' if f'{cell}' else ' ' for cell in cells)}|"


def head(*columns: object) -> list[str]:
    """Return the two lines above a table's rows; the first column may have no name."""
    return [row(*columns), f"|{'---|' * len(columns)}"]
