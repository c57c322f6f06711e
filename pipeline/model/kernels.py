"""Which kernels a model's two seams use, and in which precision.

Foreign kernels are tried before they are trusted: each runs on a small case, must agree with plain
PyTorch, and in "auto" must be faster. Why each one was taken or left is kept for people to read.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from pipeline.errors import InvalidInput
from pipeline.model.attention import (
    Attention,
    Segments,
    attend,
    flash_attention,
    flash_kernel,
    xformers_attention,
)
from pipeline.model.blocks import CrossAttention, SelfAttention
from pipeline.model.convolution import (
    Neighborhood,
    SparseConvolution,
    SubmanifoldConv3,
    gather_matmul,
    spconv_convolution,
)
from pipeline.model.kernel_options import KernelOptions

K = TypeVar("K")

# The worst row's error against float32, as a share of the mean row: about ten roundings.
TOLERANCES = {torch.float16: 1e-2, torch.bfloat16: 8e-2, torch.float32: 1e-4}


@dataclass(frozen=True, kw_only=True, eq=False)
class Choice(Generic[K]):
    """A kernel and the reason it was chosen."""

    name: str
    version: str
    why: str
    kernel: K

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.why})"


@dataclass(frozen=True, kw_only=True, eq=False)
class Kernels:
    """What `equip` puts into a model.

    precision: of the torso, for models whose checkpoint allows half precision.
    """

    attention: Choice[Attention]
    sparse_convolution: Choice[SparseConvolution]
    precision: torch.dtype

    def in_short(self) -> str:
        """What of it changes the last digits of a result."""
        parts = (self.attention, self.sparse_convolution)
        names = ", ".join(f"{choice.name} {choice.version}" for choice in parts)
        return f"{str(self.precision).removeprefix('torch.')}, {names}"

    def describe(self) -> dict[str, str]:
        """A line for each seam and the precision, for people to read."""
        return {
            "attention": str(self.attention),
            "sparse_convolution": str(self.sparse_convolution),
            "precision": str(self.precision).removeprefix("torch."),
        }


def equip(model: nn.Module, kernels: Kernels) -> None:
    """Let the attention and sparse convolution layers of `model` use these kernels."""
    for module in model.modules():
        if isinstance(module, SelfAttention | CrossAttention):
            module.attend = kernels.attention.kernel
        elif isinstance(module, SubmanifoldConv3):
            module.convolve = kernels.sparse_convolution.kernel


def choose(requested: KernelOptions, device: str) -> Kernels:
    """Take the kernels asked for, or measure what is installed and take the fastest.

    Costs nothing on a CPU, where "auto" is plain PyTorch, and some milliseconds on CUDA.

    Args:
        requested: What the user wants.
        device: Where the model will run, as PyTorch names it.

    Raises:
        InvalidInput: If a kernel was asked for by name and is missing, fails or disagrees.
    """
    on = torch.device(device)
    precision = _precision(requested, on)
    torch_version = str(torch.__version__)
    return Kernels(
        attention=_choose(
            "attention",
            requested.attention,
            Choice(name="sdpa", version=torch_version, why="", kernel=attend),
            [
                _Candidate(
                    name="flash",
                    module="flash_attn",
                    make=lambda: flash_attention(flash_kernel()),
                    precisions=(torch.float16, torch.bfloat16),
                    runs_on_cpu=False,
                ),
                _Candidate(
                    name="xformers",
                    module="xformers",
                    make=xformers_attention,
                    precisions=(torch.float16, torch.bfloat16, torch.float32),
                    runs_on_cpu=False,
                ),
            ],
            _attention_case,
            on,
            precision,
        ),
        sparse_convolution=_choose(
            "sparse_convolution",
            requested.sparse_convolution,
            Choice(name="torch", version=torch_version, why="", kernel=gather_matmul),
            [
                _Candidate(
                    name="spconv",
                    module="spconv",
                    make=spconv_convolution,
                    precisions=(torch.float16, torch.float32),
                    runs_on_cpu=True,
                )
            ],
            _convolution_case,
            on,
            precision,
        ),
        precision=precision,
    )


def _precision(requested: KernelOptions, device: torch.device) -> torch.dtype:
    name = requested.precision
    if name == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    return {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}[name]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidate(Generic[K]):
    """A foreign kernel; `make` imports its package. precisions: those it takes."""

    name: str
    module: str
    make: Callable[[], K]
    precisions: tuple[torch.dtype, ...]
    runs_on_cpu: bool

    def version(self) -> str:
        """Of the imported package, or of PyTorch where it brings the kernel along."""
        return str(getattr(sys.modules.get(self.module), "__version__", torch.__version__))


# A computation that kernels can be tried on: device, precision -> (kernel -> result).
_Case = Callable[[torch.device, torch.dtype], Callable[[K], Tensor]]


def _choose(
    seam: str,
    requested: str,
    plain: Choice[K],
    candidates: Sequence[_Candidate[K]],
    case: _Case[K],
    device: torch.device,
    precision: torch.dtype,
) -> Choice[K]:
    if requested == plain.name:
        return replace(plain, why="asked for")
    if requested == "auto" and device.type != "cuda":
        return replace(plain, why=f"the default on {device.type}")
    if requested != "auto":
        candidate = next(c for c in candidates if c.name == requested)
        tried = _try(candidate, plain, case, device, precision)
        if isinstance(tried, str):
            raise InvalidInput(f"{seam} {requested} cannot be used: it {tried}; take auto")
        return replace(tried, why="asked for")

    run = case(device, precision)
    best, best_seconds, left = plain, _seconds(run, plain.kernel, device), []
    for candidate in candidates:
        tried = _try(candidate, plain, case, device, precision)
        if isinstance(tried, str):
            left.append(f"{candidate.name} {tried}")
            continue
        seconds = _seconds(run, tried.kernel, device)
        if seconds < best_seconds:
            best, best_seconds, tried, seconds = tried, seconds, best, best_seconds
        left.append(f"{tried.name} took {1000 * seconds:.2f} ms")
    return replace(best, why=f"{1000 * best_seconds:.2f} ms; {'; '.join(left)}")


def _try(
    candidate: _Candidate[K],
    plain: Choice[K],
    case: _Case[K],
    device: torch.device,
    precision: torch.dtype,
) -> Choice[K] | str:
    """The kernel if it agrees with `plain` in float32, else why it cannot be used."""
    if device.type != "cuda" and not (candidate.runs_on_cpu and device.type == "cpu"):
        return f"does not run on {device.type}"
    if precision not in candidate.precisions:
        return f"does not take {str(precision).removeprefix('torch.')}"
    try:
        kernel = candidate.make()
        found = case(device, precision)(kernel).float()
    except ImportError as e:
        return f"is not installed ({e})"
    except Exception as e:  # foreign kernels fail in many ways on hardware they do not know
        return f"failed ({e})"
    exact = case(device, torch.float32)(plain.kernel)
    error = float((found - exact).norm(dim=-1).max() / exact.norm(dim=-1).mean())
    # Written so that a result that is not a number does not pass.
    if not error <= TOLERANCES[precision]:
        return f"disagrees with PyTorch by {error:.2g}"
    return Choice(name=candidate.name, version=candidate.version(), why="", kernel=kernel)


def _seconds(run: Callable[[K], Tensor], kernel: K, device: torch.device) -> float:
    """The best of three, after one to warm up."""
    best = float("inf")
    for i in range(4):
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        run(kernel)
        torch.cuda.synchronize(device)
        if i > 0:
            best = min(best, time.perf_counter() - start)
    return best


def _attention_case(device: torch.device, precision: torch.dtype) -> Callable[[Attention], Tensor]:
    """Windows of a decoder and samples of a flow, some queries against a condition."""
    rng = torch.Generator().manual_seed(0)
    populations = torch.randint(1, 96, (48,), generator=rng)
    windows, samples = Segments(populations.tolist()), Segments([1000, 1100])
    rows = max(sum(windows), sum(samples))
    q, k, v = (
        torch.randn(rows, 8, 64, generator=rng).to(device=device, dtype=precision) for _ in range(3)
    )

    def run(kernel: Attention) -> Tensor:
        def part(queries: Segments, keys: Sequence[int]) -> Tensor:
            m, n = sum(queries), sum(keys)
            return kernel(q[:m], k[:n], v[:n], queries, keys).flatten(1)

        return torch.cat(
            [part(windows, windows), part(samples, samples), part(samples, [257, 257])]
        )

    return run


def _convolution_case(
    device: torch.device, precision: torch.dtype
) -> Callable[[SparseConvolution], Tensor]:
    """A layer of the SLAT flow on two shells; finding the neighbours counts too."""
    rng = torch.Generator().manual_seed(0)
    # On a CPU it is only checked, and spconv's float16 there is slow.
    side, channels = (32, 128) if device.type == "cuda" else (12, 32)
    center = torch.arange(side) - (side - 1) / 2
    radius = torch.stack(torch.meshgrid(center, center, center, indexing="ij")).norm(dim=0)
    shells = torch.stack([(radius - 0.4 * side).abs() < 0.8, (radius - 0.3 * side).abs() < 0.8])
    coords = torch.argwhere(shells).to(device)
    x = torch.randn(len(coords), channels, generator=rng).to(device=device, dtype=precision)
    weight = torch.randn(channels, 3, 3, 3, channels, generator=rng) / (27 * channels) ** 0.5
    bias = torch.randn(channels, generator=rng)
    weight, bias = (t.to(device=device, dtype=precision) for t in (weight, bias))

    def run(kernel: SparseConvolution) -> Tensor:
        return kernel(x, weight, bias, Neighborhood(coords, side, 2))

    return run
