"""What is published: repositories, revisions, files and licences, as data.

Revisions are commits on the Hugging Face hub. A SHA-256 is given where it was found published: by
the hub's own listings, or by several projects that pin the same file. Where it is None, the one
that is recorded when a model is added counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

Args = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """path: below the repository's folder. size_bytes, sha256: None where not known."""

    path: str
    size_bytes: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """One released `ckpts/<name>_fp16`, counted.

    kind: the class that its JSON names. args: what its JSON gives to that class.
    parameters, buffers: numbers of elements. tensor_bytes: of all tensors, without the header.
    """

    name: str
    kind: str
    args: Args
    key_count: int
    parameters: int
    buffers: int
    tensor_bytes: int


@dataclass(frozen=True, kw_only=True)
class SamplerFacts:
    """Values of a sampler in `pipeline.json`; both stages have the same."""

    steps: int
    cfg_strength: float
    cfg_interval: tuple[float, float]
    rescale_t: float


@dataclass(frozen=True, kw_only=True)
class PipelineFacts:
    """What `pipeline.json` says.

    models: checkpoint by role; those that other repositories hold are in `borrowed`.
    conditioner: of the picture or of the text, by role.
    """

    name: str
    models: Mapping[str, str]
    borrowed: Mapping[str, str]
    sampler: SamplerFacts
    conditioner: tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Published:
    """One thing to have on this machine.

    name: what people call it; also the name that `fetch` gives it.
    repository: on the Hugging Face hub; "" for a file that lies elsewhere, at `url`.
    aliases: other names of the same repository.
    revision: a commit; what is fetched unless another one is asked for.
    license: SPDX.
    optional: files that generation does without.
    """

    name: str
    repository: str = ""
    aliases: tuple[str, ...] = ()
    revision: str = ""
    url: str = ""
    license: str
    files: tuple[PublishedFile, ...]
    optional: frozenset[str] = frozenset()
    pipeline: PipelineFacts | None = None


SLAT_MEAN = (
    -2.1687545776367188, -0.004347046371549368, -0.13352349400520325, -0.08418072760105133,
    -0.5271206498146057, 0.7238689064979553, -1.1414450407028198, 1.2039363384246826,
)  # fmt: skip
SLAT_STD = (
    2.377650737762451, 2.386378288269043, 2.124418020248413, 2.1748552322387695,
    2.663944721221924, 2.371192216873169, 2.6217446327209473, 2.684523105621338,
)  # fmt: skip
SIGMA_MIN = 1e-5
SAMPLER_NAME = "FlowEulerGuidanceIntervalSampler"

# Licences under which a model may be used, changed and sold; others need someone's consent.
PERMISSIVE = frozenset(
    {"MIT", "MIT-0", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "Unlicense",
     "BSL-1.0", "CC0-1.0", "0BSD"}
)  # fmt: skip

_STRUCTURE_ARGS: Args = {
    "latent_channels": 8, "num_res_blocks": 2, "num_res_blocks_middle": 2, "use_fp16": True,
}  # fmt: skip
_SWIN_ARGS: Args = {
    "resolution": 64, "model_channels": 768, "latent_channels": 8, "num_blocks": 12,
    "num_heads": 12, "mlp_ratio": 4, "attn_mode": "swin", "window_size": 8, "use_fp16": True,
}  # fmt: skip
_GAUSSIANS = {
    "lr": {"_xyz": 1.0, "_features_dc": 1.0, "_opacity": 1.0, "_scaling": 1.0, "_rotation": 0.1},
    "perturb_offset": True, "voxel_size": 1.5, "num_gaussians": 32, "2d_filter_kernel_size": 0.1,
    "3d_filter_kernel_size": 9e-4, "scaling_bias": 4e-3, "opacity_bias": 0.1,
    "scaling_activation": "softplus",
}  # fmt: skip


def _flow_args(channels: int, condition_channels: int, blocks: int) -> Args:
    return {
        "in_channels": 8, "out_channels": 8, "model_channels": channels,
        "cond_channels": condition_channels, "num_blocks": blocks,
        "num_heads": 12 if channels == 768 else 16, "mlp_ratio": 4, "pe_mode": "ape",
        "qk_rms_norm": True, "use_fp16": True,
    }  # fmt: skip


def _structure_flow(
    name: str, size: tuple[int, int, int], counts: tuple[int, int, int, int]
) -> Checkpoint:
    args = {**_flow_args(*size), "resolution": 16, "patch_size": 1}
    if "XL" in name:
        args["qk_rms_norm_cross"] = True
    return _checkpoint(name, "SparseStructureFlowModel", args, counts)


def _slat_flow(
    name: str, size: tuple[int, int, int], counts: tuple[int, int, int, int]
) -> Checkpoint:
    args = {
        **_flow_args(*size), "resolution": 64, "patch_size": 2,
        "num_io_res_blocks": 3 if "XL" in name else 2,
        "io_block_channels": [256 if "XL" in name else 128],
    }  # fmt: skip
    return _checkpoint(name, "SLatFlowModel", args, counts)


def _checkpoint(name: str, kind: str, args: Args, counts: tuple[int, int, int, int]) -> Checkpoint:
    keys, parameters, buffers, tensor_bytes = counts
    return Checkpoint(
        name=name, kind=kind, args=args, key_count=keys, parameters=parameters, buffers=buffers,
        tensor_bytes=tensor_bytes,
    )  # fmt: skip


_IMAGE_L, _TEXT_B, _TEXT_L, _TEXT_XL = (
    (1024, 1024, 24), (768, 768, 12), (1024, 768, 24), (1280, 768, 28)
)  # fmt: skip

# The last column counts keys, parameters, buffer elements and bytes.
CHECKPOINTS = (
    _checkpoint("ss_enc_conv3d_16l8", "SparseStructureEncoder",
                {**_STRUCTURE_ARGS, "in_channels": 1, "channels": [32, 128, 512]},
                (74, 59_298_192, 0, 119_061_568)),
    _checkpoint("ss_dec_conv3d_16l8", "SparseStructureDecoder",
                {**_STRUCTURE_ARGS, "out_channels": 1, "channels": [512, 128, 32]},
                (74, 73_671_201, 0, 147_585_412)),
    _checkpoint("slat_enc_swin8_B_64l8", "SLatEncoder",
                {**_SWIN_ARGS, "in_channels": 1024}, (100, 85_817_104, 0, 173_233_216)),
    _checkpoint("slat_dec_gs_swin8_B_64l8gs32", "SLatGaussianDecoder",
                {**_SWIN_ARGS, "representation_config": _GAUSSIANS},
                (101, 85_369_024, 96, 171_441_280)),
    _checkpoint("slat_dec_rf_swin8_B_64l8r16", "SLatRadianceFieldDecoder",
                {**_SWIN_ARGS, "representation_config": {"rank": 16, "dim": 8}},
                (100, 85_369_024, 0, 171_440_896)),
    _checkpoint("slat_dec_mesh_swin8_B_64l8m256c", "SLatMeshDecoder",
                {**_SWIN_ARGS, "representation_config": {"use_color": True}},
                (120, 90_926_693, 0, 181_891_796)),
    _structure_flow("ss_flow_img_dit_L_16l8", _IMAGE_L,
                    (489, 555_543_560, 4_194_304, 1_130_721_312)),
    _structure_flow("ss_flow_txt_dit_B_16l8", _TEXT_B,
                    (249, 156_726_536, 3_145_728, 327_711_776)),
    _structure_flow("ss_flow_txt_dit_L_16l8", _TEXT_L,
                    (489, 542_960_648, 4_194_304, 1_105_555_488)),
    _structure_flow("ss_flow_txt_dit_XL_16l8", _TEXT_XL,
                    (625, 975_440_648, 5_242_880, 1_976_263_712)),
    _slat_flow("slat_flow_img_dit_L_64l8p2", _IMAGE_L, (526, 600_432_520, 0, 1_203_701_792)),
    _slat_flow("slat_flow_txt_dit_B_64l8p2", _TEXT_B, (286, 185_364_616, 0, 372_391_456)),
    _slat_flow("slat_flow_txt_dit_L_64l8p2", _TEXT_L, (526, 587_849_608, 0, 1_178_535_968)),
    _slat_flow("slat_flow_txt_dit_XL_64l8p2", _TEXT_XL, (624, 1_073_414_408, 0, 2_151_078_944)),
)  # fmt: skip

_DECODERS = {
    "sparse_structure_decoder": "ckpts/ss_dec_conv3d_16l8_fp16",
    "slat_decoder_gs": "ckpts/slat_dec_gs_swin8_B_64l8gs32_fp16",
    "slat_decoder_rf": "ckpts/slat_dec_rf_swin8_B_64l8r16_fp16",
    "slat_decoder_mesh": "ckpts/slat_dec_mesh_swin8_B_64l8m256c_fp16",
}
_ENCODER_FILES = frozenset(
    f"ckpts/{stem}_fp16.{suffix}"
    for stem in ("ss_enc_conv3d_16l8", "slat_enc_swin8_B_64l8")
    for suffix in ("json", "safetensors")
)
_IMAGE_REPOSITORY = "microsoft/TRELLIS-image-large"

_IMAGE_LARGE = Published(
    name="TRELLIS-image-large",
    repository=_IMAGE_REPOSITORY,
    aliases=("JeffreyXiang/TRELLIS-image-large",),
    revision="25e0d31ffbebe4b5a97464dd851910efc3002d96",
    license="MIT",
    optional=_ENCODER_FILES | {"README.md"},
    pipeline=PipelineFacts(
        name="TrellisImageTo3DPipeline",
        models=_DECODERS
        | {
            "sparse_structure_flow_model": "ckpts/ss_flow_img_dit_L_16l8_fp16",
            "slat_flow_model": "ckpts/slat_flow_img_dit_L_64l8p2_fp16",
        },
        borrowed={},
        sampler=SamplerFacts(steps=25, cfg_strength=5.0, cfg_interval=(0.5, 1.0), rescale_t=3.0),
        conditioner=("image_cond_model", "dinov2_vitl14_reg"),
    ),
    files=(
        PublishedFile(path="README.md", size_bytes=464),
        PublishedFile(path="pipeline.json", size_bytes=1987),
        PublishedFile(
            path="ckpts/ss_dec_conv3d_16l8_fp16.json", size_bytes=245,
            sha256="646781293f1cda74720de85d1cef50a957fb4aebd9a4bd014e454e32f2330ac5"),
        PublishedFile(
            path="ckpts/ss_dec_conv3d_16l8_fp16.safetensors", size_bytes=147_591_972,
            sha256="1c76d4a40519aa2d711cc263a8404105231ac26db31d946bed48b84fee79009a"),
        PublishedFile(
            path="ckpts/ss_enc_conv3d_16l8_fp16.json", size_bytes=244,
            sha256="12efe92a0d7dcd790f251acb94a6950957ea4398268e2838ef7319c3f20b071e"),
        PublishedFile(
            path="ckpts/ss_enc_conv3d_16l8_fp16.safetensors", size_bytes=119_068_016,
            sha256="107874eeaa0feb82f51b19db5da7db534fb7e7f19e5a122b9ff1bc2e258bfc6d"),
        PublishedFile(path="ckpts/ss_flow_img_dit_L_16l8_fp16.json", size_bytes=385),
        PublishedFile(
            path="ckpts/ss_flow_img_dit_L_16l8_fp16.safetensors", size_bytes=1_130_770_840,
            sha256="96dc6bfd4136fd950af564dd16b4ae533c9ba6af8f26c670646b2a9f2789b1db"),
        PublishedFile(path="ckpts/slat_flow_img_dit_L_64l8p2_fp16.json", size_bytes=442),
        PublishedFile(
            path="ckpts/slat_flow_img_dit_L_64l8p2_fp16.safetensors", size_bytes=1_203_755_136,
            sha256="693fb2a58ad497bd222007301eeec49d14d60f8c12d2f2f00c221fa747b4c66c"),
        PublishedFile(path="ckpts/slat_enc_swin8_B_64l8_fp16.json", size_bytes=321),
        PublishedFile(path="ckpts/slat_enc_swin8_B_64l8_fp16.safetensors", size_bytes=173_242_816),
        PublishedFile(path="ckpts/slat_dec_gs_swin8_B_64l8gs32_fp16.json", size_bytes=843),
        PublishedFile(path="ckpts/slat_dec_gs_swin8_B_64l8gs32_fp16.safetensors",
                      size_bytes=171_450_952),
        PublishedFile(path="ckpts/slat_dec_rf_swin8_B_64l8r16_fp16.json", size_bytes=396),
        PublishedFile(path="ckpts/slat_dec_rf_swin8_B_64l8r16_fp16.safetensors",
                      size_bytes=171_450_488),
        PublishedFile(path="ckpts/slat_dec_mesh_swin8_B_64l8m256c_fp16.json", size_bytes=372),
        PublishedFile(
            path="ckpts/slat_dec_mesh_swin8_B_64l8m256c_fp16.safetensors", size_bytes=181_903_412,
            sha256="3e87aba94b5786407eb06d0502c1ed0885a0027a3f2b8537bfe15b0a92c01859"),
    ),
)  # fmt: skip


def _text_model(name: str, size: str, revision: str) -> Published:
    flows = {
        "sparse_structure_flow_model": f"ckpts/ss_flow_txt_dit_{size}_16l8_fp16",
        "slat_flow_model": f"ckpts/slat_flow_txt_dit_{size}_64l8p2_fp16",
    }
    return Published(
        name=name,
        repository=f"microsoft/{name}",
        aliases=(f"JeffreyXiang/{name}",),
        revision=revision,
        license="MIT",
        optional=frozenset({"README.md"}),
        pipeline=PipelineFacts(
            name="TrellisTextTo3DPipeline",
            models=flows,
            borrowed={role: f"{_IMAGE_REPOSITORY}/{entry}" for role, entry in _DECODERS.items()},
            sampler=SamplerFacts(
                steps=25, cfg_strength=7.5, cfg_interval=(0.5, 0.95), rescale_t=3.0
            ),
            conditioner=("text_cond_model", "openai/clip-vit-large-patch14"),
        ),
        files=(
            PublishedFile(path="README.md"),
            PublishedFile(path="pipeline.json"),
            *(
                PublishedFile(path=f"{entry}.{suffix}")
                for entry in flows.values()
                for suffix in ("json", "safetensors")
            ),
        ),
    )


_DINOV2 = Published(
    name="dinov2",
    repository="facebook/dinov2-with-registers-large",
    revision="e4c89a4e05589de9b3e188688a303d0f3c04d0f3",
    license="Apache-2.0",
    files=(
        PublishedFile(path="README.md"),
        PublishedFile(path="config.json"),
        PublishedFile(path="model.safetensors"),
    ),
    optional=frozenset({"README.md"}),
)
_DINOV2_HUB = Published(
    name="dinov2-hub",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_reg4_pretrain.pth",
    license="Apache-2.0",
    files=(
        PublishedFile(
            path="dinov2_vitl14_reg4_pretrain.pth", size_bytes=1_217_607_321,
            sha256="36e4deffbaef061a2576705b0c36f93621e2ae20bf6274694821b0b492551b51"),
    ),
)  # fmt: skip
_CLIP = Published(
    name="clip",
    repository="openai/clip-vit-large-patch14",
    revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
    license="MIT",  # of OpenAI's release; the model card itself declares none
    files=(
        PublishedFile(path="README.md"),
        PublishedFile(
            path="config.json", size_bytes=4519,
            sha256="8a09b467700c58138c29d53c605b34ebc69beaadd13274a8a2af8ad2c2f4032a"),
        PublishedFile(
            path="model.safetensors", size_bytes=1_710_540_580,
            sha256="a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb"),
        PublishedFile(
            path="tokenizer.json",
            sha256="a83e0809aa4c3af7208b2df632a7a69668c6d48775b3c3fe4e1b1199d1f8b8f4"),
        PublishedFile(
            path="tokenizer_config.json",
            sha256="deef455e52fa5e8151e339add0582e4235f066009601360999d3a9cda83b1129"),
        PublishedFile(
            path="special_tokens_map.json",
            sha256="f8c0d6c39aee3f8431078ef6646567b0aba7f2246e9c54b8b99d55c22b707cbf"),
        PublishedFile(
            path="vocab.json",
            sha256="3f0c4f7d2086b61b38487075278ea9ed04edb53a03cbb045b86c27190fa8fb69"),
        PublishedFile(
            path="merges.txt",
            sha256="9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"),
    ),
    optional=frozenset({"README.md", "tokenizer_config.json", "special_tokens_map.json",
                        "vocab.json", "merges.txt"}),
)  # fmt: skip
_U2NET = Published(
    name="u2net",
    url="https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2net.onnx",
    license="Apache-2.0",
    files=(
        PublishedFile(  # MD5 60024c5c889badc19c04ad937298a77b
            path="u2net.onnx", size_bytes=175_997_641,
            sha256="8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491"),
    ),
)  # fmt: skip

PUBLISHED = (
    _IMAGE_LARGE,
    _text_model("TRELLIS-text-base", "B", "f8e8cf00c40d53dea26b718e49169ce83cf24c67"),
    _text_model("TRELLIS-text-large", "L", "4aad9f4a110329a410974d7f41ce5333a9a1fc87"),
    _text_model("TRELLIS-text-xlarge", "XL", "e0b00432b8e3a8ecee0df806ab1df9f7281f2be4"),
    _DINOV2,
    _DINOV2_HUB,
    _CLIP,
    _U2NET,
)

# What `pipeline.json` calls a conditioner -> what can serve as one, the preferred one first.
CONDITIONERS: Mapping[str, tuple[Published, ...]] = {
    "dinov2_vitl14_reg": (_DINOV2, _DINOV2_HUB),
    "openai/clip-vit-large-patch14": (_CLIP,),
    "u2net": (_U2NET,),
}


def published(name: str) -> Published | None:
    """Find by name, repository or the last part of a repository, in any case."""
    wanted = name.lower()
    for entry in PUBLISHED:
        full = [one.lower() for one in (entry.repository, *entry.aliases) if one]
        if wanted in (entry.name.lower(), *full, *(one.split("/")[-1] for one in full)):
            return entry
    return None


def published_file(entry: Published | None, path: str) -> PublishedFile | None:
    """The file of that path, if the entry has it."""
    files = entry.files if entry is not None else ()
    return next((file for file in files if file.path == path), None)


def checkpoint(path: str) -> Checkpoint | None:
    """The released checkpoint that a file or entry of that name is, `ckpts/..._fp16`."""
    stem = path.rsplit("/", 1)[-1].split(".")[0].removesuffix("_fp16")
    return next((one for one in CHECKPOINTS if one.name == stem), None)
