"""Adapters: what they change, that nothing stays behind, and files from strangers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from pipeline.errors import Cancelled, InvalidInput
from pipeline.model import lora as lora_module
from pipeline.model.lora import (
    TARGETS,
    Adapter,
    Flow,
    FlowModel,
    Lora,
    LoraParams,
    Target,
    add_lora,
    applied,
    load_adapter,
    save_adapter,
    target_layers,
)
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse import SparseTensor
from pipeline.model.sparse_structure import SparseStructureFlowModel
from pipeline.model.weights import build
from pipeline.types import ModelFacts, Silent, Stage
from tests.pipeline.model.tiny_model import SLAT_FLOW, STRUCTURE_FLOW, randomized

PARAMS = LoraParams(rank=3, alpha=6.0)


@dataclass
class Pair:
    """The part of a loaded model that adapters look at."""

    structure_flow: SparseStructureFlowModel
    slat_flow: SLatFlowModel
    facts: ModelFacts

    @property
    def name(self) -> str:
        return self.facts.name


class Heard(Silent):
    """Remembers warnings; raises at the given call."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.warnings: list[str] = []
        self._calls, self._stop_at = 0, stop_at

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._calls += 1
        if self._calls == self._stop_at:
            raise Cancelled("stopped")

    def warn(self, stage: Stage, message: str) -> None:
        self.warnings.append(message)


@pytest.fixture
def pair() -> Pair:
    torch.manual_seed(0)
    return Pair(
        structure_flow=randomized(build(SparseStructureFlowModel, STRUCTURE_FLOW)).eval(),
        slat_flow=randomized(build(SLatFlowModel, SLAT_FLOW)).eval(),
        facts=ModelFacts(name="tiny", digest="d1", license="MIT"),
    )


def trained(model: FlowModel, params: LoraParams = PARAMS, seed: int = 1) -> Lora:
    """An adapter whose B has left zero."""
    torch.manual_seed(seed)
    lora = Lora(model, params)
    with torch.no_grad():
        for layer in lora.layers:
            layer.lora_B.weight.normal_(std=0.1)
    return lora


def adapter_of(pair: Pair, params: LoraParams = PARAMS) -> Adapter:
    flows: dict[Flow, dict[str, Tensor]] = {
        "structure_flow": trained(pair.structure_flow, params).tensors(),
        "slat_flow": trained(pair.slat_flow, params).tensors(),
    }
    return Adapter(name="mine", base_name="tiny", base_digest="d1", params=params, flows=flows)


def run(model: FlowModel) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    cond, time = torch.randn(1, 5, 384, generator=generator), torch.tensor([300.0])
    if isinstance(model, SparseStructureFlowModel):
        return model(torch.randn(1, 4, 2, 2, 2, generator=generator), time, cond)
    coords = torch.tensor([[0, 0, 0, 1], [0, 0, 2, 1], [0, 3, 2, 1], [0, 3, 3, 3]])
    x = SparseTensor(coords=coords, feats=torch.randn(4, 3, generator=generator), batch_size=1)
    return model(x, time, cond).feats


def weights(pair: Pair) -> dict[str, Tensor]:
    return {
        f"{flow}.{key}": value.clone()
        for flow, model in (("s", pair.structure_flow), ("l", pair.slat_flow))
        for key, value in model.state_dict().items()
    }


def assert_untouched(pair: Pair, before: dict[str, Tensor]) -> None:
    assert all(torch.equal(value, before[key]) for key, value in weights(pair).items())


# --- while training ------------------------------------------------------------------------


@pytest.mark.parametrize("flow", ["structure_flow", "slat_flow"])
def test_a_new_adapter_changes_nothing(pair: Pair, flow: str) -> None:
    model = getattr(pair, flow)
    before = run(model)
    with add_lora(model, Lora(model, PARAMS)):
        assert torch.equal(run(model), before)


@pytest.mark.parametrize("flow", ["structure_flow", "slat_flow"])
@pytest.mark.parametrize("target", TARGETS)
def test_every_target_takes_part_and_leaves_again(pair: Pair, flow: str, target: Target) -> None:
    model = getattr(pair, flow).requires_grad_(False)  # with gradients, attention rounds elsewhere
    before = run(model)
    with add_lora(model, trained(model, replace(PARAMS, targets=(target,)))):
        assert (run(model) - before).abs().max() > 1e-4
    assert torch.equal(run(model), before)


def test_only_the_adapter_takes_gradients(pair: Pair) -> None:
    model, lora = pair.slat_flow, trained(pair.slat_flow)
    with add_lora(model, lora):
        run(model).square().sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())
    assert all(p.grad is not None and p.grad.any() for p in lora.parameters())
    names = {name.rpartition(".lora_")[2] for name, _ in lora.named_parameters()}
    assert names == {"A.weight", "B.weight"}


def test_targets_are_the_layers_of_that_name_in_the_blocks(pair: Pair) -> None:
    found = target_layers(pair.structure_flow, TARGETS)
    assert sorted(found) == sorted(
        f"blocks.0.{name}"
        for name in (
            "self_attn.to_qkv", "self_attn.to_out", "cross_attn.to_q", "cross_attn.to_kv",
            "cross_attn.to_out", "mlp.mlp.0", "mlp.mlp.2",
        )
    )  # fmt: skip
    assert sorted(target_layers(pair.structure_flow, ("to_q", "mlp"))) == [
        "blocks.0.cross_attn.to_q", "blocks.0.mlp.mlp.0", "blocks.0.mlp.mlp.2",
    ]  # fmt: skip
    assert all(isinstance(layer, nn.Linear) for layer in found.values())


# --- merged --------------------------------------------------------------------------------


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 2.0])
def test_merged_is_beside(pair: Pair, strength: float) -> None:
    content = save_adapter(adapter_of(pair))
    stored = load_adapter(content).flows  # rounded to float16
    for flow in ("structure_flow", "slat_flow"):
        model = getattr(pair, flow)
        lora = trained(model)
        lora.scale *= strength
        with torch.no_grad():
            for path, layer in zip(lora.paths, lora.layers, strict=True):
                layer.lora_A.weight.copy_(stored[flow][path + ".lora_A.weight"])
                layer.lora_B.weight.copy_(stored[flow][path + ".lora_B.weight"])
        with torch.no_grad():
            plain = run(model)
            with add_lora(model, lora):
                beside = run(model)
            with applied(pair, content, strength, Silent()):
                merged = run(model)
        torch.testing.assert_close(merged, beside, atol=1e-5, rtol=1e-5)
        assert (strength == 0) == torch.equal(merged, plain)


def test_afterwards_every_weight_is_bit_for_bit_what_it_was(pair: Pair) -> None:
    pair.structure_flow.cast_torso(torch.float16)
    before = weights(pair)
    with applied(pair, save_adapter(adapter_of(pair)), 1.0, Silent()):
        changed = [
            key for key, value in weights(pair).items() if not torch.equal(value, before[key])
        ]
        assert len(changed) == 14  # seven layers in each of two blocks
        assert weights(pair)["s.blocks.0.mlp.mlp.0.weight"].dtype == torch.float16
    assert_untouched(pair, before)


def test_half_precision_is_rounded_once(pair: Pair) -> None:
    pair.structure_flow.cast_torso(torch.float16)
    adapter = adapter_of(pair)
    path = "blocks.0.self_attn.to_qkv"
    w = pair.structure_flow.blocks[0].self_attn.to_qkv.weight.double()
    a, b = (
        adapter.flows["structure_flow"][f"{path}.lora_{m}.weight"].half().double() for m in "AB"
    )
    with applied(pair, save_adapter(adapter), 0.7, Silent()):
        merged = pair.structure_flow.blocks[0].self_attn.to_qkv.weight.double()
    exact = w + 0.7 * 2.0 * b @ a
    assert ((merged - exact).abs() <= exact.abs() * 2**-11 + 2**-24).all()  # half a unit


def test_an_error_inside_leaves_nothing_behind(pair: Pair) -> None:
    before = weights(pair)
    with pytest.raises(Cancelled), applied(pair, save_adapter(adapter_of(pair)), 1.0, Silent()):
        raise Cancelled("inside")
    assert_untouched(pair, before)


@pytest.mark.parametrize("stop_at", [1, 2, 9, 14])
def test_stopping_while_merging_leaves_nothing_behind(pair: Pair, stop_at: int) -> None:
    before = weights(pair)
    with (
        pytest.raises(Cancelled),
        applied(pair, save_adapter(adapter_of(pair)), 1.0, Heard(stop_at)),
    ):
        pytest.fail("it was to be stopped before")
    assert_untouched(pair, before)


def test_two_adapters_add_up(pair: Pair) -> None:
    before = weights(pair)
    one, two = adapter_of(pair), adapter_of(pair, replace(PARAMS, alpha=1.5))
    path = "blocks.0.mlp.mlp.2"

    def change(adapter: Adapter) -> Tensor:
        tensors = load_adapter(save_adapter(adapter)).flows["slat_flow"]
        a, b = (tensors[f"{path}.lora_{m}.weight"].float() for m in "AB")
        return adapter.params.alpha / adapter.params.rank * b @ a

    with (
        applied(pair, save_adapter(one), 1.0, Silent()),
        applied(pair, save_adapter(two), 1.0, Silent()),
    ):
        expected = before[f"l.{path}.weight"] + change(one) + change(two)
        found = pair.slat_flow.blocks[0].mlp.mlp[2].weight
        torch.testing.assert_close(found.detach(), expected, atol=1e-6, rtol=1e-6)
    assert_untouched(pair, before)


def test_no_adapter_is_no_change(pair: Pair) -> None:
    before = weights(pair)
    with applied(pair, None, 1.0, Silent()):
        assert_untouched(pair, before)


def test_an_adapter_of_one_flow_leaves_the_other_alone(pair: Pair) -> None:
    adapter = adapter_of(pair)
    only = replace(adapter, flows={"slat_flow": adapter.flows["slat_flow"]})
    before = weights(pair)
    with applied(pair, save_adapter(only), 1.0, Silent()):
        changed = {k for k, v in weights(pair).items() if not torch.equal(v, before[k])}
    assert changed
    assert all(key.startswith("l.") for key in changed)


def test_another_base_is_warned_of(pair: Pair) -> None:
    heard = Heard()
    with applied(pair, save_adapter(adapter_of(pair)), 1.0, heard):
        pass
    assert heard.warnings == []
    other = save_adapter(replace(adapter_of(pair), base_digest="d2", base_name="large"))
    with applied(pair, other, 1.0, heard):
        pass
    assert len(heard.warnings) == 1
    assert "large" in heard.warnings[0]
    assert "tiny" in heard.warnings[0]


def test_another_shape_is_refused(pair: Pair) -> None:
    wide = build(SparseStructureFlowModel, {**STRUCTURE_FLOW, "model_channels": 32})
    flows: dict[Flow, dict[str, Tensor]] = {"structure_flow": trained(wide).tensors()}
    content = save_adapter(replace(adapter_of(pair), base_name="wide", flows=flows))
    before = weights(pair)
    with pytest.raises(InvalidInput, match=r"wide and does not fit tiny"):
        applied(pair, content, 1.0, Silent()).__enter__()
    assert_untouched(pair, before)


def test_another_depth_is_refused(pair: Pair) -> None:
    deep = build(SparseStructureFlowModel, {**STRUCTURE_FLOW, "num_blocks": 2})
    flows: dict[Flow, dict[str, Tensor]] = {"structure_flow": trained(deep).tensors()}
    content = save_adapter(replace(adapter_of(pair), flows=flows))
    with pytest.raises(InvalidInput, match=r"no layer structure_flow.blocks.1"):
        applied(pair, content, 1.0, Silent()).__enter__()


@pytest.mark.parametrize("strength", [-0.1, 2.1, float("nan")])
def test_strength_has_limits(pair: Pair, strength: float) -> None:
    with pytest.raises(InvalidInput, match=r"strength must be in \[0, 2"):
        applied(pair, save_adapter(adapter_of(pair)), strength, Silent()).__enter__()


def test_a_merge_that_leaves_float16_is_refused(pair: Pair) -> None:
    pair.structure_flow.cast_torso(torch.float16)
    flows = {
        "structure_flow": {
            key: torch.full_like(value, 300.0)
            for key, value in trained(pair.structure_flow).tensors().items()
        }
    }
    before = weights(pair)
    content = save_adapter(replace(adapter_of(pair), flows=flows))
    with pytest.raises(InvalidInput, match=r"range of torch.float16"):
        applied(pair, content, 1.0, Silent()).__enter__()
    assert_untouched(pair, before)


# --- files ---------------------------------------------------------------------------------


def test_a_saved_adapter_comes_back(pair: Pair) -> None:
    adapter = adapter_of(pair)
    back = load_adapter(save_adapter(adapter))
    for field in ("name", "base_name", "base_digest", "params"):
        assert getattr(back, field) == getattr(adapter, field)
    assert back.flows.keys() == adapter.flows.keys()
    for flow, tensors in adapter.flows.items():
        assert back.flows[flow].keys() == tensors.keys()
        for key, value in tensors.items():
            assert torch.equal(back.flows[flow][key], value.half())


def test_the_file_is_what_safetensors_reads_and_always_the_same(pair: Pair) -> None:
    content = save_adapter(adapter_of(pair))
    assert content == save_adapter(adapter_of(pair))
    tensors = load_tensors(content)
    assert len(tensors) == 2 * 14
    key = "structure_flow.blocks.0.self_attn.to_qkv.lora_A.weight"
    assert tensors[key].shape == (3, 16)


def rewritten(
    content: bytes,
    *,
    metadata: dict[str, str] | None = None,
    tensors: dict[str, Tensor] | None = None,
) -> bytes:
    length = int.from_bytes(content[:8], "little")
    known = json.loads(content[8 : 8 + length])["__metadata__"]
    return save_tensors({**load_tensors(content), **(tensors or {})}, {**known, **(metadata or {})})


KEY = "slat_flow.blocks.0.mlp.mlp.0"
Spoil = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda c: b"", "no adapter"),
        (lambda c: b"glTF" + bytes(40), "no adapter"),
        (lambda c: c[:-10], "damaged"),
        (lambda c: c[:200], "no adapter"),
        (lambda c: (1 << 60).to_bytes(8, "little") + c[8:], "no adapter"),
        (lambda c: save_tensors(load_tensors(c)), "no adapter"),
        (lambda c: save_tensors(load_tensors(c), {"format": "pt"}), "calls itself 'pt'"),
        (lambda c: rewritten(c, metadata={"rank": "0"}), "rank must be"),
        (lambda c: rewritten(c, metadata={"rank": "4"}), "does not fit its rank 4"),
        (lambda c: rewritten(c, metadata={"rank": "many"}), "no usable entry"),
        (lambda c: rewritten(c, metadata={"alpha": "nan"}), "alpha must be"),
        (lambda c: rewritten(c, metadata={"alpha": "1e9"}), "alpha must be"),
        (lambda c: rewritten(c, metadata={"targets": "everything"}), "targets must be"),
        (lambda c: rewritten(c, tensors={"evil": torch.zeros(1)}), "foreign tensor 'evil'"),
        (
            lambda c: rewritten(c, tensors={"slat_flow.out_layer.weight": torch.zeros(3, 8)}),
            "foreign tensor",
        ),
        (
            lambda c: rewritten(c, tensors={"slat_flow.x.lora_A.weight": torch.zeros(3, 8)}),
            "without its counterpart",
        ),
        (
            lambda c: rewritten(
                c, tensors={f"{KEY}.lora_A.weight": torch.full((3, 16), float("nan"))}
            ),
            "no numbers",
        ),
        (
            lambda c: rewritten(c, tensors={f"{KEY}.lora_B.weight": torch.zeros(32, 3, 1)}),
            "does not fit its rank",
        ),
        (
            lambda c: rewritten(
                c, tensors={f"{KEY}.lora_A.weight": torch.zeros(3, 16, dtype=torch.int64)}
            ),
            "not a float type",
        ),
    ],
)
def test_what_is_no_adapter_is_refused(pair: Pair, spoil: Spoil, says: str) -> None:
    content = spoil(save_adapter(adapter_of(pair)))
    with pytest.raises(InvalidInput, match=says):
        load_adapter(content)


def test_names_cannot_carry_escape_sequences_or_books(pair: Pair) -> None:
    content = rewritten(
        save_adapter(adapter_of(pair)), metadata={"name": "a\x1b[2Jb\n" + "x" * 9000}
    )
    name = load_adapter(content).name
    assert name.startswith("a[2Jbx")
    assert len(name) == 200


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rank": 0}, "rank must be"),
        ({"rank": 257}, "rank must be"),
        ({"alpha": 0.0}, "alpha must be"),
        ({"targets": ()}, "targets must be"),
        ({"targets": ("to_v",)}, "targets must be"),
    ],
)
def test_params_have_limits(changes: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        replace(PARAMS, **changes)


def test_the_module_names_every_flow_of_a_model() -> None:
    assert lora_module.FLOWS == ("structure_flow", "slat_flow")


def test_a_huge_header_is_refused_before_it_is_parsed() -> None:
    header = b'{"__metadata__": {"format": "x"}, "a": "' + b" " * (5 << 20) + b'"}'
    content = len(header).to_bytes(8, "little") + header
    with pytest.raises(InvalidInput, match="no adapter"):
        load_adapter(content)
