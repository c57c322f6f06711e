"""A folder like a published model, full size, with random weights: it runs the path, no more.

    python -m benchmarks.random_model FOLDER [--like TRELLIS-image-large] [--seed 1]

Keys, shapes and types are the catalog's; 4.5 GB for image-large and its conditioner, written
tensor by tensor. The conditioner lies in FOLDER/conditioners, as a folder that can be added; but
not CLIP's, whose hashes are published: through the server a text model runs with the real one.

Not quite random: the structure decoder blurs as it doubles, and its last bias is such that about
7 % of the voxels are active, in a few lumps; the mesh decoder says "inside" around every active
voxel. A text model gets decoders of its own, because those that the published one borrows are not
random; and a tokenizer that spells every word byte by byte, because CLIP's is not ours to write.
"""

import argparse
import json
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.random_weights import random_tensor, randomize_
from pipeline.checkpoints.catalog import (
    CHECKPOINTS,
    PUBLISHED,
    SAMPLER_NAME,
    SIGMA_MIN,
    SLAT_MEAN,
    SLAT_STD,
    Checkpoint,
    PipelineFacts,
)
from pipeline.checkpoints.header import TensorFacts
from pipeline.checkpoints.manifest import conditioner_tensors, expected_tensors
from pipeline.model.condition.clip import VIT_L14_TEXT
from pipeline.model.condition.dinov2 import VIT_L14_REG4
from pipeline.model.sparse_structure import SparseStructureDecoder
from pipeline.model.weights import build

ACTIVE_SHARE = 0.07
LICENSE = "none: random weights"
_TORCH_DTYPES = {"F32": torch.float32, "F16": torch.float16}
_STRUCTURE_DECODER = "ss_dec_conv3d_16l8"
_ENCODERS = ("ss_enc_conv3d_16l8", "slat_enc_swin8_B_64l8")
_LATENT_SIDE = 16
_NOISES = 4  # whose active voxels are counted; one alone can have a fifth more than another

README = """# Random weights

No model: the numbers in this folder are random, and what it makes is noise of the right size. It
exists to measure speed and memory, and to run the whole path, where the published weights are not
at hand. Made by `python -m benchmarks.random_model`.
"""


def write_random_model(folder: Path, like: str, seed: int) -> None:
    """Write a folder that loads like the published model of that name in the catalog.

    Raises:
        FileExistsError: If the folder is there already.
    """
    facts = next(entry.pipeline for entry in PUBLISHED if entry.name == like)
    assert facts is not None
    own = {role: entry.split("/", 2)[-1] for role, entry in facts.borrowed.items()}
    models = dict(facts.models) | own
    (folder / "ckpts").mkdir(parents=True)
    (folder / "README.md").write_text(README)
    (folder / "pipeline.json").write_text(json.dumps(_pipeline(facts, models, like), indent=2))
    names = {entry.split("/")[-1].removesuffix("_fp16") for entry in models.values()}
    if not facts.borrowed:  # the repository with the decoders has the encoders too
        names |= set(_ENCODERS)
    for checkpoint in CHECKPOINTS:
        if checkpoint.name in names:
            started = time.monotonic()
            _write_checkpoint(folder / "ckpts", checkpoint, seed)
            print(f"{checkpoint.name}: {time.monotonic() - started:.0f} s", flush=True)
    _write_conditioner(folder / "conditioners", facts.conditioner[1], seed)


def _pipeline(facts: PipelineFacts, models: Mapping[str, str], like: str) -> dict[str, object]:
    sampler = {
        "name": SAMPLER_NAME,
        "args": {"sigma_min": SIGMA_MIN},
        "params": {
            "steps": facts.sampler.steps,
            "cfg_strength": facts.sampler.cfg_strength,
            "cfg_interval": list(facts.sampler.cfg_interval),
            "rescale_t": facts.sampler.rescale_t,
        },
    }
    role, conditioner = facts.conditioner
    return {
        "name": facts.name,
        "args": {
            "model_name": like.replace("TRELLIS", "random"),
            "license": LICENSE,
            "models": models,
            "sparse_structure_sampler": sampler,
            "slat_sampler": sampler,
            "slat_normalization": {"mean": SLAT_MEAN, "std": SLAT_STD},
            role: conditioner,
        },
    }


def _write_checkpoint(folder: Path, checkpoint: Checkpoint, seed: int) -> None:
    config = {"name": checkpoint.kind, "args": checkpoint.args}
    stem = f"{checkpoint.name}_fp16"
    (folder / f"{stem}.json").write_text(json.dumps(config, indent=4))

    def value(key: str, shape: tuple[int, ...]) -> Tensor:
        if checkpoint.name == _STRUCTURE_DECODER and key == "out_layer.2.bias":
            return _activating_bias(checkpoint, seed)
        return random_tensor(checkpoint.name, key, shape, seed)

    layout = expected_tensors(checkpoint.kind, checkpoint.args)
    write_safetensors(folder / f"{stem}.safetensors", layout, value)


@torch.no_grad()
def _activating_bias(checkpoint: Checkpoint, seed: int) -> Tensor:
    """`[1]`: makes `ACTIVE_SHARE` of the voxels active for latents that look like noise.

    As those of the flow with these weights do: it moves them little.
    """
    decoder = build(SparseStructureDecoder, checkpoint.args)
    randomize_(decoder, checkpoint.name, seed)
    rng = torch.Generator().manual_seed(seed)
    latent = torch.randn(_NOISES, 8, _LATENT_SIDE, _LATENT_SIDE, _LATENT_SIDE, generator=rng)
    logits: Tensor = decoder(latent)
    return -torch.quantile(logits.flatten(), 1 - ACTIVE_SHARE).reshape(1)


def write_safetensors(
    file: Path,
    layout: Mapping[str, TensorFacts],
    value: Callable[[str, tuple[int, ...]], Tensor],
) -> None:
    """Write tensors one after another, each made when its turn comes.

    Args:
        file: Must be in a folder that exists.
        layout: What to write.
        value: Makes a tensor of that name and shape; it is cast to the type in `layout`.
    """
    # Larger types first keep every tensor aligned, as the format's own writer does.
    order = sorted(layout, key=lambda key: (-_TORCH_DTYPES[layout[key].dtype].itemsize, key))
    header: dict[str, object] = {}
    at = 0
    for key in order:
        facts = layout[key]
        place = [at, at + facts.size_bytes]
        header[key] = {"dtype": facts.dtype, "shape": facts.shape, "data_offsets": place}
        at += facts.size_bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for key in order:
            facts = layout[key]
            tensor = value(key, facts.shape).to(_TORCH_DTYPES[facts.dtype]).contiguous()
            out.write(tensor.numpy().data)


def _write_conditioner(folder: Path, name: str, seed: int) -> None:
    if name == "dinov2_vitl14_reg":
        kind, path = "dinov2", folder / name
        p = VIT_L14_REG4
        config: dict[str, object] = {
            "architectures": ["Dinov2WithRegistersModel"],
            "model_type": "dinov2_with_registers",
            "image_size": p.image_size,
            "patch_size": p.patch_size,
            "hidden_size": p.channels,
            "num_hidden_layers": p.num_blocks,
            "num_attention_heads": p.num_heads,
            "num_register_tokens": p.num_registers,
        }
        path.mkdir(parents=True)
    else:
        kind, path = "clip", folder / name.split("/")[-1]
        t = VIT_L14_TEXT
        config = {
            "architectures": ["CLIPTextModel"],
            "model_type": "clip_text_model",
            "vocab_size": t.vocab_size,
            "max_position_embeddings": t.token_count,
            "hidden_size": t.channels,
            "intermediate_size": t.mlp_channels,
            "num_hidden_layers": t.num_blocks,
            "num_attention_heads": t.num_heads,
            "hidden_act": "quick_gelu",
        }
        path.mkdir(parents=True)
        _write_spelling_tokenizer(path, t.vocab_size)
        print(f"{path}: the tokenizer spells byte by byte; it is not CLIP's")
    (path / "config.json").write_text(json.dumps(config, indent=2))
    write_safetensors(
        path / "model.safetensors",
        conditioner_tensors(kind),
        lambda key, shape: random_tensor(kind, key, shape, seed),
    )
    (path / "README.md").write_text(README)
    if kind == "dinov2":
        print(f"add it with `lodsmith models add {kind} {path}`")
    else:
        print(f"{path}: `lodsmith models add` refuses it, because CLIP's hashes are known")


def _write_spelling_tokenizer(folder: Path, vocab_size: int) -> None:
    """CLIP's tokenizer without a single merge; what is left of its vocabulary is never produced."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    ends = ["<|startoftext|>", "<|endoftext|>"]
    unused = [f"<unused_{i}>" for i in range(vocab_size - len(words) - len(ends))]
    vocabulary = {word: i for i, word in enumerate([*words, *unused, *ends])}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[])
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))


def main() -> None:
    models = [entry.name for entry in PUBLISHED if entry.pipeline is not None]
    parser = argparse.ArgumentParser(description="A full-size model folder with random weights.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--like", choices=models, default=models[0])
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    write_random_model(args.folder, args.like, args.seed)


if __name__ == "__main__":
    main()
