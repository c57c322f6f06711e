"""What only the whole server shows: that its parts are put together as its documents say."""

import json
from typing import Any

from server.access.audit_file import FILE_NAME


def test_calls_are_audited_in_the_file_that_tokens_are(start_server: Any) -> None:
    with start_server() as peer:
        job = peer.create("quick")
        folder = peer.config.data_dir
    lines = (folder / FILE_NAME).read_text().splitlines()
    assert [json.loads(line)["resource"] for line in lines] == [job.name]
