"""The model that ships, from a prompt to the dense mesh, per kernel for sparse convolutions."""

import importlib.util
import statistics
import tempfile
from itertools import pairwise

import torch

from benchmarks.side_by_side import Clock
from pipeline.load import load_models
from pipeline.model import generate
from pipeline.model.condition.options import ConditionOptions
from pipeline.model.kernel_options import KernelOptions, SparseConvolutionName
from pipeline.model.load_options import LoadOptions
from pipeline.model.models import Models
from pipeline.model.sampler import SamplerOptions
from pipeline.types import Silent

PROMPT = "a red mushroom with white dots"
ROUNDS = 3


def stage_seconds(device: str, clock: Clock) -> dict[str, dict[str, list[float]]]:
    """Seconds of every round, by kernel and stage; the kernels take turns."""
    kernels: list[SparseConvolutionName] = ["torch"]
    if importlib.util.find_spec("spconv") is not None:
        kernels.append("spconv")
    with tempfile.TemporaryDirectory() as home:  # the starter is in the package; no records
        loaded = {name: _starter(home, device, name) for name in kernels}
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in kernels}
    for _ in range(ROUNDS):
        for name in kernels:
            for stage, value in _run(loaded[name], clock).items():
                seconds[name].setdefault(stage, []).append(value)
    return seconds


def table(seconds: dict[str, dict[str, list[float]]]) -> list[tuple[str, ...]]:
    """Head and rows: medians per stage, a column per kernel."""
    names = list(seconds)
    rows = [("starter, seconds", *(f"sparse convolution: {name}" for name in names))]
    medians = {n: {s: statistics.median(v) for s, v in seconds[n].items()} for n in names}
    rows += [(s, *(f"{medians[n][s]:.3f}" for n in names)) for s in medians[names[0]]]
    return [*rows, ("all", *(f"{sum(medians[n].values()):.3f}" for n in names))]


def _starter(home: str, device: str, name: SparseConvolutionName) -> Models:
    kernels = KernelOptions(sparse_convolution=name)
    options = LoadOptions(models=("starter",), home=home, device=device, kernels=kernels)
    return load_models(options).models[0]


def _run(models: Models, clock: Clock) -> dict[str, float]:
    """Seconds per stage of one run in full, seed 1."""
    rngs, silent, options = [torch.Generator().manual_seed(1)], Silent(), SamplerOptions()
    times = [clock()]

    def lap() -> None:
        if models.device.startswith("cuda"):
            torch.cuda.synchronize(models.device)
        times.append(clock())

    condition = generate.condition_on_text(models, PROMPT, ConditionOptions(), silent)
    lap()
    voxels = generate.sample_sparse_structure(
        models, condition, options, "stochastic", rngs, silent
    )
    lap()
    slats = generate.sample_slat(models, condition, voxels, options, "stochastic", rngs, silent)
    lap()
    generate.decode_mesh(models, slats[0], silent)
    lap()
    names = ("condition", "sparse structure", "SLAT", f"decode, {len(voxels[0]):,} voxels")
    return {name: end - start for name, (start, end) in zip(names, pairwise(times), strict=True)}
