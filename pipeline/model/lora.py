"""Low-rank adapters of the two flow models: what a studio trains, and what a request applies.

A linear layer `W` becomes `W + strength * alpha / rank * B A` with A `[rank, in]`, B `[out, rank]`.
While training, A and B stand beside the frozen layer; for generation they are merged into it.

Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021. Tensor names end as
those of Hugging Face's peft do: `.lora_A.weight`, `.lora_B.weight`.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from pipeline.errors import InvalidInput
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse_structure import SparseStructureFlowModel
from pipeline.types import ModelFacts, Progress, Stage

FORMAT = "lodsmith-lora/1"
MAX_RANK = 256
MAX_STRENGTH = 2.0
_MAX_HEADER_BYTES = 4 << 20

Target = Literal["to_qkv", "to_q", "to_kv", "to_out", "mlp"]
Flow = Literal["structure_flow", "slat_flow"]
TARGETS: tuple[Target, ...] = get_args(Target)
FLOWS: tuple[Flow, ...] = get_args(Flow)
FlowModel = SparseStructureFlowModel | SLatFlowModel
ForwardHook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]

_A, _B = ".lora_A.weight", ".lora_B.weight"
_DTYPES = (torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True, kw_only=True)
class LoraParams:
    """Size of an adapter.

    rank: 1 to 256; 4 to 16 are usual. alpha: the product is scaled by `alpha / rank`, so that the
    learning rate need not change with the rank; above 0. targets: which linear layers of the
    transformer blocks get one; each name stands for all layers of that name, `mlp` for both of
    the feed-forward network.
    """

    rank: int = 8
    alpha: float = 8.0
    targets: tuple[Target, ...] = TARGETS

    def __post_init__(self) -> None:
        if not 1 <= self.rank <= MAX_RANK:
            raise InvalidInput(f"rank must be from 1 to {MAX_RANK}, got {self.rank}")
        if not 0 < self.alpha <= 1024:
            raise InvalidInput(f"alpha must be above 0 and at most 1024, got {self.alpha}")
        if not self.targets or set(self.targets) - set(TARGETS):
            raise InvalidInput(
                f"targets must be some of {', '.join(TARGETS)}, got {list(self.targets)}"
            )


class HasFlows(Protocol):
    """The part of a loaded model that an adapter changes."""

    @property
    def name(self) -> str: ...

    @property
    def facts(self) -> ModelFacts: ...

    @property
    def structure_flow(self) -> SparseStructureFlowModel: ...

    @property
    def slat_flow(self) -> SLatFlowModel: ...


class LowRank(nn.Module):
    """A and B of one linear layer. B starts at zero, so a new adapter changes nothing."""

    def __init__(self, in_features: int, out_features: int, rank: int) -> None:
        super().__init__()
        self.lora_A = nn.Linear(in_features, rank, bias=False)
        self.lora_B = nn.Linear(rank, out_features, bias=False)
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in]` -> `[..., out]`, before the scale."""
        out: Tensor = self.lora_B(self.lora_A(x))
        return out


class Lora(nn.Module):
    """The adapter of one flow model while it is trained; its only parameters are all A and B.

    It does not hold the model: copies of it (the averaged one) cost nothing but themselves.
    """

    def __init__(self, model: FlowModel, params: LoraParams) -> None:
        super().__init__()
        self.scale = params.alpha / params.rank
        layers = target_layers(model, params.targets)
        self.paths = tuple(layers)
        self.layers = nn.ModuleList(
            LowRank(layer.in_features, layer.out_features, params.rank) for layer in layers.values()
        )

    def tensors(self) -> dict[str, Tensor]:
        """A and B by the path of their layer."""
        found = {}
        for path, layer in zip(self.paths, self.layers, strict=True):
            assert isinstance(layer, LowRank)
            found[path + _A] = layer.lora_A.weight.detach()
            found[path + _B] = layer.lora_B.weight.detach()
        return found


@contextmanager
def add_lora(model: FlowModel, lora: Lora) -> Iterator[None]:
    """Let `lora` take part in `model` for the length of a `with` block.

    The model's own parameters stop taking gradients, and stay so.
    """
    model.requires_grad_(False)
    layers = target_layers(model, TARGETS)

    def beside(low_rank: nn.Module) -> ForwardHook:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            change: Tensor = low_rank(inputs[0])
            return output + lora.scale * change

        return hook

    handles = [
        layers[path].register_forward_hook(beside(low_rank))
        for path, low_rank in zip(lora.paths, lora.layers, strict=True)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def target_layers(model: FlowModel, targets: tuple[Target, ...]) -> dict[str, nn.Linear]:
    """The linear layers in the model's transformer blocks that `targets` name, by their path."""
    found = {}
    for path, module in model.blocks.named_modules(prefix="blocks"):
        name = "mlp" if ".mlp." in path else path.rpartition(".")[2]
        if isinstance(module, nn.Linear) and name in targets:
            found[path] = module
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapter:
    """A trained adapter, as its file says.

    name: what it was called in training. base_name, base_digest: the model it was trained with.
    params: its size. flows: A and B of each flow model that it changes, by the path of their layer.
    """

    name: str
    base_name: str
    base_digest: str
    params: LoraParams
    flows: Mapping[Flow, Mapping[str, Tensor]]


def save_adapter(adapter: Adapter) -> bytes:
    """Write an adapter as safetensors, float16; the same adapter gives the same bytes.

    By hand, because the format's own writer puts the metadata in an order by chance.
    """
    tensors = {
        f"{flow}.{key}": value.to("cpu", torch.float16).contiguous()
        for flow, layers in sorted(adapter.flows.items())
        for key, value in sorted(layers.items())
    }
    header: dict[str, object] = {}
    header["__metadata__"] = {
        "format": FORMAT,
        "name": adapter.name,
        "base_name": adapter.base_name,
        "base_digest": adapter.base_digest,
        "rank": str(adapter.params.rank),
        "alpha": repr(adapter.params.alpha),
        "targets": ",".join(adapter.params.targets),
    }
    start = 0
    for key, tensor in tensors.items():
        end = start + tensor.nbytes
        header[key] = {"dtype": "F16", "shape": [*tensor.shape], "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of eight bytes
    data = [tensor.numpy().astype("<f2", copy=False).tobytes() for tensor in tensors.values()]
    return b"".join([len(text).to_bytes(8, "little"), text, *data])


def load_adapter(content: bytes) -> Adapter:
    """Read an adapter file from anywhere.

    Raises:
        InvalidInput: If it is not one, is damaged, or holds anything an adapter has no use for.
    """
    metadata = _metadata(content)
    try:
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as e:
        raise InvalidInput(f"the adapter is damaged ({e}); copy it again") from e
    try:
        targets = tuple(t for t in TARGETS if t in metadata["targets"].split(","))
        params = LoraParams(
            rank=int(metadata["rank"]), alpha=float(metadata["alpha"]), targets=targets
        )
        name, base_name, base_digest = (
            metadata[key] for key in ("name", "base_name", "base_digest")
        )
    except (KeyError, ValueError) as e:
        raise InvalidInput(f"the adapter's metadata has no usable entry for {e}") from e
    return Adapter(
        name=name,
        base_name=base_name,
        base_digest=base_digest,
        params=params,
        flows=_by_flow(tensors, params.rank),
    )


@contextmanager
def applied(
    models: HasFlows, content: bytes | None, strength: float, progress: Progress
) -> Iterator[None]:
    """Merge an adapter into the models' flows for the length of a `with` block.

    The weights are changed in place, in float32 and rounded once to the layer's own precision, and
    are afterwards bit for bit what they were; on a GPU the originals wait in main memory. Blocks
    may be nested: their changes add up. No other request may use `models` meanwhile.

    Args:
        models: What to change.
        content: An adapter file, as `save_adapter` writes it; None is no adapter.
        strength: 0 is none of it, 1 is as trained; 0 to 2.
        progress: Warned when the adapter was trained with another model of the same shape. Its
            call may raise while the weights are being merged.

    Raises:
        InvalidInput: If the file is no adapter, or none for these models.
    """
    if content is None:
        yield
        return
    if not 0 <= strength <= MAX_STRENGTH:
        raise InvalidInput(f"the adapter's strength must be in [0, {MAX_STRENGTH}], got {strength}")
    adapter = load_adapter(content)
    changes = _changes(adapter, models)
    if adapter.base_digest != models.facts.digest:
        progress.warn(
            Stage.PREPROCESS,
            f"the adapter {adapter.name} was trained with another model ({adapter.base_name}) than "
            f"{models.name}; it fits in shape, but results may be poor",
        )
    factor = strength * adapter.params.alpha / adapter.params.rank
    originals: list[tuple[nn.Linear, Tensor]] = []
    try:
        for layer, a, b in changes:
            progress(Stage.PREPROCESS, 0.0)
            weight = layer.weight
            merged = _merged(weight, a, b, factor)
            if not merged.isfinite().all():
                raise InvalidInput(
                    f"the adapter {adapter.name} leaves the range of {weight.dtype} at strength "
                    f"{strength:g}; lower its strength"
                )
            originals.append((layer, weight.detach().to("cpu", copy=True)))
            with torch.no_grad():
                weight.copy_(merged)
        yield
    finally:
        with torch.no_grad():
            for layer, original in reversed(originals):
                layer.weight.copy_(original)


def _merged(weight: Tensor, a: Tensor, b: Tensor, factor: float) -> Tensor:
    """`W + factor B A` in float32, then in the weight's own precision."""
    a, b = (x.to(weight.device, torch.float32) for x in (a, b))
    return torch.addmm(weight.detach().float(), b, a, alpha=factor).to(weight.dtype)


def _changes(adapter: Adapter, models: HasFlows) -> list[tuple[nn.Linear, Tensor, Tensor]]:
    """Each layer with its A and B; everything is checked before anything is changed."""
    found = []
    flow_models: dict[Flow, FlowModel] = {
        "structure_flow": models.structure_flow,
        "slat_flow": models.slat_flow,
    }
    for flow, tensors in adapter.flows.items():
        layers = target_layers(flow_models[flow], TARGETS)
        for key, a in tensors.items():
            if not key.endswith(_A):
                continue
            path = key.removesuffix(_A)
            b = tensors[path + _B]
            layer = layers.get(path)
            if layer is None:
                raise _misfit(adapter, models, f"it has no layer {flow}.{path}")
            if (b.shape[0], a.shape[1]) != tuple(layer.weight.shape):
                raise _misfit(
                    adapter,
                    models,
                    f"{flow}.{path} is {list(layer.weight.shape)} there, "
                    f"and the adapter changes {[b.shape[0], a.shape[1]]}",
                )
            found.append((layer, a, b))
    return found


def _misfit(adapter: Adapter, models: HasFlows, why: str) -> InvalidInput:
    return InvalidInput(
        f"the adapter {adapter.name} was trained with the model {adapter.base_name} and does not "
        f"fit {models.name}: {why}; use it with the model it was trained with"
    )


def _metadata(content: bytes) -> dict[str, str]:
    """The text entries of a safetensors header; the format's own reader does not give them."""
    length = int.from_bytes(content[:8], "little")
    not_one = "the file is no adapter; give one that `lodsmith train --lora` has written"
    # A header lists a few hundred tensors; parsed, a huge one would take thirty times its size.
    if len(content) < 8 or length > min(len(content) - 8, _MAX_HEADER_BYTES):
        raise InvalidInput(not_one)
    try:
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        found = metadata["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as e:
        raise InvalidInput(not_one) from e
    if found != FORMAT:
        raise InvalidInput(
            f"the file calls itself {str(found)[:40]!r}, not {FORMAT!r}; give an adapter that "
            "`lodsmith train --lora` of this version has written"
        )
    # From strangers, and shown in messages: no escape sequences, nothing endless.
    printable = {key: "".join(c for c in str(v) if c.isprintable()) for key, v in metadata.items()}
    return {key: value[:200] for key, value in printable.items()}


def _by_flow(tensors: Mapping[str, Tensor], rank: int) -> dict[Flow, dict[str, Tensor]]:
    """Sort the tensors by flow, each A with its B, in the order of their names."""
    flows: dict[Flow, dict[str, Tensor]] = {}
    for key in sorted(tensors):
        tensor = tensors[key]
        flow = next((flow for flow in FLOWS if key.startswith(flow + ".")), None)
        suffix = next((suffix for suffix in (_A, _B) if key.endswith(suffix)), None)
        if flow is None or suffix is None:
            raise InvalidInput(f"the adapter holds the foreign tensor {key[:100]!r}")
        path = key.removesuffix(suffix)
        if path + (_B if suffix == _A else _A) not in tensors:
            raise InvalidInput(f"the adapter holds {key[:100]!r} without its counterpart")
        if tensor.dtype not in _DTYPES:
            raise InvalidInput(f"the adapter's {key[:100]!r} is {tensor.dtype}, not a float type")
        if tensor.ndim != 2 or tensor.shape[0 if suffix == _A else 1] != rank:
            raise InvalidInput(
                f"the adapter's {key[:100]!r} has shape {list(tensor.shape)}, which does not fit "
                f"its rank {rank}"
            )
        if not tensor.isfinite().all():
            raise InvalidInput(
                f"the adapter's {key[:100]!r} holds values that are no numbers; train it again "
                "with a lower learning rate"
            )
        flows.setdefault(flow, {})[key.removeprefix(flow + ".")] = tensor
    if not flows:
        raise InvalidInput("the adapter is empty")
    return flows
