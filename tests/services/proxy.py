"""How does a test cut the network between a client and a service, or lose the service's answers?

Contract: `Proxy` listens on a free loopback port and hands on what comes, both ways, in a thread of its own. While it is cut nothing
passes and nobody is told, as when packets are dropped; what waits passes when it is healed. While answers are lost requests still reach
the service; when it is healed, connections that have lost something end. `drop` ends every connection, `half_open` leaves each as it is and hands
on nothing more of it for good, as when a router forgets it: new ones work. While it is slow all arrives late.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine

from tests.services.ports import HOST

_CHUNK_BYTES = 65_536
_DONE_WITHIN_S = 60.0


class Proxy:
    """A way to `target_port` of this machine.

    Attributes:
        port: Where it listens, from `start` on.
        lost_bytes: Of answers, ever.
    """

    def __init__(self, target_port: int) -> None:
        self.lost_bytes = 0
        self._target_port = target_port
        self._loses = False
        self._delay_s = 0.0
        self._epoch = 0  # Connections of an earlier one are forgotten: nothing passes there any more.
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._damaged: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"proxy-to-{target_port}", daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, HOST, 0))
        assert self._server is not None
        self.port = int(self._server.sockets[0].getsockname()[1])

    def _do(self, what: Coroutine[None, None, asyncio.Server | None]) -> asyncio.Server | None:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_DONE_WITHIN_S)

    def cut(self) -> None:
        """Let nothing pass until `heal`."""
        self._do(self._set(passes=False, loses=False))

    def lose_answers(self) -> None:
        """Let requests pass and lose every answer until `heal`."""
        self._do(self._set(passes=True, loses=True))

    def heal(self) -> None:
        """Let everything pass again."""
        self._do(self._set(passes=True, loses=False))

    def slow_down(self, delay_s: float) -> None:
        """Let everything arrive so much later until `heal`, each way."""
        self._do(self._slow(delay_s))

    def drop(self) -> None:
        """End every connection."""
        self._do(self._drop())

    def half_open(self) -> None:
        """Forget every connection: neither side is told, and nothing passes there any more."""
        self._do(self._forget())

    async def _slow(self, delay_s: float) -> None:
        self._delay_s = delay_s

    async def _drop(self) -> None:
        for task in self._serving:
            task.cancel()

    async def _forget(self) -> None:
        self._epoch += 1

    async def _set(self, *, passes: bool, loses: bool) -> None:
        self._loses = loses
        self._delay_s = 0.0
        if passes:
            self._passing.set()
        else:
            self._passing.clear()
        if not loses:
            for writer in self._damaged:
                writer.transport.abort()
            self._damaged.clear()

    def close(self) -> None:
        """End every connection and the thread."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hand on one connection until either side has ended it."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        epoch = self._epoch
        ends = [writer]
        try:
            await self._passing.wait()
            there, back = await asyncio.open_connection(HOST, self._target_port)
            ends.append(back)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._hand_on(reader, back, epoch, is_answer=False))
                both.create_task(self._hand_on(there, writer, epoch, is_answer=True))
        except* (OSError, asyncio.CancelledError):
            pass  # Nobody listens there now, or a side is gone: the other one hears of it below.
        finally:
            self._serving.discard(task)
            self._damaged.discard(writer)
            for end in ends:
                end.transport.abort()

    async def _hand_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, epoch: int, *, is_answer: bool
    ) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await self._passing.wait()
            if self._delay_s:
                await asyncio.sleep(self._delay_s)
            if epoch < self._epoch:
                await asyncio.Event().wait()  # Until the proxy ends.
            if is_answer and self._loses:
                self.lost_bytes += len(data)
                self._damaged.add(writer)
            elif writer not in self._damaged:
                writer.write(data)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
        raise ConnectionResetError
