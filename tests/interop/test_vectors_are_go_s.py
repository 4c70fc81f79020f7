"""Are the recorded vectors still what Go says?"""

from __future__ import annotations

import json

from tests.interop.go_oracle import Oracle
from tests.vectors import record


def test_recording_again_changes_nothing(oracle: Oracle) -> None:
    for name, lines in record.files(oracle):
        recorded = (record.FOLDER / f"{name}.jsonl").read_text().splitlines()

        assert recorded == [json.dumps(line, default=record._plain, ensure_ascii=False) for line in lines], name
