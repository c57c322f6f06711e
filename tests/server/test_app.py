"""What only the whole server shows: that its parts are put together as its documents say."""

import json
import logging
from typing import Any

import pytest

from server.access.audit_file import FILE_NAME
from server.access.principal import ALL_BUT_ADMIN, Scope
from server.access.tokens import TokenStore
from tests.server.transport.conftest import ask_port, free_port, http_port_of


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


SECRET = "zeppelin"


@pytest.mark.parametrize("log_prompts", [False, True])
def test_prompts_are_in_the_log_only_where_that_is_wanted(
    start_server: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    log_prompts: bool,
) -> None:
    path = "/lodsmith.v1.JobService/CreateJob"
    lines = {"content-type": "application/json"}
    with (
        caplog.at_level(logging.DEBUG),
        start_server(log_prompts=log_prompts, log_level="DEBUG") as peer,
    ):
        for work in ("a", "fail", "bug"):
            peer.finished(peer.create(f"{work} {SECRET}"))
        port = http_port_of(peer)
        for spec in ({"prompt": SECRET}, {"seed": SECRET}, {SECRET: 1}, {"asset_name": [SECRET]}):
            ask_port(port, "POST", path, json.dumps({"spec": spec}).encode(), lines)
        ask_port(port, "POST", "/v1/infer", json.dumps({"prompt": SECRET}).encode())
        ask_port(port, "GET", f"/v1/infer?prompt={SECRET}")
    written = caplog.text + capfd.readouterr().err
    assert "CreateJob: INVALID_ARGUMENT: INVALID_INPUT" in written
    assert (SECRET in written.lower()) == log_prompts
