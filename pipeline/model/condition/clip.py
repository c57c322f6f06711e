"""CLIP's text tower: the text encoder of the published models.

Source: Radford et al., Learning Transferable Visual Models From Natural Language Supervision, 2021.
The network and the tokenizer are those of `transformers`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from pipeline.errors import ModelUnavailable
from pipeline.model.condition.pretrained import (
    Json,
    Shape,
    check_config,
    check_tensors,
    read_config,
    read_tensors,
)

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer
    from transformers import CLIPTextModel

_START, _END = "<|startoftext|>", "<|endoftext|>"
# A published folder holds all of CLIP: the tower for pictures, the projections that make both
# comparable, and a table that counts from 0 to 76. None of them is part of a condition.
_IGNORED = (
    "vision_model.",
    "visual_projection.weight",
    "text_projection.weight",
    "logit_scale",
    "text_model.embeddings.position_ids",
)


@dataclass(frozen=True, kw_only=True)
class ClipTextParams:
    """Words known, tokens per text, widths, depth, heads."""

    vocab_size: int
    token_count: int
    channels: int
    mlp_channels: int
    num_blocks: int
    num_heads: int


VIT_L14_TEXT = ClipTextParams(
    vocab_size=49_408, token_count=77, channels=768, mlp_channels=3072, num_blocks=12, num_heads=12
)


class ClipTextEncoder(nn.Module):
    """Token states of CLIP's text tower, after its last norm.

    All `token_count` of them, also those behind the end of a text: the published flow models were
    trained with them, so no attention mask is given.
    """

    def __init__(self, model: "CLIPTextModel", tokenizer: "Tokenizer", token_count: int) -> None:
        super().__init__()
        self.token_count = token_count
        self.model = cast(nn.Module, model)  # its own call is untyped
        self._tokenizer = tokenizer
        tokenizer.enable_truncation(token_count)
        end = tokenizer.token_to_id(_END)
        tokenizer.enable_padding(length=token_count, pad_id=end, pad_token=_END)

    @torch.no_grad()
    def forward(self, texts: Sequence[str]) -> Tensor:
        """`[B, token_count, C]` float32; what is longer is cut off at the end."""
        device = next(self.model.parameters()).device
        ids = torch.tensor([self._encode(text).ids for text in texts], device=device)
        states: Tensor = self.model(input_ids=ids).last_hidden_state
        return states

    def fits(self, text: str) -> bool:
        """Whether nothing of `text` is cut off."""
        return not self._encode(text).overflowing

    def _encode(self, text: str) -> "Encoding":
        return self._tokenizer.encode(text)


def load_clip(folder: Path, device: str, params: ClipTextParams = VIT_L14_TEXT) -> ClipTextEncoder:
    """Load a folder in the layout of `transformers`, `openai/clip-vit-large-patch14`.

    It has `config.json`; `model.safetensors` or `pytorch_model.bin`; `tokenizer.json` or
    `vocab.json` with `merges.txt`. ViT-L's text tower takes 0.5 GB.

    Raises:
        ModelUnavailable: Naming the file, and the setting or tensor in it that is another model's.
    """
    config_file = folder / "config.json"
    config = read_config(config_file)
    check_config(config_file, config.get("text_config", config), _settings(params))
    tokenizer = _read_tokenizer(folder, params.vocab_size)
    file = folder / "model.safetensors"
    if not file.exists() and (folder / "pytorch_model.bin").exists():
        file = folder / "pytorch_model.bin"
    tensors = read_tensors(file, _IGNORED)
    check_tensors(file, tensors, clip_text_shapes(params))
    encoder = ClipTextEncoder(_model(params, tokenizer, tensors), tokenizer, params.token_count)
    return encoder.to(device).eval().requires_grad_(False)


def clip_text_shapes(params: ClipTextParams) -> dict[str, Shape]:
    """Names and shapes of the text tower in a published file."""
    c, mlp = params.channels, params.mlp_channels
    shapes: dict[str, Shape] = {
        "text_model.embeddings.token_embedding.weight": (params.vocab_size, c),
        "text_model.embeddings.position_embedding.weight": (params.token_count, c),
        "text_model.final_layer_norm.weight": (c,),
        "text_model.final_layer_norm.bias": (c,),
    }
    block: dict[str, Shape] = {
        "layer_norm1.weight": (c,),
        "layer_norm1.bias": (c,),
        "layer_norm2.weight": (c,),
        "layer_norm2.bias": (c,),
        "mlp.fc1.weight": (mlp, c),
        "mlp.fc1.bias": (mlp,),
        "mlp.fc2.weight": (c, mlp),
        "mlp.fc2.bias": (c,),
    }
    for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
        block[f"self_attn.{projection}.weight"] = (c, c)
        block[f"self_attn.{projection}.bias"] = (c,)
    for i in range(params.num_blocks):
        layer = f"text_model.encoder.layers.{i}"
        shapes |= {f"{layer}.{name}": shape for name, shape in block.items()}
    return shapes


def _settings(params: ClipTextParams) -> dict[str, Json]:
    """What `config.json` says of this network."""
    return {
        "vocab_size": params.vocab_size,
        "max_position_embeddings": params.token_count,
        "hidden_size": params.channels,
        "intermediate_size": params.mlp_channels,
        "num_hidden_layers": params.num_blocks,
        "num_attention_heads": params.num_heads,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
    }


def _read_tokenizer(folder: Path, vocab_size: int) -> "Tokenizer":
    from tokenizers import Tokenizer

    whole, vocab, merges = (folder / n for n in ("tokenizer.json", "vocab.json", "merges.txt"))
    file = whole if whole.exists() or not vocab.exists() else vocab
    try:
        if file is whole:
            tokenizer = Tokenizer.from_file(str(whole))
        else:
            from tokenizers.models import BPE
            from transformers import CLIPTokenizer  # seconds of imports

            words, pairs = BPE.read_file(str(vocab), str(merges))
            # Pairs are what it takes, whatever its types say.
            merged = CLIPTokenizer(vocab=words, merges=pairs)  # type: ignore[arg-type]
            tokenizer = merged.backend_tokenizer
    except Exception as e:  # the library raises nothing narrower
        raise ModelUnavailable(f"{file} is no readable tokenizer ({e}); copy it again") from e
    found = tokenizer.get_vocab_size()
    if found != vocab_size:
        raise ModelUnavailable(f"{file} knows {found} words, not {vocab_size}; it is another model")
    for token in (_START, _END):
        if tokenizer.token_to_id(token) is None:
            raise ModelUnavailable(f"{file} lacks the token {token}; it is another model")
    return tokenizer


def _model(
    params: ClipTextParams, tokenizer: "Tokenizer", tensors: Mapping[str, Tensor]
) -> "CLIPTextModel":
    """The network over `tensors`, which are not copied."""
    from transformers import CLIPTextConfig, CLIPTextModel  # seconds of imports
    from transformers.utils import logging as transformers_logging

    # It would draw over the command's own.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    config = CLIPTextConfig(
        **_settings(params),
        # Only its summary of a text depends on them, which is not used.
        bos_token_id=tokenizer.token_to_id(_START),
        eos_token_id=tokenizer.token_to_id(_END),
        pad_token_id=tokenizer.token_to_id(_END),
    )
    # By way of its own loader, which knows what the modules are called in the installed version.
    loaded = CLIPTextModel.from_pretrained(
        None,
        config=config,
        state_dict=dict(tensors),
        dtype=torch.float32,
        output_loading_info=True,
    )
    # What it returns depends on the last argument, which its types do not say.
    model, report = cast("tuple[CLIPTextModel, dict[str, set[str]]]", loaded)
    assert not any(report.values()), report  # names and shapes are checked already
    return model
