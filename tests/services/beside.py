"""How does a program run beside a service that lives only as long as it?

`python -m tests.services.beside redis|kafka -- COMMAND ...` starts the service on a free port, sets ASYNQ_COMPAT_BROKER to it, runs the
command, and stops the service however the command ended. `{go:NAME}` in the command stands for the built Go program NAME.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence

from tests.services import golang
from tests.services.installing import ServiceMissingError, say
from tests.services.kafka import KafkaCluster
from tests.services.redis import RedisServer


def main(arguments: Sequence[str]) -> int:
    """Run it; return the command's exit status."""
    service, _, *command = arguments
    command = [re.sub(r"\{go:(\w+)\}", lambda found: str(golang.build(found[1])), part) for part in command]
    process: RedisServer | KafkaCluster = RedisServer() if service == "redis" else KafkaCluster()
    broker = f"redis://{process.addr}" if service == "redis" else f"redpanda://{process.addr}"
    say(f"{service} runs at {process.addr} until this ends")
    try:
        child = subprocess.Popen(command, env={**os.environ, "ASYNQ_COMPAT_BROKER": broker})
        # Ctrl-C reaches the command too, which decides what it means.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return child.wait()
    finally:
        process.stop()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ServiceMissingError as error:
        sys.exit(str(error))
