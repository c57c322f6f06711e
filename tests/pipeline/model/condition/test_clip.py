"""CLIP's text tower: a published folder -> the states of every token, padding included."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor

from pipeline.errors import ModelUnavailable
from pipeline.model.condition.clip import (
    VIT_L14_TEXT,
    ClipTextEncoder,
    ClipTextParams,
    clip_text_shapes,
    load_clip,
)

Tensors = dict[str, Tensor]
START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = [("c", "h"), ("a", "i"), ("ch", "ai"), ("chai", "r</w>"), ("r", "e"), ("re", "d</w>")]


def words() -> dict[str, int]:
    """As in the published one: all bytes, all bytes that end a word, merges, the two ends."""
    letters = sorted(ByteLevel.alphabet())
    merged = [one + other for one, other in MERGES]
    known = [*letters, *(f"{letter}</w>" for letter in letters), *merged, START, END]
    return {word: number for number, word in enumerate(known)}


WORDS = words()
TINY = ClipTextParams(
    vocab_size=len(WORDS),
    token_count=77,
    channels=16,
    mlp_channels=40,
    num_blocks=2,
    num_heads=2,
)
# As published: the tower's settings within those of all of CLIP; the odd end is in there too.
CONFIG = {
    "model_type": "clip",
    "projection_dim": 12,
    "text_config": {
        "vocab_size": len(WORDS),
        "max_position_embeddings": 77,
        "hidden_size": 16,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-05,
        "eos_token_id": 2,
    },
    "vision_config": {"hidden_size": 32, "hidden_act": "quick_gelu"},
}
REST = {
    "vision_model.embeddings.class_embedding": torch.ones(32),
    "visual_projection.weight": torch.ones(12, 32),
    "text_projection.weight": torch.ones(12, 16),
    "logit_scale": torch.tensor(2.6592),
    "text_model.embeddings.position_ids": torch.arange(77)[None],
}


def random_tensors() -> Tensors:
    rng = torch.Generator().manual_seed(7)
    made = {}
    for name, shape in clip_text_shapes(TINY).items():
        scale = 0.3 if len(shape) == 1 or "embedding" in name else 1 / math.sqrt(shape[1])
        made[name] = torch.randn(shape, generator=rng) * scale
        if "norm" in name and name.endswith("weight"):
            made[name] += 1
    return made


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return random_tensors()


def write_vocabulary(folder: Path) -> None:
    (folder / "vocab.json").write_text(json.dumps(WORDS))
    lines = ["#version: 0.2", *(f"{one} {other}" for one, other in MERGES)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def folder(tensors: Tensors, tmp_path: Path) -> Path:
    """All of CLIP, as it is published."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    save_file({**tensors, **REST}, tmp_path / "model.safetensors")
    write_vocabulary(tmp_path)
    return tmp_path


@pytest.fixture
def encoder(folder: Path) -> ClipTextEncoder:
    return load_clip(folder, "cpu", TINY)


def token_ids(*tokens: str) -> list[int]:
    """Start, tokens, end, and ends up to 77: what the published tokenizer makes of a text."""
    ids = [WORDS[START], *(WORDS[token] for token in tokens), WORDS[END]]
    return ids + [WORDS[END]] * (77 - len(ids))


def reference(tensors: Tensors, ids: list[int], *, visible: int = 77) -> Tensor:
    """`[77, C]`: the tower in plain PyTorch, written from its description.

    visible: How many tokens, from the start, may be looked at.
    """

    def weights(name: str) -> tuple[Tensor, Tensor]:
        return tensors[f"text_model.{name}.weight"], tensors[f"text_model.{name}.bias"]

    def linear(x: Tensor, name: str) -> Tensor:
        weight, bias = weights(name)
        return x @ weight.T + bias

    def norm(x: Tensor, name: str) -> Tensor:
        weight, bias = weights(name)
        centered = x - x.mean(-1, keepdim=True)
        return centered / torch.sqrt((centered**2).mean(-1, keepdim=True) + 1e-5) * weight + bias

    x = tensors["text_model.embeddings.token_embedding.weight"][ids]
    x = x + tensors["text_model.embeddings.position_embedding.weight"]
    to, from_ = torch.arange(77)[:, None], torch.arange(77)[None]
    hidden = (from_ > to) | (from_ >= visible)
    for block in ("encoder.layers.0", "encoder.layers.1"):
        h = norm(x, f"{block}.layer_norm1")
        q, k, v = (linear(h, f"{block}.self_attn.{p}_proj") for p in "qkv")
        heads = []
        for columns in (slice(0, 8), slice(8, 16)):
            scores = q[:, columns] @ k[:, columns].T / math.sqrt(8)
            heads.append(scores.masked_fill(hidden, -torch.inf).softmax(-1) @ v[:, columns])
        x = x + linear(torch.cat(heads, 1), f"{block}.self_attn.out_proj")
        wide = linear(norm(x, f"{block}.layer_norm2"), f"{block}.mlp.fc1")
        x = x + linear(wide * torch.sigmoid(1.702 * wide), f"{block}.mlp.fc2")
    return norm(x, "final_layer_norm")


def test_states_are_those_of_the_architecture(encoder: ClipTextEncoder, tensors: Tensors) -> None:
    states = encoder(["A  red chair", ""])
    assert states.shape == (2, 77, 16)
    assert states.dtype == torch.float32
    red_chair = reference(tensors, token_ids("a</w>", "red</w>", "chair</w>"))
    torch.testing.assert_close(states[0], red_chair, atol=1e-5, rtol=0)
    torch.testing.assert_close(states[1], reference(tensors, token_ids()), atol=1e-5, rtol=0)


def test_tokens_behind_the_end_take_part(encoder: ClipTextEncoder, tensors: Tensors) -> None:
    states = encoder(["red"])[0]
    masked = reference(tensors, token_ids("red</w>"), visible=3)
    torch.testing.assert_close(states[:3], masked[:3], atol=1e-5, rtol=0)  # causal
    assert (states[3:] - masked[3:]).abs().max(-1).values.min() > 1e-3


def test_the_tower_has_77_tokens(encoder: ClipTextEncoder) -> None:
    assert encoder.token_count == 77
    assert VIT_L14_TEXT.token_count == 77


def test_what_is_too_long_is_cut_off_and_said(encoder: ClipTextEncoder, tensors: Tensors) -> None:
    # With the start and the end, 75 words fit.
    assert encoder.fits("red " * 75)
    assert not encoder.fits("red " * 76)
    long = encoder(["red " * 90])[0]
    expected = reference(tensors, token_ids(*["red</w>"] * 75))
    torch.testing.assert_close(long, expected, atol=1e-5, rtol=0)


def test_every_text_can_be_read(encoder: ClipTextEncoder) -> None:
    texts = ["", " ", "Stuhl für Bär", "椅子", "🪑", "a\nb\tc", "x" * 10_000]
    assert encoder(texts).isfinite().all()


def test_a_text_means_the_same_in_any_batch(encoder: ClipTextEncoder) -> None:
    alone = encoder(["a red chair"])
    together = encoder(["b", "a red chair", "red " * 80])[1:2]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_both_kinds_of_tokenizer_files_read_alike(folder: Path) -> None:
    from transformers import CLIPTokenizer

    whole = CLIPTokenizer(vocab=WORDS, merges=MERGES)  # type: ignore[arg-type]
    texts = ["A red CHAIR!", "  re-d  chairs\n2", ""]
    from_parts = load_clip(folder, "cpu", TINY)(texts)
    whole.save_pretrained(folder)
    (folder / "vocab.json").unlink()
    (folder / "merges.txt").unlink()
    assert (folder / "tokenizer.json").exists()
    assert torch.equal(load_clip(folder, "cpu", TINY)(texts), from_parts)


def test_safetensors_and_torch_files_read_alike(folder: Path, tensors: Tensors) -> None:
    one = load_clip(folder, "cpu", TINY)(["red"])
    (folder / "model.safetensors").unlink()
    torch.save({**tensors, **REST}, folder / "pytorch_model.bin")
    assert torch.equal(load_clip(folder, "cpu", TINY)(["red"]), one)


def test_a_folder_of_the_text_tower_alone_is_read(folder: Path, tensors: Tensors) -> None:
    one = load_clip(folder, "cpu", TINY)(["red"])
    (folder / "config.json").write_text(json.dumps(CONFIG["text_config"]))
    save_file(tensors, folder / "model.safetensors")
    assert torch.equal(load_clip(folder, "cpu", TINY)(["red"]), one)


def test_only_the_text_tower_is_kept(encoder: ClipTextEncoder, tensors: Tensors) -> None:
    assert sum(p.numel() for p in encoder.parameters()) == sum(t.numel() for t in tensors.values())
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())


def test_the_full_size_has_the_tensors_of_the_library() -> None:
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    small_vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    text = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    with torch.device("meta"):
        whole = CLIPModel(CLIPConfig(text_config=text, vision_config=small_vision))
    found = {
        name: tuple(tensor.shape)
        for name, tensor in whole.state_dict().items()
        if name.startswith("text_model.")
    }
    assert found == clip_text_shapes(VIT_L14_TEXT)
    assert sum(math.prod(s) for s in found.values()) == pytest.approx(123e6, rel=0.01)


def without(key: str) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.__delitem__(key)


def with_(key: str, tensor: Tensor) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.__setitem__(key, tensor)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            without("text_model.encoder.layers.1.mlp.fc2.bias"),
            "lacks the tensor text_model.encoder.layers.1.mlp.fc2.bias",
        ),
        (
            with_("text_model.encoder.layers.2.mlp.fc2.bias", torch.ones(16)),
            "foreign tensor text_model.encoder.layers.2.mlp.fc2.bias",
        ),
        (with_("classifier.weight", torch.ones(16)), "foreign tensor classifier.weight"),
        (
            with_("text_model.embeddings.position_embedding.weight", torch.ones(64, 16)),
            r"position_embedding.weight has shape \[64, 16\], not \[77, 16\]",
        ),
        (
            with_("text_model.final_layer_norm.bias", torch.ones(16).half()),
            "final_layer_norm.bias is torch.float16",
        ),
    ],
)
def test_another_file_is_refused_by_name(
    folder: Path, tensors: Tensors, change: Callable[[Tensors], None], said: str
) -> None:
    stored = {**tensors, **REST}
    change(stored)
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(ModelUnavailable, match=said) as refused:
        load_clip(folder, "cpu", TINY)
    assert str(folder / "model.safetensors") in str(refused.value)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_a_file_cut_short_is_named(folder: Path, tensors: Tensors, name: str, share: float) -> None:
    file = folder / name
    if name == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
        torch.save({**tensors, **REST}, file)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelUnavailable, match=f"{name} cannot be read .*copy it again"):
        load_clip(folder, "cpu", TINY)


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("config.json", "config.json"),
        ("model.safetensors", "model.safetensors"),
        ("vocab.json", "tokenizer.json"),
        ("merges.txt", "vocab.json"),
    ],
)
def test_a_missing_file_is_named(folder: Path, missing: str, named: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ModelUnavailable, match=named):
        load_clip(folder, "cpu", TINY)


@pytest.mark.parametrize(("name", "value"), [("hidden_act", "gelu"), ("num_attention_heads", 4)])
def test_a_folder_with_other_settings_is_refused(folder: Path, name: str, value: object) -> None:
    text = {**CONFIG["text_config"], name: value}  # type: ignore[dict-item]
    (folder / "config.json").write_text(json.dumps({**CONFIG, "text_config": text}))
    with pytest.raises(ModelUnavailable, match=rf"config\.json has {name}="):
        load_clip(folder, "cpu", TINY)


def test_a_tokenizer_of_another_model_is_refused(folder: Path) -> None:
    other = Tokenizer(BPE(vocab={"a": 0, "b": 1}, merges=[]))
    other.save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json knows 2 words"):
        load_clip(folder, "cpu", TINY)


def test_a_tokenizer_without_ends_is_refused(folder: Path) -> None:
    renamed = {word.replace("<|", "<<"): number for word, number in WORDS.items()}
    Tokenizer(BPE(vocab=renamed, merges=[])).save(str(folder / "tokenizer.json"))
    with pytest.raises(ModelUnavailable, match=r"tokenizer\.json lacks the token <\|startoftext"):
        load_clip(folder, "cpu", TINY)
