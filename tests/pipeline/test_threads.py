"""Threads share work out, and end when they are told to."""

import threading
import time
from collections.abc import Callable

import pytest

from pipeline.errors import Cancelled
from pipeline.threads import Ahead, in_threads, polled, together


def test_every_start_is_worked_on_once() -> None:
    seen: list[int] = []
    in_threads(seen.append, range(0, 100, 7), lambda: None)
    assert sorted(seen) == list(range(0, 100, 7))


def test_what_the_tick_raises_ends_the_rest() -> None:
    seen: list[int] = []

    def stop() -> None:
        if seen:
            raise Cancelled

    with pytest.raises(Cancelled):
        in_threads(lambda start: (time.sleep(0.01), seen.append(start))[1], range(1000), stop)
    assert len(seen) < 1000


def test_results_come_in_the_order_of_the_calls() -> None:
    def later(number: int) -> Callable[[Callable[[], None]], int]:
        def call(tick: Callable[[], None]) -> int:
            time.sleep(0.02 * (3 - number))
            return number

        return call

    counts: list[int] = []
    assert together([later(number) for number in range(4)], counts.append) == [0, 1, 2, 3]
    assert counts == sorted(counts)


def test_long_calls_hear_that_it_is_over() -> None:
    ended = threading.Event()

    def endless(tick: Callable[[], None]) -> None:
        try:
            while True:
                time.sleep(0.01)
                tick()
        finally:
            ended.set()

    def stop(done: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        together([endless], stop)
    assert ended.is_set()


def test_an_error_in_a_call_ends_the_others() -> None:
    def endless(tick: Callable[[], None]) -> None:
        while True:
            time.sleep(0.01)
            tick()

    def fail(tick: Callable[[], None]) -> None:
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        together([endless, fail], lambda done: None)


def test_a_long_call_is_polled_and_left_when_the_tick_raises() -> None:
    go_on = threading.Event()
    ticks: list[int] = []

    def stop() -> None:
        ticks.append(1)
        if len(ticks) == 3:
            raise Cancelled

    try:
        with pytest.raises(Cancelled):
            polled(go_on.wait, stop)
        assert not go_on.is_set()
    finally:
        go_on.set()  # or the thread would outlive the tests
    assert polled(lambda: 7, lambda: None) == 7
    with pytest.raises(TimeoutError):
        polled(_times_out, lambda: None)


def _times_out() -> None:
    raise TimeoutError


def test_a_call_runs_ahead_until_its_result_is_asked_for() -> None:
    has_run = threading.Event()

    def call(check: Callable[[], None]) -> int:
        has_run.set()
        return 7

    with Ahead(call) as ahead:
        assert has_run.wait(timeout=10)
        assert ahead.result(lambda: None) == 7


def test_a_call_that_is_not_to_start_runs_when_its_result_is_asked_for() -> None:
    calls: list[int] = []

    def call(check: Callable[[], None]) -> None:
        calls.append(1)

    with Ahead(call, starts_now=False):
        pass
    assert not calls
    with Ahead(call, starts_now=False) as ahead:
        ahead.result(lambda: None)
    assert calls == [1]


def test_a_call_that_runs_ahead_ends_with_its_block() -> None:
    has_begun, has_ended = threading.Event(), threading.Event()

    def endless(check: Callable[[], None]) -> None:
        has_begun.set()
        try:
            while True:
                time.sleep(0.01)
                check()
        finally:
            has_ended.set()

    with Ahead(endless):
        assert has_begun.wait(timeout=10)
    assert has_ended.is_set()


def test_what_a_call_raises_comes_with_its_result() -> None:
    def fail(check: Callable[[], None]) -> None:
        raise ValueError("seven")

    with Ahead(fail) as ahead, pytest.raises(ValueError, match="seven"):
        ahead.result(lambda: None)


def test_waiting_for_a_call_can_be_stopped() -> None:
    def endless(check: Callable[[], None]) -> None:
        while True:
            time.sleep(0.01)
            check()

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled), Ahead(endless) as ahead:
        ahead.result(stop)
