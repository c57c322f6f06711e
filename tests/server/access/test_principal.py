import pytest

from server.access.principal import ALL_BUT_ADMIN, LOCAL, Principal, Scope, is_name
from server.refusals import ScopeMissing


def test_a_missing_scope_is_named() -> None:
    alice = Principal(name="alice", project="game", scopes=frozenset({Scope.JOBS_READ}))
    alice.check(Scope.JOBS_READ)
    with pytest.raises(ScopeMissing, match="jobs:write") as caught:
        alice.check(Scope.JOBS_WRITE)
    assert caught.value.metadata == {"scope": "jobs:write"}


def test_admin_implies_nothing() -> None:
    admin = Principal(name="root", project="ops", scopes=frozenset({Scope.ADMIN}))
    for scope in ALL_BUT_ADMIN:
        with pytest.raises(ScopeMissing):
            admin.check(scope)


@pytest.mark.parametrize("scope", Scope)
def test_the_local_principal_may_do_everything(scope: Scope) -> None:
    LOCAL.check(scope)


@pytest.mark.parametrize("text", ["a", "Alice", "build-7", "alice@studio.example", "x" * 64])
def test_names(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize(
    "text",
    ["", "x" * 65, "../up", "two words", "-flag", ".hidden", "a/b", "a\n", "ä", "\u202eevil"],
)
def test_no_names(text: str) -> None:
    assert not is_name(text)
