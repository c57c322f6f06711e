"""What only the whole server shows: that its parts are put together as its documents say."""

import json
from typing import Any

from server.access.audit_file import FILE_NAME
from server.access.principal import ALL_BUT_ADMIN, Scope
from server.access.tokens import TokenStore
from tests.server.transport.conftest import ask_port, free_port


def test_calls_are_audited_in_the_file_that_tokens_are(start_server: Any) -> None:
    with start_server() as peer:
        job = peer.create("quick")
        folder = peer.config.data_dir
    lines = (folder / FILE_NAME).read_text().splitlines()
    assert [json.loads(line)["resource"] for line in lines] == [job.name]


def test_figures_are_for_admins_where_a_token_is_asked_for(start_server: Any) -> None:
    port = free_port()  # who may not call is not told it
    with start_server(auth="token", http_port=port, warm_generator=False) as peer:
        tokens = TokenStore(peer.config.data_dir / "access.sqlite3", clock=lambda: 1)
        statuses = []
        for scopes in (None, ALL_BUT_ADMIN, {Scope.ADMIN}):
            lines = {}
            if scopes is not None:
                _, text = tokens.add(name="p", project="p", scopes=scopes, expire_us=None)
                lines = {"authorization": f"Bearer {text}"}
            statuses.append(ask_port(port, "GET", "/metrics", None, lines).status)
        tokens.close()
        assert ask_port(port, "GET", "/v1/health/live").status == 200
    assert statuses == [401, 403, 200]
