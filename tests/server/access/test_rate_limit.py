import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.access.rate_limit import RateLimit
from server.refusals import RateLimited


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self, now_s: float = 1e6) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def limit(clock: Clock, rate_per_s: float = 2, burst: int = 4, max_keys: int = 100) -> RateLimit:
    return RateLimit(
        rate_per_s=rate_per_s,
        burst=burst,
        clock=clock,
        of="calls of one project",
        max_keys=max_keys,
    )


def taken(limit: RateLimit, key: str, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            limit.take(key)
        except RateLimited:
            continue
        count += 1
    return count


def test_a_burst_then_the_rate() -> None:
    clock = Clock()
    calls = limit(clock)
    assert taken(calls, "game", 10) == 4
    clock.now_s += 1
    assert taken(calls, "game", 10) == 2
    clock.now_s += 60
    assert taken(calls, "game", 10) == 4


def test_who_waits_as_told_gets_through() -> None:
    clock = Clock()
    calls = limit(clock)
    taken(calls, "game", 4)
    with pytest.raises(RateLimited, match="calls of one project: 2 a second") as caught:
        calls.take("game")
    assert caught.value.retry_after_s == pytest.approx(0.5)
    clock.now_s += caught.value.retry_after_s or 0
    calls.take("game")


def test_others_have_their_own() -> None:
    calls = limit(Clock())
    assert taken(calls, "game", 9) == 4
    assert taken(calls, "film", 9) == 4


def test_zero_is_no_limit() -> None:
    calls = limit(Clock(), rate_per_s=0)
    assert taken(calls, "game", 10_000) == 10_000
    assert len(calls) == 0


def test_full_buckets_are_dropped() -> None:
    clock = Clock()
    calls = limit(clock)
    for number in range(50):
        calls.take(f"project {number}")
    assert len(calls) == 50
    clock.now_s += 1
    calls.take("game")
    assert len(calls) == 1


def test_memory_is_bounded() -> None:
    calls = limit(Clock(), max_keys=100)
    for number in range(1000):
        taken(calls, f"address {number}", 5)
    assert len(calls) == 100
    assert taken(calls, "address 999", 1) == 0  # the latest are remembered


@given(
    waits_s=st.lists(st.floats(0, 3), max_size=60),
    rate_per_s=st.floats(0.1, 50),
    burst=st.integers(1, 20),
)
def test_it_is_a_token_bucket(waits_s: list[float], rate_per_s: float, burst: int) -> None:
    clock = Clock(0.0)
    calls = limit(clock, rate_per_s, burst)
    level = float(burst)  # the plain twin: a level that rises and falls
    for wait_s in waits_s:
        clock.now_s += wait_s
        level = min(burst, level + wait_s * rate_per_s)
        if abs(level - 1) < 1e-4:  # too close for floats to agree
            return
        assert taken(calls, "game", 1) == (level > 1)
        level -= level > 1
