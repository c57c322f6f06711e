"""DINOv2 with registers: the picture encoder of the published models.

Source: Oquab et al., DINOv2: Learning Robust Visual Features without Supervision, 2023; Darcet et
al., Vision Transformers Need Registers, 2023. The network is that of `transformers`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.condition.pretrained import (
    Json,
    Shape,
    check_config,
    check_tensors,
    read_config,
    read_tensors,
)

if TYPE_CHECKING:
    from transformers import Dinov2WithRegistersModel

_MEAN = (0.485, 0.456, 0.406)  # ImageNet's, as in its training
_STD = (0.229, 0.224, 0.225)
_CONDITION_EPS = 1e-5  # of the norm that makes a condition; those inside the network have 1e-6
_MLP_RATIO = 4


@dataclass(frozen=True, kw_only=True)
class DinoV2Params:
    """Picture side and patch side in pixels, width, depth, heads, tokens without a place."""

    image_size: int
    patch_size: int
    channels: int
    num_blocks: int
    num_heads: int
    num_registers: int

    @property
    def grid_size(self) -> int:
        """Patches per side."""
        return self.image_size // self.patch_size


VIT_L14_REG4 = DinoV2Params(
    image_size=518, patch_size=14, channels=1024, num_blocks=24, num_heads=16, num_registers=4
)


class DinoV2Encoder(nn.Module):
    """Pictures -> tokens: one for the class, the registers, then the patches row by row.

    All tokens are taken before the network's own last norm.
    """

    def __init__(self, model: "Dinov2WithRegistersModel", params: DinoV2Params) -> None:
        super().__init__()
        self.image_size = params.image_size
        self._params = params
        self.embeddings = model.embeddings
        self.blocks = model.encoder.layer
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_STD)[:, None, None], persistent=False)

    @torch.no_grad()
    def forward(self, pictures: Tensor, on_block: Callable[[float], None] | None = None) -> Tensor:
        """Make conditions: tokens, each normalized without weights.

        Args:
            pictures: `[B, 3, image_size, image_size]` float32 in 0..1, on black.
            on_block: Is told after every block which share is done; may raise to stop.

        Returns:
            `[B, 1 + registers + patches, C]` float32; `[B, 1374, 1024]` for ViT-L/14 at 518.
        """
        tokens = self._tokens(pictures, on_block)
        return F.layer_norm(tokens, tokens.shape[-1:], eps=_CONDITION_EPS)

    @torch.no_grad()
    def patch_features(
        self, pictures: Tensor, on_block: Callable[[float], None] | None = None
    ) -> Tensor:
        """Make feature maps: the tokens of the patches as they are, which the SLAT encoder takes.

        Args and pictures as in `forward`.

        Returns:
            `[B, C, grid, grid]` float32, row 0 at the top; `[B, 1024, 37, 37]` at 518.
        """
        patches = self._tokens(pictures, on_block)[:, 1 + self._params.num_registers :]
        grid = self._params.grid_size
        return patches.transpose(1, 2).reshape(len(patches), -1, grid, grid)

    def _tokens(self, pictures: Tensor, on_block: Callable[[float], None] | None) -> Tensor:
        # At the trained size the table of positions is used as it is; no other is needed.
        assert pictures.shape[1:] == (3, self.image_size, self.image_size), pictures.shape
        h: Tensor = self.embeddings((pictures - self.mean) / self.std)  # [B, T, C]
        for number, block in enumerate(self.blocks, 1):
            h = block(h)
            if on_block is not None:
                on_block(number / len(self.blocks))
        return h


def load_dinov2(path: Path, device: str, params: DinoV2Params = VIT_L14_REG4) -> DinoV2Encoder:
    """Load a folder in the layout of `transformers` (`facebook/dinov2-with-registers-large`), or
    the file of torch.hub (`dinov2_vitl14_reg4_pretrain.pth`). ViT-L takes 1.2 GB.

    Raises:
        ModelUnavailable: Naming the file, and the setting or tensor in it that is another model's.
    """
    if path.is_dir():
        config_file, file = path / "config.json", path / "model.safetensors"
        check_config(config_file, read_config(config_file), _settings(params))
        tensors = read_tensors(file)
        check_tensors(file, tensors, transformers_shapes(params))
    else:
        tensors = read_tensors(path)
        check_tensors(path, tensors, hub_shapes(params))
        tensors = from_hub(tensors)
    return DinoV2Encoder(_model(params, tensors), params).to(device).eval().requires_grad_(False)


def hub_shapes(params: DinoV2Params) -> dict[str, Shape]:
    """Names and shapes in the file of torch.hub."""
    c, mlp, patch = params.channels, params.channels * _MLP_RATIO, params.patch_size
    shapes: dict[str, Shape] = {
        "cls_token": (1, 1, c),
        "register_tokens": (1, params.num_registers, c),
        "mask_token": (1, c),  # of its training; never used here
        "pos_embed": (1, 1 + params.grid_size**2, c),
        "patch_embed.proj.weight": (c, 3, patch, patch),
        "patch_embed.proj.bias": (c,),
        "norm.weight": (c,),
        "norm.bias": (c,),
    }
    block: dict[str, Shape] = {
        "norm1.weight": (c,),
        "norm1.bias": (c,),
        "attn.qkv.weight": (3 * c, c),
        "attn.qkv.bias": (3 * c,),
        "attn.proj.weight": (c, c),
        "attn.proj.bias": (c,),
        "ls1.gamma": (c,),
        "norm2.weight": (c,),
        "norm2.bias": (c,),
        "mlp.fc1.weight": (mlp, c),
        "mlp.fc1.bias": (mlp,),
        "mlp.fc2.weight": (c, mlp),
        "mlp.fc2.bias": (c,),
        "ls2.gamma": (c,),
    }
    for i in range(params.num_blocks):
        shapes |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
    return shapes


def transformers_shapes(params: DinoV2Params) -> dict[str, Shape]:
    """Names and shapes in a published `model.safetensors`."""
    empty = {name: torch.empty(s, device="meta") for name, s in hub_shapes(params).items()}
    return {name: tuple(tensor.shape) for name, tensor in from_hub(empty).items()}


_OUTER_NAMES = {
    "cls_token": "embeddings.cls_token",
    "register_tokens": "embeddings.register_tokens",
    "mask_token": "embeddings.mask_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
    "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
    "norm.weight": "layernorm.weight",
    "norm.bias": "layernorm.bias",
}
_BLOCK_NAMES = {  # those of the norms and of the MLP are the same in both
    "attn.proj.weight": "attention.output.dense.weight",
    "attn.proj.bias": "attention.output.dense.bias",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}


def from_hub(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the hub's tensors to what a published `model.safetensors` calls them.

    Query, key and value, one tensor there and three here, stay views of it.
    """
    renamed: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        in_block = re.fullmatch(r"blocks\.(\d+)\.(.+)", key)
        if in_block is None:
            renamed[_OUTER_NAMES[key]] = tensor
            continue
        layer, name = f"encoder.layer.{in_block[1]}", in_block[2]
        if name.startswith("attn.qkv."):
            kind = name.removeprefix("attn.qkv.")
            for part, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                renamed[f"{layer}.attention.attention.{part}.{kind}"] = rows
        else:
            renamed[f"{layer}.{_BLOCK_NAMES.get(name, name)}"] = tensor
    return renamed


def _settings(params: DinoV2Params) -> dict[str, Json]:
    """What `config.json` says of this network."""
    return {
        "image_size": params.image_size,
        "patch_size": params.patch_size,
        "hidden_size": params.channels,
        "num_hidden_layers": params.num_blocks,
        "num_attention_heads": params.num_heads,
        "num_register_tokens": params.num_registers,
        "mlp_ratio": _MLP_RATIO,
        "hidden_act": "gelu",  # the exact one; the published models' own blocks use tanh
        "layer_norm_eps": 1e-6,
        "qkv_bias": True,
        "use_swiglu_ffn": False,
    }


def _model(params: DinoV2Params, tensors: Mapping[str, Tensor]) -> "Dinov2WithRegistersModel":
    """The network over `tensors`, which are not copied."""
    from transformers import (  # seconds of imports
        Dinov2WithRegistersConfig,
        Dinov2WithRegistersModel,
    )
    from transformers.utils import logging as transformers_logging

    # It would draw over the command's own.
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # By way of its own loader, which knows what the modules are called in the installed version.
    loaded = Dinov2WithRegistersModel.from_pretrained(
        None,
        config=Dinov2WithRegistersConfig(**_settings(params)),
        state_dict=dict(tensors),
        dtype=torch.float32,
        output_loading_info=True,
    )
    # What it returns depends on the last argument, which its types do not say.
    model, report = cast("tuple[Dinov2WithRegistersModel, dict[str, set[str]]]", loaded)
    assert not any(report.values()), report  # names and shapes are checked already
    return model
