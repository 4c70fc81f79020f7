"""Which lock makes a task unique?"""

from __future__ import annotations

import pytest

from asynq_compat.wire.unique import unique_key


@pytest.mark.parametrize(
    ("payload", "digest"),
    [(None, ""), (b"", "d41d8cd98f00b204e9800998ecf8427e"), (b"abc", "900150983cd24fb0d6963f7d28e17f72")],
)
def test_no_payload_and_an_empty_one_have_different_locks(payload: bytes | None, digest: str) -> None:
    assert unique_key("q", "t", payload) == f"asynq:{{q}}:unique:t:{digest}"
