"""How does kafka-python read a record whose header has a name that is no text?

Contract: with `install` done, the record is read like any other, and such a name is a `NoText`. Brokers take any bytes for a name, and
kafka-python alone would refuse the whole batch, for ever: one record would stop every reader of a journal.
Not obvious: nothing else changes. A batch is read by kafka-python's own code; only after that has failed on a name does it read the record
once more, and the rest of the batch, from a buffer that decodes leniently (docs/adr/0003).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kafka.record import default_records, memory_records

from asynq_compat.journals.journal import headers_of
from asynq_compat.wire.bare import HEADERS_UNREADABLE, Headers


class NoText(str):
    """The name of a header, as far as it can be read."""

    __slots__ = ()


class _LenientName(bytes):
    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        del encoding, errors
        # A name ends at its first NUL (`headers_of`): what stands behind it need not be text.
        name = bytes(self).partition(b"\0")[0]  # of this very class it would be no plain bytes
        try:
            return name.decode()
        except UnicodeDecodeError:
            return NoText(name.decode(errors="replace"))


class _LenientBuffer(bytes):
    def __getitem__(self, key: Any) -> Any:
        item = super().__getitem__(key)
        return _LenientName(item) if isinstance(item, bytes) else item


class LenientBatch(default_records.DefaultRecordBatch):  # type: ignore[misc]  # kafka-python has no types
    """A batch whose headers may be called anything."""

    _buffer: bytes
    _pos: int

    def _read_msg(self, *args: Any) -> Any:
        start = self._pos
        try:
            return super()._read_msg(*args)
        except UnicodeDecodeError:
            self._buffer, self._pos = _LenientBuffer(self._buffer), start
            return super()._read_msg(*args)


def install() -> None:
    """Let kafka-python read batches this way in this process."""
    memory_records.DefaultRecordBatch = LenientBatch


def read_headers(given: Sequence[tuple[str, bytes | None]]) -> Headers:
    """Return a record's headers as an entry has them."""
    if any(isinstance(name, NoText) for name, _ in given):
        return HEADERS_UNREADABLE
    return headers_of(given)
