"""Which kernels are taken, and that foreign ones must earn it."""

import importlib.util
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from pipeline.errors import InvalidInput
from pipeline.model import kernels
from pipeline.model.attention import attend
from pipeline.model.blocks import CrossAttention, SelfAttention
from pipeline.model.convolution import SubmanifoldConv3, gather_matmul
from pipeline.model.kernel_options import AttentionName, KernelOptions
from pipeline.model.kernels import Choice, Kernels, choose, equip
from pipeline.model.slat import SLatFlowModel
from pipeline.model.weights import build
from tests.pipeline.model import tiny_model

CUDA = torch.device("cuda:0")
needs_spconv = pytest.mark.skipif(
    importlib.util.find_spec("spconv") is None, reason="spconv is not installed"
)
needs_gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

# A kernel under test takes a number and gives a tensor.
Kernel = Callable[[float], Tensor]


def exact(x: float) -> Tensor:
    return torch.full((3, 2), x)


def half(x: float) -> Tensor:
    """Right to eleven bits."""
    return exact(x) * (1 + 2**-11)


def wrong_in_a_row(x: float) -> Tensor:
    """As a race would have it."""
    return torch.cat([exact(x)[:2], exact(x)[:1] + 0.1])


def not_a_number(x: float) -> Tensor:
    return exact(x) * torch.nan


def failing(x: float) -> Tensor:
    raise RuntimeError("no kernel image is available")


def case(device: torch.device, precision: torch.dtype) -> Callable[[Kernel], Tensor]:
    return lambda kernel: kernel(1.0)


def candidate(kernel: Kernel, name: str = "foreign") -> kernels._Candidate[Kernel]:
    return kernels._Candidate(
        name=name,
        module="no_such_module",
        make=lambda: kernel,
        precisions=(torch.float16,),
        runs_on_cpu=False,
    )


def chosen(
    requested: str,
    candidates: Sequence[kernels._Candidate[Kernel]],
    precision: torch.dtype = torch.float16,
) -> Choice[Kernel]:
    plain: Choice[Kernel] = Choice(name="plain", version="1", why="", kernel=exact)
    return kernels._choose("seam", requested, plain, candidates, case, CUDA, precision)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> dict[Kernel, float]:
    """What each kernel takes."""
    table: dict[Kernel, float] = {exact: 2e-3}
    monkeypatch.setattr(kernels, "_seconds", lambda run, kernel, device: table[kernel])
    return table


def test_a_faster_kernel_is_taken(seconds: dict[Kernel, float]) -> None:
    seconds[half] = 1e-3
    choice = chosen("auto", [candidate(half)])
    assert choice.kernel is half
    assert choice.why == "1.00 ms; plain took 2.00 ms"


def test_a_slower_kernel_is_left(seconds: dict[Kernel, float]) -> None:
    seconds[half] = 3e-3
    choice = chosen("auto", [candidate(half)])
    assert choice.kernel is exact
    assert str(choice) == "plain 1 (2.00 ms; foreign took 3.00 ms)"


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        (wrong_in_a_row, "disagrees with PyTorch by 0.1"),
        (not_a_number, "disagrees with PyTorch by nan"),
        (failing, "failed (no kernel image is available)"),
    ],
)
def test_a_kernel_that_fails_or_disagrees_is_left_however_fast(
    kernel: Kernel, reason: str, seconds: dict[Kernel, float]
) -> None:
    seconds[kernel] = 0.0
    choice = chosen("auto", [candidate(kernel)])
    assert choice.kernel is exact
    assert choice.why == f"2.00 ms; foreign {reason}"
    with pytest.raises(InvalidInput, match=r"seam foreign cannot be used: it .*; take auto"):
        chosen("foreign", [candidate(kernel)])


def test_of_several_the_fastest_is_taken(seconds: dict[Kernel, float]) -> None:
    def quick(x: float) -> Tensor:
        return exact(x)

    seconds |= {half: 1e-3, quick: 5e-4}
    for order in ([half, quick], [quick, half]):
        choice = chosen("auto", [candidate(k, k.__name__) for k in order])
        assert choice.name == "quick"
        assert "half took 1.00 ms" in choice.why
        assert "plain took 2.00 ms" in choice.why


def test_what_does_not_take_the_precision_is_not_tried(seconds: dict[Kernel, float]) -> None:
    choice = chosen("auto", [candidate(failing)], torch.bfloat16)
    assert choice.why == "2.00 ms; foreign does not take bfloat16"


def test_a_kernel_asked_for_by_name_is_checked_but_not_timed() -> None:
    assert chosen("foreign", [candidate(half)]).why == "asked for"
    assert chosen("plain", [candidate(failing)]).kernel is exact


def test_on_a_cpu_all_is_plain_pytorch() -> None:
    taken = choose(KernelOptions(), "cpu")
    assert taken.attention.kernel is attend
    assert taken.sparse_convolution.kernel is gather_matmul
    assert taken.precision == torch.float32
    assert taken.describe() == {
        "attention": f"sdpa {torch.__version__} (the default on cpu)",
        "sparse_convolution": f"torch {torch.__version__} (the default on cpu)",
        "precision": "float32",
    }


@pytest.mark.parametrize("name", ["xformers", "flash"])
def test_attention_that_needs_cuda_is_refused_on_a_cpu(name: AttentionName) -> None:
    with pytest.raises(InvalidInput, match=f"{name} cannot be used: it does not run on cpu"):
        choose(KernelOptions(attention=name), "cpu")


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
def test_precision_is_as_asked(precision: str) -> None:
    options = KernelOptions(precision=precision)  # type: ignore[arg-type] # one of them
    assert choose(options, "cpu").describe()["precision"] == precision


@needs_spconv
def test_spconv_agrees_with_pytorch_on_a_cpu() -> None:
    taken = choose(KernelOptions(sparse_convolution="spconv"), "cpu")
    assert taken.sparse_convolution.name == "spconv"


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("No module named 'spconv'")

    monkeypatch.setattr(kernels, "spconv_convolution", missing)
    with pytest.raises(InvalidInput, match=r"it is not installed .*No module named 'spconv'"):
        choose(KernelOptions(sparse_convolution="spconv"), "cpu")


def test_equip_reaches_every_layer() -> None:
    def other_attention(
        q: Tensor, k: Tensor, v: Tensor, q_lengths: Sequence[int], kv_lengths: Sequence[int]
    ) -> Tensor:
        return attend(q, k, v, q_lengths, kv_lengths)

    def other_convolution(*args: object) -> Tensor:
        return gather_matmul(*args)  # type: ignore[arg-type] # handed through

    model = build(SLatFlowModel, tiny_model.SLAT_FLOW)
    equip(
        model,
        Kernels(
            attention=Choice(name="", version="", why="", kernel=other_attention),
            sparse_convolution=Choice(name="", version="", why="", kernel=other_convolution),
            precision=torch.float32,
        ),
    )
    attentions = [m for m in model.modules() if isinstance(m, SelfAttention | CrossAttention)]
    convolutions = [m for m in model.modules() if isinstance(m, SubmanifoldConv3)]
    assert attentions
    assert convolutions
    assert {m.attend for m in attentions} == {other_attention}
    assert {m.convolve for m in convolutions} == {other_convolution}


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda:0", marks=needs_gpu)])
def test_the_cases_agree_with_themselves_in_every_precision(device: str, precision: str) -> None:
    """What a perfect kernel would be told: the tolerances leave room for rounding."""
    dtype, on = getattr(torch, precision), torch.device(device)

    def attention(precision: torch.dtype) -> Tensor:
        return kernels._attention_case(on, precision)(attend).float()

    def convolution(precision: torch.dtype) -> Tensor:
        return kernels._convolution_case(on, precision)(gather_matmul).float()

    for run in (attention, convolution):
        found, expected = run(dtype), run(torch.float32)
        error = (found - expected).norm(dim=-1).max() / expected.norm(dim=-1).mean()
        assert error <= kernels.TOLERANCES[dtype] / 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
def test_what_is_measured_on_a_gpu_is_told(precision: str) -> None:
    taken = choose(KernelOptions(precision=precision), "cuda:0")  # type: ignore[arg-type]
    for line in taken.describe().values():
        assert "disagrees" not in line
    assert "flash" in str(taken.attention)
    assert "spconv" in str(taken.sparse_convolution)
