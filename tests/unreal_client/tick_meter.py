"""How long the plugin keeps the editor's tick."""

import statistics
import time

import unreal


class TickMeter:
    """Ticks the fake editor and measures each tick, in milliseconds.

    Attributes:
        whole: Wall time of all that the plugin does in a tick.
        own: The same without the engine's calls, which are the fake's here.
        cpu: As `own`, but processor time of the main thread: without what other processes take.
    """

    def __init__(self) -> None:
        self.whole: list[float] = []
        self.own: list[float] = []
        self.cpu: list[float] = []

    def tick(self) -> None:
        """Run one tick."""
        engine_s, engine_cpu_s = unreal.spent["engine_s"], unreal.spent["engine_cpu_s"]
        begin, cpu_s = time.perf_counter(), time.thread_time()
        for one in list(unreal.ticks):
            one(0.0)
        engine_cpu_s = unreal.spent["engine_cpu_s"] - engine_cpu_s
        self.cpu.append(1000 * (time.thread_time() - cpu_s - engine_cpu_s))
        spent_s = time.perf_counter() - begin
        self.whole.append(1000 * spent_s)
        self.own.append(1000 * (spent_s - (unreal.spent["engine_s"] - engine_s)))

    def table(self) -> str:
        """Return the distribution, a line for each way to measure."""
        if len(self.whole) < 2:
            return "too few ticks to tell"
        lines = [f"{len(self.whole)} ticks, ms      median     99 %   99.9 %  longest  over 5 ms"]
        for name, values in (
            ("whole", self.whole),
            ("without engine", self.own),
            ("and waiting", self.cpu),
        ):
            cuts = statistics.quantiles(values, n=1000, method="inclusive")
            figures = (cuts[499], cuts[989], cuts[998], max(values))
            over = sum(value > 5 for value in values)
            lines.append(f"{name:18} " + "".join(f"{one:9.3f}" for one in figures) + f"{over:11}")
        return "\n".join(lines)
