"""LoRA adapters that clients upload."""

from collections.abc import Mapping
from random import Random

import torch

from pipeline.errors import PipelineError
from pipeline.model.lora import FLOWS, Adapter, LoraParams, load_adapter, save_adapter
from tests.fuzz.mutations.safetensors import changed_safetensors


def consume(data: bytes) -> None:
    try:
        adapter = load_adapter(data)
    except PipelineError:
        return
    for layers in adapter.flows.values():
        for tensor in layers.values():
            assert adapter.params.rank in tensor.shape
            assert tensor.isfinite().all()
    adapter.name.encode()


def mutate(data: bytes, random: Random) -> bytes:
    return changed_safetensors(data, random)


def seeds() -> Mapping[str, bytes]:
    layer = "blocks.0.self_attn.to_qkv"
    weights = {
        f"{layer}.lora_A.weight": torch.ones(2, 4),
        f"{layer}.lora_B.weight": torch.ones(6, 2),
    }
    adapter = Adapter(
        name="Studio",
        base_name="starter",
        base_digest="ab" * 32,
        params=LoraParams(rank=2, alpha=2.0, targets=("to_qkv",)),
        flows=dict.fromkeys(FLOWS, weights),
    )
    return {"adapter": save_adapter(adapter)}
