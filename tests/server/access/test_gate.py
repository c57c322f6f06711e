from collections.abc import Iterator
from pathlib import Path

import pytest

from server.access.gate import Gate
from server.access.principal import ALL_BUT_ADMIN, LOCAL, Principal, Scope
from server.access.tokens import TokenStore
from server.refusals import RateLimited, TokenInvalid

HERE = "10.0.0.7"


class Clock:
    """Seconds that pass when the test says so."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[TokenStore]:
    tokens = TokenStore(tmp_path / "access.sqlite3", clock=lambda: 1_800_000_000_000_000)
    yield tokens
    tokens.close()


@pytest.fixture
def gate(tokens: TokenStore, clock: Clock) -> Gate:
    return Gate(tokens, clock=clock)


@pytest.fixture
def text(tokens: TokenStore) -> str:
    return tokens.add(name="alice", project="game", scopes=[Scope.JOBS_READ], expire_us=None)[1]


def admit(
    gate: Gate, authorization: str | None, common_name: str | None = None, host: str = HERE
) -> Principal:
    return gate.admit(authorization, peer_common_name=common_name, peer_host=host)


def test_without_tokens_everyone_is_local(clock: Clock) -> None:
    gate = Gate(None, clock=clock)
    assert admit(gate, None) is LOCAL
    assert admit(gate, "Bearer nonsense", "alice") is LOCAL


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
def test_a_token_opens(scheme: str, gate: Gate, text: str) -> None:
    assert admit(gate, scheme + text).name == "alice"


@pytest.mark.parametrize("form", ["", "{}", "Basic {}", "Bearer", "Bearer{}", "Bearer {} {}"])
def test_other_forms_do_not(form: str, gate: Gate, text: str) -> None:
    with pytest.raises(TokenInvalid):
        admit(gate, form.format(text, text))


def test_no_token_does_not(gate: Gate) -> None:
    with pytest.raises(TokenInvalid):
        admit(gate, None)


def test_a_certificate_is_a_principal_and_a_project(gate: Gate) -> None:
    assert admit(gate, None, "build-7") == Principal(
        name="build-7", project="build-7", scopes=ALL_BUT_ADMIN
    )


@pytest.mark.parametrize("name", ["", "Alice Smith", "../up", "x" * 65])
def test_a_certificate_whose_name_is_none_does_not_open(name: str, gate: Gate) -> None:
    with pytest.raises(TokenInvalid):
        admit(gate, None, name)


def test_a_token_decides_over_a_certificate(gate: Gate, text: str) -> None:
    assert admit(gate, f"Bearer {text}", "build-7").project == "game"
    with pytest.raises(TokenInvalid):
        admit(gate, "Bearer dead", "build-7")


def fail(gate: Gate, host: str = HERE) -> type[Exception]:
    with pytest.raises((TokenInvalid, RateLimited)) as caught:
        admit(gate, "Bearer dead", host=host)
    return caught.type


def test_who_fails_too_often_is_told_to_wait(gate: Gate, clock: Clock) -> None:
    assert [fail(gate) for _ in range(10)] == [TokenInvalid] * 10
    assert [fail(gate) for _ in range(10)] == [RateLimited] * 10
    with pytest.raises(RateLimited, match="10 a minute") as caught:
        admit(gate, None)
    clock.now_s += caught.value.retry_after_s or 0
    assert fail(gate) is TokenInvalid


def test_others_are_not(gate: Gate, text: str) -> None:
    for _ in range(20):
        fail(gate)
    assert fail(gate, "10.0.0.8") is TokenInvalid
    assert admit(gate, f"Bearer {text}").name == "alice"  # from the same address


def test_one_ipv6_network_is_one_peer(gate: Gate) -> None:
    kinds = [fail(gate, f"2001:db8::{number}") for number in range(1, 12)]
    assert kinds == [TokenInvalid] * 10 + [RateLimited]
