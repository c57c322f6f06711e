"""Which kernels the model's two seams use, and in which precision: what may be asked for.

Apart from `kernels.py`, because options are read where torch is not loaded.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.errors import InvalidInput

AttentionName = Literal["auto", "sdpa", "xformers", "flash"]
SparseConvolutionName = Literal["auto", "torch", "spconv"]
PrecisionName = Literal["auto", "float16", "bfloat16", "float32"]


@dataclass(frozen=True, kw_only=True)
class KernelOptions:
    """Options of `kernels.choose`. "auto" measures what is installed and takes the fastest.

    attention: "sdpa" is PyTorch's own and always there; "xformers" and "flash" need CUDA.
    sparse_convolution: "torch" is always there; "spconv" needs the package of that name.
    precision: of the torso; heads and norms are float32 in any case. "auto" is float16 on CUDA, as
        the released models were trained, and float32 elsewhere.
    """

    attention: AttentionName = "auto"
    sparse_convolution: SparseConvolutionName = "auto"
    precision: PrecisionName = "auto"

    def __post_init__(self) -> None:
        _check("attention", self.attention, get_args(AttentionName))
        _check("sparse_convolution", self.sparse_convolution, get_args(SparseConvolutionName))
        _check("precision", self.precision, get_args(PrecisionName))


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidInput(f"{name} must be one of {', '.join(allowed)}, got {value}")
