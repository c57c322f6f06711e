"""Work for the editor's main thread, from worker threads, in small portions."""

import threading
import time
from collections import deque
from collections.abc import Generator
from typing import Any, Callable, TypeVar

from lodsmith.rpc import Stop, Stopped

T = TypeVar("T")
BUDGET_S = 0.003  # per tick; a step that has begun is not cut


class MainThread:
    """A queue that the editor's tick drains."""

    def __init__(self) -> None:
        self._work: deque[Callable[[], None]] = deque()

    def post(self, act: Callable[[], None]) -> None:
        """Have something done soon. From any thread; returns at once."""
        self._work.append(act)

    def run(self, act: Callable[[], T], stop: Stop) -> T:
        """Have something done, and wait for it. From a worker thread.

        Raises:
            Stopped: If `stop` was set before it began; it is not done then.
            Exception: What `act` raised.
        """

        def steps() -> Generator[None, None, T]:
            return act()
            yield  # makes it a generator

        return self.run_steps(steps(), stop)

    def run_steps(
        self,
        steps: "Generator[Any, None, T]",
        stop: Stop,
        on_step: Callable[[Any], None] = lambda step: None,
    ) -> T:
        """Have a generator run, a step at a time, and return what it returns.

        It is closed, on the main thread, when `stop` is set between two of its steps. There
        `on_step` hears what it yields, too.

        Raises: As `run`.
        """
        done = threading.Event()
        outcome: dict[str, Any] = {}

        def step() -> None:
            try:
                if stop.is_set:
                    steps.close()
                    raise Stopped
                on_step(next(steps))
            except StopIteration as end:
                outcome["result"] = end.value
                done.set()
            except BaseException as error:
                steps.close()  # where the worker dropped it, it would end on that thread
                outcome["error"] = error
                done.set()
            else:
                self._work.append(step)  # behind what came meanwhile

        self._work.append(step)
        done.wait()
        if "error" in outcome:
            raise outcome["error"]
        result: T = outcome["result"]
        return result

    def drain(self, budget_s: float = BUDGET_S) -> None:
        """Do what waits until time is up: at least one thing. On the main thread."""
        end_s = time.perf_counter() + budget_s
        while self._work:
            self._work.popleft()()
            if time.perf_counter() > end_s:
                return
