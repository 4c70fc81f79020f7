"""What do the tests of the Redis broker share?"""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from asynq_compat.brokers.redis.open import RedisSettings, open_redis
from asynq_compat.ports.broker import Broker
from asynq_compat.ports.producing import EnqueueRequest
from asynq_compat.wire.message import TaskMessage, encode_message


@contextmanager
def broker_at(settings: RedisSettings) -> Iterator[Broker]:
    broker = open_redis(settings)
    try:
        yield broker
    finally:
        broker.close()


def settings_of(url: str) -> RedisSettings:
    """The settings for ``redis://host:port/db``."""
    addr, _, db = url.removeprefix("redis://").partition("/")
    return RedisSettings(addr=addr, db=int(db or 0))


def request(task_id: str = "", *, queue: str = "default", has_chosen_id: bool = False) -> EnqueueRequest:
    task_id = task_id or str(uuid.uuid4())
    message = TaskMessage(type="t", id=task_id, queue=queue, retry=25, timeout=1800)
    return EnqueueRequest(queue, task_id, encode_message(message), has_chosen_id=has_chosen_id)


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a TCP server that calls `serve` for each connection in a thread; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    served: list[tuple[socket.socket, threading.Thread]] = []

    def run(connection: socket.socket) -> None:
        try:
            serve(connection)
        except OSError:
            return  # The client or the test's end closed it.

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=run, args=[connection])
            served.append((connection, thread))
            thread.start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection, thread in served:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                connection.close()
            thread.join()
            connection.close()
