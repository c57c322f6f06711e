"""Two ways to compute the same thing, measured in turn: time, memory, and how far they differ."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

Clock = Callable[[], float]
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True, kw_only=True, eq=False)
class Call:
    """One thing that a stage does several times.

    count: how often in a published run. flop: see `flops`; the same for both sides.
    """

    name: str
    count: int
    flop: int
    ours: Callable[[], Tensor]
    plain: Callable[[], Tensor]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds of every measured call, and the most memory that one took, weights included."""

    seconds: list[float]
    peak_bytes: int

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def of_run(self, count: int) -> float:
        """Seconds of `count` calls: their sum where all were measured, else extrapolated."""
        return sum(self.seconds) if len(self.seconds) == count else count * self.median


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A call, measured on both sides.

    difference: root mean square of the results' difference, as a share of that of plain's result.
    """

    stage: str
    call: str
    count: int
    flop: int
    ours: Timing
    plain: Timing
    difference: float

    @property
    def is_extrapolated(self) -> bool:
        """Whether a published run takes more calls than were measured."""
        return len(self.ours.seconds) < self.count


@torch.no_grad()
def measure(device: torch.device, clock: Clock, stage: str, call: Call, rounds: int) -> Measurement:
    """Run ours, plain, ours, plain, ... `rounds` times each.

    On CUDA both run once before, which compiles and chooses kernels; a CPU has nothing of the kind.
    """
    results: dict[str, Tensor] = {}
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    peaks = {"ours": 0, "plain": 0}
    if device.type == "cuda":
        call.ours()
        call.plain()
    for _ in range(rounds):
        for side, run in (("ours", call.ours), ("plain", call.plain)):
            results.pop(side, None)
            gc.collect()
            _forget_peak(device)
            _wait(device)
            started = clock()
            results[side] = run()
            _wait(device)
            seconds[side].append(clock() - started)
            peaks[side] = max(peaks[side], _peak_bytes(device))
    ours, plain = results["ours"].double(), results["plain"].double()
    return Measurement(
        stage=stage,
        call=call.name,
        count=call.count,
        flop=call.flop,
        ours=Timing(seconds=seconds["ours"], peak_bytes=peaks["ours"]),
        plain=Timing(seconds=seconds["plain"], peak_bytes=peaks["plain"]),
        difference=float((ours - plain).norm() / plain.norm()),
    )


@torch.no_grad()
def matmul_ceiling(device: torch.device, clock: Clock, dtype: torch.dtype) -> float:
    """FLOP/s of the best of three matrix products, each the median of seven."""
    best = 0.0
    for rows, inner, columns in ((4096, 1024, 4096), (8192, 1024, 4096), (4096, 4096, 4096)):
        layer = nn.Linear(inner, columns, device=device, dtype=dtype)
        x = torch.randn(rows, inner, device=device, dtype=dtype)
        seconds = []
        for _ in range(8):
            _wait(device)
            started = clock()
            layer(x)
            _wait(device)
            seconds.append(clock() - started)
        best = max(best, 2 * rows * inner * columns / statistics.median(seconds[1:]))
    return best


def device_in_words(device: torch.device) -> str:
    """Name, and threads of a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((x.split(": ", 1)[1] for x in lines if x.startswith("model name")), "a CPU")
    return f"{model}, {torch.get_num_threads()} threads"


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")  # Linux: starts VmHWM again


def _peak_bytes(device: torch.device) -> int:
    """Allocated on the device; on a CPU, resident memory of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
