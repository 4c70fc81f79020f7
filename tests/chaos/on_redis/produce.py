"""What does a producer on Redis do that may be killed at any moment?

Run as `python -m tests.chaos.on_redis.produce URL LEDGER`: what tests/chaos/produce.py does, 250 times a second, as Go's producer beside it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.chaos.produce import main

TASKS_PER_TICK = 25

if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), TASKS_PER_TICK))
