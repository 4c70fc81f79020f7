"""Is the package imported in no time, and wholly?"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

# Of `import asynq_compat` beyond `python -c pass`.
IMPORT_S_MAX = 0.2


def test_parts_are_reached_through_the_package() -> None:
    code = "import asynq_compat as asynq; asynq.aio.AsyncClient, asynq.wire, asynq.errors.AsynqError"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_only_the_command_line_needs_is_not_loaded() -> None:
    code = "import asynq_compat as a, sys; a.Client, a.Server, a.Inspector; assert not {'click', 'rich'} & sys.modules.keys()"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_only_metrics_need_is_not_loaded() -> None:
    used = "a.Client, a.Server('memory://'), a.Config(), a.Inspector, a.Semaphore"
    code = f"import asynq_compat as a, sys; {used}; assert not {{'prometheus_client', 'opentelemetry', 'http'}} & sys.modules.keys()"

    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.alone
def test_importing_the_package_is_quick() -> None:
    def best_s(code: str) -> float:
        def once() -> float:
            started_at = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            return time.perf_counter() - started_at

        return min(once() for _ in range(5))

    assert best_s("import asynq_compat") - best_s("pass") < IMPORT_S_MAX
