"""`lodsmith train --lora`: a folder of a studio's own assets -> an adapter file."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.encode.encode import EncodedAsset, encode_surface
from pipeline.errors import DiskFull, InvalidInput
from pipeline.load import load_models
from pipeline.model.kernel_options import KernelOptions
from pipeline.model.load_options import LoadOptions
from pipeline.model.lora import Flow, save_adapter
from pipeline.training.datasets.asset import AssetFilter, AssetSource, Collected
from pipeline.training.datasets.layout import read_dataset
from pipeline.training.lora import Judged, LoraOptions, train_adapter
from pipeline.training.prepare import Prepared, ViewOptions, prepare
from pipeline.types import Progress, Silent, Stage, Surface

if TYPE_CHECKING:
    from pipeline.model.models import Models

SUFFIX = ".safetensors"
VIEWS = 12  # pictures of each asset, for models that take pictures
_FLOW_NAMES: dict[Flow, str] = {"structure_flow": "structure", "slat_flow": "slat"}

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """What to train on what.

    folder: a data set in any of the layouts that `read_dataset` knows. out: the adapter file.
    model: name or folder. home, device: as in `LoadOptions`. name: of the adapter. caption: for
    assets that have none; empty leaves them out where the model takes captions. wanted: which
    assets to take; whether they need captions is the model's matter.
    """

    folder: Path
    out: Path
    model: str
    home: str
    device: str
    name: str
    caption: str = ""
    wanted: AssetFilter = field(default_factory=AssetFilter)
    options: LoraOptions = field(default_factory=LoraOptions)

    def __post_init__(self) -> None:
        if self.out.suffix != SUFFIX:
            raise InvalidInput(f"the adapter's file must end in {SUFFIX}, got {self.out.name}")

    @property
    def work(self) -> Path:
        """Folder beside the adapter for checkpoints, logs and encoded assets."""
        return self.out.with_suffix(".training")


class Spoken(Silent):
    """A `Progress` that passes warnings on as lines."""

    def __init__(self, say: Say) -> None:
        self._say = say

    def warn(self, stage: Stage, message: str) -> None:
        self._say(f"warning: {message}")


def fine_tune(asked: FineTuning, progress: Progress, say: Say) -> tuple[Judged, ...]:
    """Train an adapter and write its file. The same call again goes on after a stop.

    Args:
        asked: What to train.
        progress: May raise to stop while assets are read and encoded; hears of what is poorer.
        say: Is given lines that tell what happens.

    Returns:
        How well the flows know the assets, before and after.

    Raises:
        InvalidInput: If the folder has nothing to train on, or the work folder belongs to another
            training.
        ModelUnavailable: If the model is not there, or came without encoders.
        DiskFull: If the adapter cannot be written.
    """
    if not asked.folder.is_dir():  # said before a large model is loaded
        raise InvalidInput(f"{asked.folder} is not a folder; name the one that holds the meshes")
    models = _load(asked)
    takes_captions = models.text_encoder is not None
    source = _assets(asked, takes_captions=takes_captions)
    _say_what_is_left_out(source, say)
    if len(source) == 0:
        raise InvalidInput(_nothing(asked, source, takes_captions=takes_captions))
    size_px = 0 if models.image_encoder is None else models.image_encoder.image_size

    def encode(surface: Surface, progress: Progress) -> EncodedAsset:
        return encode_surface(models, surface, progress)

    prepared = prepare(
        source,
        encode,
        models.facts.digest,
        ViewOptions(count=VIEWS if size_px else 0, size_px=size_px),
        asked.work / "encoded",
        progress,
        say,
    )
    _check_prepared(prepared)

    def report(flow: str, row: dict[str, float]) -> None:
        name = _FLOW_NAMES["structure_flow" if flow == "structure_flow" else "slat_flow"]
        say(
            f"{name}: step {row['step']:,} of {asked.options.steps:,}, "
            f"loss {row['velocity']:.4f} ({row['seconds']:.0f} s)"
        )

    say(f"training on {len(prepared.assets)} assets; Ctrl-C stops, the same command goes on")
    adapter, judged = train_adapter(
        models, prepared.assets, asked.options, asked.work, asked.name, report
    )
    _write(save_adapter(adapter), asked.out)
    for one in judged:
        say(
            f"{_FLOW_NAMES[one.flow]}: loss on these assets {one.before:.4f} without the adapter, "
            f"{one.after:.4f} with it"
        )
    return judged


def _load(asked: FineTuning) -> "Models":
    """All on the device, in float32, with kernels that gradients flow through."""
    options = LoadOptions(
        models=(asked.model,),
        home=asked.home,
        device=asked.device,
        kernels=KernelOptions(attention="sdpa", sparse_convolution="torch", precision="float32"),
        offload="off",
    )
    return load_models(options, with_encoders=True).models[0]


def _assets(asked: FineTuning, *, takes_captions: bool) -> AssetSource:
    is_captioned = takes_captions and not asked.caption
    found = read_dataset(asked.folder, replace(asked.wanted, captioned=is_captioned))
    if not asked.caption:
        return found
    named = [a if a.captions else replace(a, captions=(asked.caption,)) for a in found.assets]
    return Collected(wanted=found.wanted, assets=named, skipped=found.skipped)


def _say_what_is_left_out(source: AssetSource, say: Say) -> None:
    for reason, count in sorted(source.skipped.items()):
        say(f"left out: {count:,} x {reason}")


def _nothing(asked: FineTuning, source: AssetSource, *, takes_captions: bool) -> str:
    if takes_captions and source.skipped.get("no caption"):
        return (
            f"no asset in {asked.folder} has a caption, and the model {asked.model} learns from "
            "captions: write captions.csv (file,caption), or give one for all with --caption"
        )
    why = ", ".join(f"{n} x {reason}" for reason, n in sorted(source.skipped.items()))
    return f"no mesh in {asked.folder} can be used ({why or 'there is no GLB in it'})"


def _check_prepared(prepared: Prepared) -> None:
    if not prepared.assets:
        key, why = prepared.refused[0]
        raise InvalidInput(f"none of {len(prepared.refused)} meshes can be used; {key}: {why}")


def _write(content: bytes, out: Path) -> None:
    temporary = out.with_suffix(".tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(out)
    except OSError as e:
        raise DiskFull(f"{out} cannot be written ({e.strerror}); choose another place") from e
