"""Which messages do the property tests draw?"""

from __future__ import annotations

from hypothesis import strategies as st

from asynq_compat.wire.message import TaskMessage

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
int32s = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, 25, 2**31 - 1, -1])
int64s = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, 1, 1800, 2**63 - 1, -1])
_uuids = st.uuids(version=4).map(str)


def messages(headers_max: int = 3) -> st.SearchStrategy[TaskMessage]:
    """Return messages: about half of them as clients write them, the others with any value in any field."""
    payloads = st.none() | st.binary(max_size=300)
    usual = st.builds(
        TaskMessage,
        type=st.sampled_from(["email", "image:resize"]),
        payload=payloads,
        id=_uuids,
        queue=st.sampled_from(["default", "low"]),
        retry=st.sampled_from([0, 25]),
        timeout=st.sampled_from([0, 1800]),
        retried=st.integers(0, 3),
        error_msg=st.sampled_from(["", "boom"]),
    )
    any_ = st.builds(
        TaskMessage,
        type=texts,
        payload=payloads,
        id=texts | _uuids,
        queue=texts,
        retry=int32s,
        retried=int32s,
        error_msg=texts,
        timeout=int64s,
        deadline=int64s,
        unique_key=texts,
        last_failed_at=int64s,
        retention=int64s,
        completed_at=int64s,
        group_key=texts,
        headers=st.none() | st.dictionaries(texts, texts, max_size=headers_max),
    )
    return usual | any_
