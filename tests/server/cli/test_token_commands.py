import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.access.principal import ALL_BUT_ADMIN, Scope
from server.access.tokens import TokenStore
from server.cli.commands import app
from server.refusals import TokenInvalid

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `lodsmith token ...` on a data folder; return exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, ["token", *arguments, "--data-dir", str(tmp_path)])
        return result.exit_code, result.stdout, result.stderr

    return run


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    """The server's view of the folder."""
    return TokenStore(tmp_path / "access.sqlite3", clock=lambda: time.time_ns() // 1000)


def test_add_prints_the_token_alone(run: Run, store: TokenStore) -> None:
    code, out, err = run("add", "alice", "--project", "game", "--scope", "jobs:read")
    assert code == 0
    principal = store.verify(out.strip())
    assert (principal.name, principal.project) == ("alice", "game")
    assert principal.scopes == {Scope.JOBS_READ}
    assert out.strip() not in err
    assert "not shown again" in err


def test_add_as_json(run: Run, store: TokenStore) -> None:
    code, out, err = run("add", "alice", "--project", "game", "--expires", "12h", "--json")
    document = json.loads(out)
    assert code == 0
    assert store.verify(document["token"]).scopes == ALL_BUT_ADMIN
    assert document["token"] not in err
    assert document["id"] in document["token"]


@pytest.mark.parametrize(
    ("text", "hours"), [("12h", 12), ("90d", 90 * 24), ("1.5 h", 1.5), (None, 90 * 24)]
)
def test_it_expires(text: str | None, hours: float, run: Run, store: TokenStore) -> None:
    run("add", "alice", "--project", "game", *(("--expires", text) if text else ()))
    (token,) = store.tokens()
    assert token.expire_us is not None
    lasts_h = (token.expire_us - token.create_us) / 3600e6
    assert lasts_h == pytest.approx(hours, abs=1e-3)  # the clock runs between the two


def test_it_may_never_expire(run: Run, store: TokenStore) -> None:
    run("add", "alice", "--project", "game", "--expires", "never")
    (token,) = store.tokens()
    assert token.expire_us is None


@pytest.mark.parametrize("text", ["", "-1d", "0d", "36501d", "1e999d", "52w", "soon"])
def test_other_times_are_refused(text: str, run: Run, store: TokenStore) -> None:
    code, out, err = run("add", "alice", "--project", "game", "--expires", text)
    assert (code, out) == (2, "")
    assert "--expires must be a time" in err
    assert store.tokens() == []


def test_list_shows_no_secrets(run: Run) -> None:
    texts = [run("add", name, "--project", "game")[1].strip() for name in ("alice", "bob")]
    ids = [text.split("_")[1] for text in texts]
    run("revoke", ids[0])
    code, out, _ = run("list")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        [ids[0], "revoked"],
        [ids[1], "active"],
    ]
    documents = json.loads(run("list", "--json")[1])
    assert [one["name"] for one in documents] == ["alice", "bob"]
    for text in texts:
        assert text.split("_")[2] not in out + json.dumps(documents)


def test_revoke_takes_effect_at_once(run: Run, store: TokenStore) -> None:
    text = run("add", "alice", "--project", "game")[1].strip()
    store.verify(text)
    code, out, _ = run("revoke", text.split("_")[1])
    assert code == 0
    assert "alice is revoked" in out
    with pytest.raises(TokenInvalid):
        store.verify(text)


def test_changes_are_audited(run: Run, tmp_path: Path) -> None:
    text = run("add", "alice", "--project", "game")[1].strip()
    run("list")
    run("revoke", text.split("_")[1])
    content = (tmp_path / "audit.jsonl").read_text()
    entries = [json.loads(line) for line in content.splitlines()]
    assert [(one["rpc"], one["project"], one["resource"]) for one in entries] == [
        ("AddToken", "game", f"tokens/{text.split('_')[1]}"),
        ("RevokeToken", "game", f"tokens/{text.split('_')[1]}"),
    ]
    assert text.split("_")[2] not in content


def test_a_wrong_folder_is_named(run: Run, tmp_path: Path) -> None:
    for arguments in (("list",), ("revoke", "0123456789ab")):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert f"no tokens in {tmp_path}" in err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_id_is_refused(run: Run, store: TokenStore) -> None:
    code, _, err = run("revoke", "0123456789ab")
    assert code == 2
    assert "lodsmith token list" in err


def test_a_name_that_is_none_is_refused(run: Run) -> None:
    code, out, err = run("add", "two words", "--project", "game")
    assert (code, out) == (2, "")
    assert "'two words'" in err
