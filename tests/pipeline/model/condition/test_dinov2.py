"""DINOv2: the hub's file and a published folder -> the same tokens as the hub's architecture."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.errors import Cancelled, ModelUnavailable
from pipeline.model.condition.dinov2 import (
    VIT_L14_REG4,
    DinoV2Encoder,
    DinoV2Params,
    from_hub,
    hub_shapes,
    load_dinov2,
    transformers_shapes,
)

Tensors = dict[str, Tensor]
TINY = DinoV2Params(
    image_size=42, patch_size=14, channels=24, num_blocks=3, num_heads=4, num_registers=4
)
CONFIG = {
    "model_type": "dinov2_with_registers",
    "image_size": 42,
    "patch_size": 14,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_register_tokens": 4,
    "mlp_ratio": 4,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-06,
    "qkv_bias": True,
    "use_swiglu_ffn": False,
}


class HubPatches(nn.Module):
    def __init__(self, p: DinoV2Params) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, p.channels, p.patch_size, stride=p.patch_size)

    def forward(self, normalized: Tensor) -> Tensor:
        """Row by row, by hand."""
        size = self.proj.kernel_size[0]
        corners = range(0, normalized.shape[-1], size)
        patches = [
            normalized[:, :, y : y + size, x : x + size].flatten(1) @ self.proj.weight.flatten(1).T
            for y in corners
            for x in corners
        ]
        assert self.proj.bias is not None
        return torch.stack(patches, 1) + self.proj.bias


class HubAttention(nn.Module):
    def __init__(self, p: DinoV2Params) -> None:
        super().__init__()
        self.heads = p.num_heads
        self.qkv = nn.Linear(p.channels, 3 * p.channels)
        self.proj = nn.Linear(p.channels, p.channels)

    def forward(self, x: Tensor) -> Tensor:
        width = x.shape[-1] // self.heads
        samples = []
        for qkv in self.qkv(x):  # [T, 3 C]: all heads of q, then of k, then of v
            columns = [qkv[:, i * width : (i + 1) * width] for i in range(3 * self.heads)]
            heads = []
            for h in range(self.heads):
                q, k, v = (columns[part * self.heads + h] for part in range(3))
                heads.append(torch.softmax(q @ k.T / math.sqrt(width), dim=-1) @ v)
            samples.append(torch.cat(heads, dim=1))
        out: Tensor = self.proj(torch.stack(samples))
        return out


class HubScale(nn.Module):
    def __init__(self, p: DinoV2Params) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(p.channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class HubMlp(nn.Module):
    def __init__(self, p: DinoV2Params) -> None:
        super().__init__()
        self.fc1 = nn.Linear(p.channels, 4 * p.channels)
        self.fc2 = nn.Linear(4 * p.channels, p.channels)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.fc1(x)
        out: Tensor = self.fc2(wide * 0.5 * (1 + torch.erf(wide / math.sqrt(2))))
        return out


class HubNorm(nn.Module):
    def __init__(self, p: DinoV2Params) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(p.channels))
        self.bias = nn.Parameter(torch.zeros(p.channels))

    def forward(self, x: Tensor) -> Tensor:
        return plain_norm(x, 1e-6) * self.weight + self.bias


class HubBlock(nn.Module):
    def __init__(self, p: DinoV2Params) -> None:
        super().__init__()
        self.norm1, self.norm2 = HubNorm(p), HubNorm(p)
        self.attn, self.mlp = HubAttention(p), HubMlp(p)
        self.ls1, self.ls2 = HubScale(p), HubScale(p)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.ls1(self.attn(self.norm1(x)))
        x = x + self.ls2(self.mlp(self.norm2(x)))
        return x


class HubNetwork(nn.Module):
    """DINOv2 with registers in plain PyTorch, written from its description.

    Its parameters are named as in the hub's file.
    """

    def __init__(self, p: DinoV2Params) -> None:
        super().__init__()
        places = 1 + (p.image_size // p.patch_size) ** 2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, p.channels))
        self.register_tokens = nn.Parameter(torch.zeros(1, p.num_registers, p.channels))
        self.mask_token = nn.Parameter(torch.zeros(1, p.channels))
        self.pos_embed = nn.Parameter(torch.zeros(1, places, p.channels))
        self.patch_embed = HubPatches(p)
        self.blocks = nn.ModuleList(HubBlock(p) for _ in range(p.num_blocks))
        self.norm = HubNorm(p)

    @torch.no_grad()
    def forward(self, rgb: Tensor) -> Tensor:
        """All tokens before the last norm: class, registers, patches."""
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        patches = self.patch_embed((rgb - mean[None, :, None, None]) / std[None, :, None, None])
        batch = len(rgb)
        x = torch.cat([self.cls_token.expand(batch, -1, -1), patches], 1) + self.pos_embed
        registers = self.register_tokens.expand(batch, -1, -1)
        x = torch.cat([x[:, :1], registers, x[:, 1:]], 1)
        for block in self.blocks:
            x = block(x)
        return x


def plain_norm(x: Tensor, eps: float) -> Tensor:
    centered = x - x.mean(-1, keepdim=True)
    return centered / torch.sqrt((centered**2).mean(-1, keepdim=True) + eps)


@pytest.fixture(scope="module")
def hub() -> HubNetwork:
    torch.manual_seed(3)
    network = HubNetwork(TINY)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            # Far from what they start as, so that a norm or a scale left out shows.
            inputs = parameter[0].numel() if parameter.dim() in (2, 4) else 10
            parameter.copy_(torch.randn_like(parameter) / math.sqrt(inputs))
            if name.endswith((".gamma", "norm1.weight", "norm2.weight")):
                parameter.add_(1)
    return network


@pytest.fixture(scope="module")
def hub_tensors(hub: HubNetwork) -> Tensors:
    return {name: tensor.clone() for name, tensor in hub.state_dict().items()}


@pytest.fixture
def hub_file(hub_tensors: Tensors, tmp_path: Path) -> Path:
    file = tmp_path / "tiny_reg4_pretrain.pth"
    torch.save(hub_tensors, file)
    return file


@pytest.fixture
def folder(hub_tensors: Tensors, tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    stored = {name: t.contiguous() for name, t in from_hub(hub_tensors).items()}
    save_file(stored, tmp_path / "model.safetensors")
    return tmp_path


@pytest.fixture
def encoder(hub_file: Path) -> DinoV2Encoder:
    return load_dinov2(hub_file, "cpu", TINY)


def pictures(count: int = 2, side: int = 42) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(5))


def test_the_hubs_keys_are_those_of_its_architecture(hub: HubNetwork) -> None:
    found = {name: tuple(tensor.shape) for name, tensor in hub.state_dict().items()}
    assert found == hub_shapes(TINY)


def test_conditions_are_the_hubs_tokens_before_the_last_norm_then_a_plain_norm(
    hub: HubNetwork, encoder: DinoV2Encoder
) -> None:
    tokens = encoder(pictures())
    assert tokens.shape == (2, 1 + 4 + 9, 24)
    assert tokens.dtype == torch.float32
    torch.testing.assert_close(tokens, plain_norm(hub(pictures()), 1e-5), atol=1e-5, rtol=0)


def test_patch_features_are_the_tokens_of_the_patches_without_a_norm(
    hub: HubNetwork, encoder: DinoV2Encoder
) -> None:
    x = hub(pictures())
    features = encoder.patch_features(pictures())
    assert features.shape == (2, 24, 3, 3)
    for row in range(3):
        for column in range(3):
            expected = x[:, 5 + 3 * row + column]
            torch.testing.assert_close(features[:, :, row, column], expected, atol=1e-5, rtol=0)


def test_faint_tokens_show_the_right_epsilon_in_every_norm(tmp_path: Path) -> None:
    torch.manual_seed(4)
    hub = HubNetwork(TINY)
    with torch.no_grad():
        for name, parameter in hub.named_parameters():
            if not name.endswith("norm1.weight") and not name.endswith("norm2.weight"):
                parameter.copy_(torch.randn_like(parameter) * 0.2)
            if name.endswith("gamma") or not name.startswith("blocks"):
                parameter.mul_(1e-3)  # tokens of 1e-3: their variance is near 1e-6
    torch.save(hub.state_dict(), tmp_path / "faint.pth")
    encoder = load_dinov2(tmp_path / "faint.pth", "cpu", TINY)
    x = hub(pictures())
    assert x.var(-1).max() < 1e-4
    torch.testing.assert_close(encoder(pictures()), plain_norm(x, 1e-5), atol=1e-5, rtol=0)
    features = encoder.patch_features(pictures()).flatten(2).transpose(1, 2)
    torch.testing.assert_close(features, x[:, 5:], atol=1e-8, rtol=1e-5)


def test_a_folder_gives_the_same_tokens_as_the_hubs_file(hub_file: Path, folder: Path) -> None:
    one, other = load_dinov2(hub_file, "cpu", TINY), load_dinov2(folder, "cpu", TINY)
    assert torch.equal(one(pictures()), other(pictures()))


def test_the_table_of_positions_is_used_as_it_is(
    encoder: DinoV2Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> Tensor:
        raise AssertionError("interpolated")

    monkeypatch.setattr(F, "interpolate", refuse)
    encoder(pictures(1))


def test_a_picture_of_another_size_is_our_mistake(encoder: DinoV2Encoder) -> None:
    with pytest.raises(AssertionError):
        encoder(pictures(1, side=56))


def test_a_batch_is_its_pictures_one_by_one(encoder: DinoV2Encoder) -> None:
    alone = torch.cat([encoder(picture[None]) for picture in pictures(3)])
    torch.testing.assert_close(encoder(pictures(3)), alone, atol=1e-5, rtol=0)


def test_nothing_is_left_to_train(encoder: DinoV2Encoder) -> None:
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not encoder(pictures(1)).requires_grad


def test_the_last_norm_and_a_second_copy_are_not_kept(
    encoder: DinoV2Encoder, hub_tensors: Tensors
) -> None:
    kept = sum(p.numel() for p in encoder.parameters())
    everything = sum(t.numel() for t in hub_tensors.values())
    assert kept == everything - 2 * TINY.channels


def test_every_block_is_told_and_may_stop(encoder: DinoV2Encoder) -> None:
    heard: list[float] = []
    encoder(pictures(1), heard.append)
    assert heard == pytest.approx([1 / 3, 2 / 3, 1])

    def stop(share: float) -> None:
        raise Cancelled(f"stopped at {share}")

    with pytest.raises(Cancelled):
        encoder.patch_features(pictures(1), stop)


def test_all_keys_of_the_full_size_convert() -> None:
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    shapes = hub_shapes(VIT_L14_REG4)
    assert len(shapes) == 8 + 24 * 14
    assert shapes["pos_embed"] == (1, 1370, 1024)
    assert shapes["register_tokens"] == (1, 4, 1024)
    assert shapes["blocks.23.attn.qkv.weight"] == (3072, 1024)
    bytes_of_all = 4 * sum(math.prod(shape) for shape in shapes.values())
    assert bytes_of_all == pytest.approx(1.2e9, rel=0.02)

    # By another road: the library's own module at that size, one parameter for each.
    with torch.device("meta"):
        module = Dinov2WithRegistersModel(
            Dinov2WithRegistersConfig(
                hidden_size=1024,
                num_hidden_layers=24,
                num_attention_heads=16,
                image_size=518,
                patch_size=14,
            )
        )
    expected = sorted(tuple(p.shape) for p in module.parameters())
    assert sorted(transformers_shapes(VIT_L14_REG4).values()) == expected


def test_a_published_folder_has_the_names_that_the_library_stores(tmp_path: Path) -> None:
    from safetensors import safe_open
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    config = Dinov2WithRegistersConfig(
        hidden_size=24, num_hidden_layers=3, num_attention_heads=4, image_size=42, patch_size=14
    )
    Dinov2WithRegistersModel(config).save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as stored:
        found = {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    assert found == transformers_shapes(TINY)
    load_dinov2(tmp_path, "cpu", TINY)


def without(key: str) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.__delitem__(key)


def with_(key: str, tensor: Tensor) -> Callable[[Tensors], None]:
    return lambda tensors: tensors.__setitem__(key, tensor)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("blocks.2.ls2.gamma"), "lacks the tensor blocks.2.ls2.gamma"),
        (without("register_tokens"), "lacks the tensor register_tokens"),
        (with_("blocks.3.norm1.weight", torch.ones(24)), "foreign tensor blocks.3.norm1.weight"),
        (with_("head.weight", torch.ones(2, 24)), "foreign tensor head.weight"),
        (with_("pos_embed", torch.ones(1, 17, 24)), r"pos_embed has shape \[1, 17, 24\]"),
        (with_("norm.bias", torch.ones(24).half()), "norm.bias is torch.float16"),
    ],
)
def test_another_hub_file_is_refused_by_name(
    hub_tensors: Tensors, tmp_path: Path, change: Callable[[Tensors], None], said: str
) -> None:
    tensors = dict(hub_tensors)
    change(tensors)
    file = tmp_path / "other.pth"
    torch.save(tensors, file)
    with pytest.raises(ModelUnavailable, match=said) as refused:
        load_dinov2(file, "cpu", TINY)
    assert str(file) in str(refused.value)


@pytest.mark.parametrize("key", ["layernorm.bias", "embeddings.register_tokens"])
def test_another_folder_is_refused_by_name(folder: Path, hub_tensors: Tensors, key: str) -> None:
    stored = {name: t.contiguous() for name, t in from_hub(hub_tensors).items() if name != key}
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(ModelUnavailable, match=f"lacks the tensor {key}") as refused:
        load_dinov2(folder, "cpu", TINY)
    assert str(folder / "model.safetensors") in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"), [("hidden_act", "gelu_new"), ("num_attention_heads", 3), ("image_size", 224)]
)
def test_a_folder_with_other_settings_is_refused(folder: Path, name: str, value: object) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, name: value}))
    with pytest.raises(ModelUnavailable, match=rf"config\.json has {name}="):
        load_dinov2(folder, "cpu", TINY)


@pytest.mark.parametrize("content", ["[1]", "{", ""])
def test_a_damaged_config_is_named(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        load_dinov2(folder, "cpu", TINY)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_hub_file_cut_short_is_named(hub_file: Path, share: float) -> None:
    content = hub_file.read_bytes()
    hub_file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelUnavailable, match=r"pretrain\.pth cannot be read .*copy it again"):
        load_dinov2(hub_file, "cpu", TINY)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_folders_file_cut_short_is_named(folder: Path, share: float) -> None:
    file = folder / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelUnavailable, match=r"model\.safetensors cannot be read"):
        load_dinov2(folder, "cpu", TINY)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"absent\.pth cannot be read"):
        load_dinov2(tmp_path / "absent.pth", "cpu", TINY)
    with pytest.raises(ModelUnavailable, match=r"config\.json cannot be read"):
        load_dinov2(tmp_path, "cpu", TINY)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "code.pth"
    torch.save({"cls_token": replace}, file)
    with pytest.raises(ModelUnavailable, match=r"code\.pth cannot be read"):
        load_dinov2(file, "cpu", TINY)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "training.pth"
    torch.save({"model": {"cls_token": torch.ones(1)}}, file)
    with pytest.raises(ModelUnavailable, match="must hold tensors by name"):
        load_dinov2(file, "cpu", TINY)
