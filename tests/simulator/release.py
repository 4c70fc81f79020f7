"""Which release does a simulated process run?

Contract: this one, or the next, which knows one machine version more (tests/unit/machine/next_release.py): a table of versions, and nothing else.
"""

from __future__ import annotations

from asynq_compat.machine.versions import VERSIONS, Versions
from tests.unit.machine.next_release import NEXT_RELEASE

PRESENT: Versions = VERSIONS
NEWEST: Versions = NEXT_RELEASE
NEWEST_VERSION = max(NEWEST)
