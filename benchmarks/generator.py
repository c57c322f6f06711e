"""The generator's speed: image-large with random weights beside a plain TRELLIS, or the starter.

    python -m benchmarks.generator [--device cuda] [--precision bfloat16] [--evaluations 2]
    python -m benchmarks.generator --starter

Plain runs in float16 on CUDA and in float32 on the CPU. Ceiling is what matrix products of the same
type reach in the same run. A published run takes a call many times; where `--evaluations` is below
that, a stage's time is the median of its calls times their number, and marked as extrapolated.
On a CPU that others use too, `--clock cpu` with OMP_NUM_THREADS=1 counts what the process itself
spends; it hears nothing of a GPU.

With `--starter`: the model that ships, from the prompt to the dense mesh, in full, once for each
installed kernel for sparse convolutions.
"""

import argparse
import dataclasses
import gc
import json
import platform
from pathlib import Path
from typing import get_args

import torch

from benchmarks import starter
from benchmarks.image_large import ACTIVE_VOXELS, STAGES, STEPS, Setting
from benchmarks.side_by_side import CLOCKS, Measurement, device_in_words, matmul_ceiling, measure
from pipeline.model.kernel_options import (
    AttentionName,
    KernelOptions,
    PrecisionName,
    SparseConvolutionName,
)
from pipeline.model.kernels import choose

_CALL_HEADS = (
    "stage", "call", "in a run", "measured", "ours, s", "plain, s", "plain / ours", "TFLOP",
    "ours, TFLOP/s", "of ceiling", "ours, peak GiB", "plain, peak GiB", "results differ by",
)  # fmt: skip
_STAGE_HEADS = ("a published run", "ours, s", "plain, s", "plain / ours", "of ceiling", "")


def image_large(
    setting: Setting, clock: str, stages: list[str], evaluations: int
) -> dict[str, object]:
    """Measure, print tables, and return what goes into the JSON file."""
    device, precision = setting.device, setting.kernels.precision
    facts: dict[str, object] = {
        "device": device_in_words(device),
        "platform": platform.platform(),
        "torch": str(torch.__version__),
        "ours": setting.kernels.describe(),
        "plain_precision": str(setting.plain_dtype).removeprefix("torch."),
        "weights": "random",
        "clock": clock,
    }
    ceiling = matmul_ceiling(device, CLOCKS[clock], precision)
    facts["ceiling_flop_per_s"] = ceiling
    facts["plain_ceiling_flop_per_s"] = matmul_ceiling(device, CLOCKS[clock], setting.plain_dtype)
    for name, value in facts.items():
        print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    _print_row(_CALL_HEADS, is_head=True)
    measured: list[Measurement] = []
    for stage in stages:
        for call in STAGES[stage](setting):
            rounds = min(evaluations, max(call.count, 3))
            m = measure(device, CLOCKS[clock], stage, call, rounds)
            measured.append(m)
            _print_row(_call_row(m, ceiling))
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    _print_row(_STAGE_HEADS, is_head=True)
    for name in stages:
        _print_row(_stage_row(name, [m for m in measured if m.stage == name], ceiling))
    _print_row(_stage_row("all of these", measured, ceiling))
    return facts | {"measurements": [dataclasses.asdict(m) for m in measured]}


def _call_row(m: Measurement, ceiling: float) -> tuple[str, ...]:
    ours, other = m.ours.median, m.plain.median
    return (
        m.stage, m.call, f"{m.count}", f"{len(m.ours.seconds)}", f"{ours:.4g}", f"{other:.4g}",
        f"{other / ours:.2f}", f"{m.flop / 1e12:.3g}", f"{m.flop / ours / 1e12:.3g}",
        f"{m.flop / ours / ceiling:.0%}", f"{m.ours.peak_bytes / 2**30:.1f}",
        f"{m.plain.peak_bytes / 2**30:.1f}", f"{m.difference:.1e}",
    )  # fmt: skip


def _stage_row(name: str, part: list[Measurement], ceiling: float) -> tuple[str, ...]:
    ours = sum(m.ours.of_run(m.count) for m in part)
    other = sum(m.plain.of_run(m.count) for m in part)
    share = sum(m.count * m.flop for m in part) / ours / ceiling
    how = "extrapolated" if any(m.is_extrapolated for m in part) else "in full"
    return name, f"{ours:.4g}", f"{other:.4g}", f"{other / ours:.2f}", f"{share:.0%}", how


def _print_row(cells: tuple[str, ...], *, is_head: bool = False) -> None:
    if is_head:
        print()
    print(f"| {' | '.join(cells)} |", flush=True)
    if is_head:
        print(f"|{'---|' * len(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description="The generator's speed, stage by stage.")
    parser.add_argument("--starter", action="store_true", help="the model that ships, in full")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--attention", choices=get_args(AttentionName), default="auto")
    parser.add_argument(
        "--sparse-convolution", choices=get_args(SparseConvolutionName), default="auto"
    )
    parser.add_argument("--precision", choices=get_args(PrecisionName), default="auto")
    parser.add_argument("--evaluations", type=int, help="of each call; all on CUDA, else 1")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--voxels", type=int, default=ACTIVE_VOXELS)
    parser.add_argument("--json", type=Path, help="where to write every measured number")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if args.clock == "cpu" and args.device != "cpu":
        parser.error("--clock cpu is for the CPU")
    if args.starter:
        seconds = starter.stage_seconds(args.device, CLOCKS[args.clock])
        for i, row in enumerate(starter.table(seconds)):
            _print_row(row, is_head=i == 0)
        if args.json:
            args.json.write_text(json.dumps(seconds, indent=2))
        return
    device = torch.device(args.device)
    options = KernelOptions(
        attention=args.attention,
        sparse_convolution=args.sparse_convolution,
        precision=args.precision,
    )
    setting = Setting(
        device=device,
        kernels=choose(options, args.device),
        plain_dtype=torch.float16 if device.type == "cuda" else torch.float32,
        voxel_count=args.voxels,
        seed=args.seed,
    )
    evaluations = args.evaluations or (STEPS if device.type == "cuda" else 1)
    result = image_large(setting, args.clock, args.stages, evaluations)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
