"""Is a sequence of sections whole?"""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynq_compat.errors import CorruptDataError
from asynq_compat.wire import snapshot as s

BODIES: list[s.Body] = [[0, 1, "queue"], [2, [[b"w", 1]]], [6, ["a", None, True, -1]]]
SECTIONS = list(s.seal(BODIES))


def test_sections_come_back_as_they_were_written() -> None:
    assert list(s.unseal(SECTIONS)) == BODIES
    assert list(s.seal(BODIES)) == SECTIONS


def test_sections_have_these_bytes() -> None:
    """The layout is a format on disk: it does not change."""
    assert SECTIONS[0].hex() == "1a0ba7208e36d4027951caa9285d189e" + "930001a57175657565"
    assert SECTIONS[-1].hex() == "f3ad7fcce68e3cccd5ee2b20a420e571" + "921f03"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda sections: [], "breaks off after 0"),
        (lambda sections: sections[:-1], "breaks off after 3"),
        (lambda sections: sections[1:], "section 0 .* damaged"),
        (lambda sections: [sections[0], *sections[2:]], "section 1 .* damaged"),
        (lambda sections: [sections[0], *sections], "section 1 .* damaged"),
        (lambda sections: [sections[1], sections[0], *sections[2:]], "section 0 .* damaged"),
        (lambda sections: [*sections, b""], "more behind its end"),
        (lambda sections: [b"", *sections], "section 0 .* damaged"),
        (lambda sections: [s._mark(b"", b"\xc1") + b"\xc1"], "not msgpack"),
        (lambda sections: [s._mark(b"", b"\x90") + b"\x90"], "no code"),
        (lambda sections: [s._sealed(b"", [s.END, 4])[1]], "ends after 0 sections and says"),
    ],
)
def test_what_is_not_whole_is_told_by_its_reason(spoil: Callable[[list[bytes]], list[bytes]], reason: str) -> None:
    with pytest.raises(CorruptDataError, match=reason):
        list(s.unseal(spoil(SECTIONS)))


@given(st.data())
def test_no_bit_of_a_section_can_change_unseen(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(SECTIONS) - 1))
    damaged = bytearray(SECTIONS[number])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(CorruptDataError):
        list(s.unseal([*SECTIONS[:number], bytes(damaged), *SECTIONS[number + 1 :]]))


@given(st.lists(st.one_of(st.binary(max_size=40), st.lists(st.integers(), max_size=3).map(str).map(str.encode))))
def test_no_bytes_make_the_reader_raise_anything_else(blobs: list[bytes]) -> None:
    sealed, mark = [], b""
    for blob in blobs:
        mark = s._mark(mark, blob)
        sealed.append(mark + blob)

    for sections in (blobs, sealed):
        with pytest.raises(CorruptDataError):
            list(s.unseal(sections))


def test_the_seal_is_what_the_page_says() -> None:
    assert s.SEAL_BYTES == 16
    assert SECTIONS[2][16:] == msgpack.packb(BODIES[2])
