"""How often somebody may do something."""

from collections.abc import Callable

from server.refusals import RateLimited

MonotonicClock = Callable[[], float]
"""Returns seconds that never go back."""

_ROUNDING_S = 1e-6  # sums of intervals on a clock that has counted for months


class RateLimit:
    """A token bucket per key.

    A bucket holds `burst` takes and fills with `rate_per_s`. A take that is refused costs nothing,
    so that who keeps to `retry_after_s` gets through.

    Kept per key is only when its bucket is full again (the virtual scheduling of ITU-T I.371, also
    called GCRA). A full bucket is as good as none and is dropped. There are never more than
    `max_keys`: the one unused for longest goes first, which errs on the side of the caller.
    """

    def __init__(
        self,
        *,
        rate_per_s: float,
        burst: int,
        clock: MonotonicClock,
        of: str,
        max_keys: int = 10_000,
    ) -> None:
        """Make full buckets for everyone.

        Args:
            rate_per_s: Takes per second in the long run; 0: no limit.
            burst: Takes at once after a rest, at least 1.
            clock: Tells the time.
            of: What is limited, for people: "calls of one project".
            max_keys: Most keys that are remembered.
        """
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._clock = clock
        self._of = of
        self._max_keys = max_keys
        self._full_s: dict[str, float] = {}  # the key taken from last is the last one

    def __len__(self) -> int:
        """Return how many keys are remembered."""
        return len(self._full_s)

    def take(self, key: str) -> None:
        """Take one from the bucket of `key`.

        Raises:
            RateLimited: If it is empty; `retry_after_s` says when it is not any more.
        """
        if not self._rate_per_s:
            return
        now_s = self._clock()
        interval_s = 1 / self._rate_per_s
        full_s = max(now_s, self._full_s.get(key, now_s)) + interval_s
        wait_s = full_s - now_s - self._burst * interval_s
        if wait_s > _ROUNDING_S:
            raise RateLimited(
                f"too many {self._of}: {self._rate()} are allowed; repeat in {wait_s:.2g} s",
                retry_after_s=wait_s,
            )
        self._full_s.pop(key, None)
        self._full_s[key] = full_s
        self._forget(now_s)

    def _forget(self, now_s: float) -> None:
        while len(self._full_s) > 1:
            oldest = next(iter(self._full_s))
            if self._full_s[oldest] > now_s and len(self._full_s) <= self._max_keys:
                return
            del self._full_s[oldest]

    def _rate(self) -> str:
        if self._rate_per_s < 1:
            return f"{60 * self._rate_per_s:g} a minute"
        return f"{self._rate_per_s:g} a second"
