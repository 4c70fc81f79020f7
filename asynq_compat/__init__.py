"""hibiken/asynq v0.26.0 in Python: `import asynq_compat as asynq`."""

from __future__ import annotations

__version__ = "0.1.0"
