"""Model folders -> loaded models: found, checked file by file, loaded, warmed up.

A model folder looks like a published one: `pipeline.json` names the checkpoints and the samplers,
`ckpts/<name>.json` holds a class name and its arguments, `ckpts/<name>.safetensors` the tensors.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from pipeline.checkpoints.library import (
    Place,
    find_checkpoint,
    find_conditioner,
    find_place,
)
from pipeline.checkpoints.license import find_license
from pipeline.checkpoints.verify import Verification, verify
from pipeline.errors import InvalidInput, ModelUnavailable
from pipeline.model import generate, kernels, weights
from pipeline.model.condition.clip import load_clip
from pipeline.model.condition.dinov2 import DinoV2Encoder, load_dinov2
from pipeline.model.condition.encoder import PictureEncoder, TextEncoder
from pipeline.model.condition.minilm import MiniLmEncoder, minilm_folder
from pipeline.model.condition.options import ConditionOptions
from pipeline.model.condition.small_vit import ImageEncoder
from pipeline.model.formats import Format
from pipeline.model.gaussians import SLatGaussianDecoder
from pipeline.model.kernels import Kernels
from pipeline.model.load_options import LoadOptions
from pipeline.model.mesh_decoder import SLatMeshDecoder
from pipeline.model.models import Models
from pipeline.model.radiance_field import SLatRadianceFieldDecoder
from pipeline.model.residency import Residency, is_out_of_memory
from pipeline.model.sampler import Sampler, SamplerOptions
from pipeline.model.slat import SLatEncoder, SLatFlowModel
from pipeline.model.sparse_structure import (
    SparseStructureDecoder,
    SparseStructureEncoder,
    SparseStructureFlowModel,
)
from pipeline.types import ModelFacts, Silent

Json = Any  # what json.loads returns; `verify` has checked what is used here
M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModels:
    """The models of a generator, in the order in which they are asked.

    device_in_words, backends: for people; backends are kernels by purpose.
    """

    models: tuple[Models, ...]
    device_in_words: str
    backends: Mapping[str, str]

    @property
    def facts(self) -> tuple[ModelFacts, ...]:
        """What is told about each."""
        return tuple(model.facts for model in self.models)

    def choose(self, name: str, source: str, formats: Sequence[Format]) -> Models:
        """The model of that name, or the first that fits.

        Args:
            name: "" for any.
            source: What it must take: "prompt" or "image".
            formats: What it must be able to make.

        Raises:
            InvalidInput: If there is none.
        """
        named = [model for model in self.models if name in ("", model.name)]
        if not named:
            known = ", ".join(model.name for model in self.models)
            raise InvalidInput(f"this server has no model {name!r}, only {known}")
        fitting = [model for model in named if source in model.facts.takes]
        if not fitting:
            names = ", ".join(model.name for model in named)
            other = {"prompt": "give an image", "image": "give a prompt"}[source]
            raise InvalidInput(f"{names} takes no {source}: {other}, or use a model that does")
        for model in fitting:
            if set(formats) <= set(model.facts.formats):
                return model
        can = "; ".join(f"{m.name} makes {', '.join(m.facts.formats)}" for m in fitting)
        raise InvalidInput(f"no model here makes {', '.join(formats)} from one {source}: {can}")


_ENCODERS = {
    SparseStructureEncoder: ("sparse_structure_encoder", "ss_enc_conv3d_16l8_fp16"),
    SLatEncoder: ("slat_encoder", "slat_enc_swin8_B_64l8_fp16"),
}
_IMAGE_REPOSITORY = "microsoft/TRELLIS-image-large"


def load_models(options: LoadOptions, *, with_encoders: bool = False) -> LoadedModels:
    """Load models, those that several share once.

    Args:
        options: Which, and where.
        with_encoders: Also what takes existing assets back into the latent spaces; training and
            measuring need it, generating does not.

    Raises:
        ModelUnavailable: If a file is missing, cut short, foreign or not what it should be; or a
            kernel or device that was asked for is not there. The message names it.
    """
    device = _device(options.device)
    try:
        chosen = kernels.choose(options.kernels, device)
    except InvalidInput as e:  # the server's setting, not the fault of who asks for an asset
        raise ModelUnavailable(str(e)) from e
    loader = _Loader(Path(options.home), device, chosen, with_encoders=with_encoders)
    try:
        loaded = [loader.model(name) for name in options.models]
        residency = Residency.choose(options.offload, torch.device(device), loader.networks())
        models = tuple(replace(model, residency=residency) for model in loaded)
        for model in models:
            warm_up(model)
    except Exception as e:
        if not is_out_of_memory(e):
            raise
        raise ModelUnavailable(
            f"{', '.join(options.models)} needs more memory than there is on {device}: set offload "
            "to on, or use a smaller model"
        ) from e
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        raise ModelUnavailable(
            f"two of the models are called the same: {', '.join(names)}; give one of them"
        )
    return LoadedModels(
        models=models,
        device_in_words=_in_words(device),
        backends={**chosen.describe(), "offload": residency.describe()},
    )


class _Loader:
    """Loads models one after another and keeps what they share."""

    def __init__(self, home: Path, device: str, chosen: Kernels, *, with_encoders: bool) -> None:
        self._home = home
        self._device = device
        self._kernels = chosen
        self._with_encoders = with_encoders
        self._checkpoints: dict[tuple[type[nn.Module], Path], nn.Module] = {}
        self._conditioners: dict[str, Any] = {}  # by name; each of its own kind
        self._residency = Residency.choose("off", torch.device("cpu"), [])

    def networks(self) -> list[nn.Module]:
        """All that was loaded, on the CPU."""
        others = [one for one in self._conditioners.values() if isinstance(one, nn.Module)]
        return [*self._checkpoints.values(), *others]

    def model(self, name: str) -> Models:
        """Load one model."""
        place = find_place(self._home, name)
        folder = place.path
        checked = verify(folder, self._home)
        if checked.problems:
            raise ModelUnavailable(_in_a_sentence(checked))
        args = json.loads((folder / "pipeline.json").read_text("utf-8"))["args"]
        entries, norm = args["models"], args["slat_normalization"]

        def load(kind: type[M], role: str) -> M:
            return self._checkpoint(kind, entries[role], folder)

        def optional(kind: type[M], role: str) -> M | None:
            return load(kind, role) if role in entries else None

        structure_flow = load(SparseStructureFlowModel, "sparse_structure_flow_model")
        gaussian = optional(SLatGaussianDecoder, "slat_decoder_gs")
        field = optional(SLatRadianceFieldDecoder, "slat_decoder_rf")
        text, image = self._text_encoder(args), self._image_encoder(args, folder)
        takes = {"prompt": text, "image": image}
        makes = {"mesh": True, "gaussian": gaussian, "radiance_field": field}
        facts = ModelFacts(
            name=args.get("model_name", _name_of(place, name)),
            digest=_digest(checked),
            license=find_license(folder, place.entry),
            runs_on=f"{self._device}; {self._kernels.in_short()}",
            takes=tuple(source for source, one in takes.items() if one is not None),
            formats=tuple(wanted for wanted, one in makes.items() if one is not None),
        )
        reads = args.get("slat_features", "dinov2")
        dinov2 = image if isinstance(image, DinoV2Encoder) else None
        structure_encoder, slat_encoder = None, None
        if self._with_encoders:
            structure_encoder = self._encoder(SparseStructureEncoder, entries, folder)
            slat_encoder = self._encoder(SLatEncoder, entries, folder)
            dinov2 = dinov2 or (self._dinov2() if reads == "dinov2" else None)
        return Models(
            facts=facts,
            device=self._device,
            residency=self._residency,
            matting=_matting(self._home),
            text_encoder=text,
            image_encoder=image,
            structure_flow=structure_flow,
            structure_shape=structure_flow.shape,
            structure_closing=int(args.get("structure_closing", 0)),
            structure_decoder=load(SparseStructureDecoder, "sparse_structure_decoder"),
            structure_encoder=structure_encoder,
            structure_sampler=_sampler(folder, args["sparse_structure_sampler"]["params"]),
            slat_flow=load(SLatFlowModel, "slat_flow_model"),
            slat_sampler=_sampler(folder, args["slat_sampler"]["params"]),
            slat_mean=torch.tensor(norm["mean"], device=self._device),
            slat_std=torch.tensor(norm["std"], device=self._device),
            slat_encoder=slat_encoder,
            slat_features=reads,
            dinov2=dinov2,
            mesh_decoder=load(SLatMeshDecoder, "slat_decoder_mesh"),
            gaussian_decoder=gaussian,
            radiance_field_decoder=field,
        )

    def _checkpoint(self, kind: type[M], entry: str, folder: Path) -> M:
        path = find_checkpoint(entry, folder, self._home)
        if (kind, path) not in self._checkpoints:
            loaded = weights.load(kind, path, "cpu", self._kernels.precision)
            kernels.equip(loaded, self._kernels)
            self._checkpoints[kind, path] = loaded
        found = self._checkpoints[kind, path]
        assert isinstance(found, kind)
        return found

    def _encoder(self, kind: type[M], entries: Mapping[str, str], folder: Path) -> M:
        """Published pipelines do not name their encoders; the image model's folder holds them."""
        role, published = _ENCODERS[kind]
        if role in entries:
            return self._checkpoint(kind, entries[role], folder)
        try:
            return self._checkpoint(kind, f"ckpts/{published}", folder)
        except ModelUnavailable:
            return self._checkpoint(kind, f"{_IMAGE_REPOSITORY}/ckpts/{published}", folder)

    def _text_encoder(self, args: Mapping[str, Json]) -> TextEncoder | None:
        match args.get("text_cond_model"):
            case None:
                return None
            case "all-MiniLM-L6-v2":
                return self._once("minilm", lambda: MiniLmEncoder(minilm_folder(), "cpu"))
            case name:
                place = find_conditioner(name, self._home)
                return self._once("clip", lambda: load_clip(place, "cpu"))

    def _image_encoder(self, args: Mapping[str, Json], folder: Path) -> PictureEncoder | None:
        match args.get("image_cond_model"):
            case None:
                return None
            case "dinov2_vitl14_reg":
                return self._dinov2()
            case entry:
                return self._checkpoint(ImageEncoder, entry, folder)

    def _dinov2(self) -> DinoV2Encoder:
        place = find_conditioner("dinov2_vitl14_reg", self._home)
        return self._once("dinov2", lambda: load_dinov2(place, "cpu"))

    def _once(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._conditioners:
            self._conditioners[name] = make()
        made: T = self._conditioners[name]
        return made


def warm_up(models: Models) -> None:
    """Send the smallest input through every network, so that no job waits for kernels.

    A CPU has nothing to warm up but the text encoder's tokenizer; large flows would take seconds.
    """
    if models.text_encoder is not None:
        models.text_encoder(["a barrel"])
    if not models.device.startswith("cuda"):
        return
    progress = Silent()
    if models.image_encoder is not None:
        side = models.image_encoder.image_size
        condition = generate.condition_on_pictures(
            models, [np.zeros((side, side, 3), np.uint8)], progress
        )
    else:
        condition = generate.condition_on_text(models, "a barrel", ConditionOptions(), progress)
    rng = torch.Generator("cpu").manual_seed(0)
    once = SamplerOptions(steps=1)
    generate.sample_sparse_structure(models, condition, once, "stochastic", [rng], progress)
    middle = models.mesh_decoder.resolution // 2
    corner = torch.cartesian_prod(*[torch.arange(middle, middle + 2)] * 3).to(models.device)
    slat = generate.sample_slat(models, condition, [corner], once, "stochastic", [rng], progress)[0]
    for decoder in (models.mesh_decoder, models.gaussian_decoder, models.radiance_field_decoder):
        if decoder is not None:
            with torch.no_grad(), models.residency.on_device(decoder):
                decoder(slat)


def _device(name: str) -> str:
    if name != "auto":
        try:
            torch.zeros(1, device=name)
        except (RuntimeError, AssertionError) as e:
            raise ModelUnavailable(
                f"the device {name!r} cannot be used ({str(e).splitlines()[0]}); use auto or cpu"
            ) from e
        return name
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def _in_words(device: str) -> str:
    if device.startswith("cuda"):
        card = torch.cuda.get_device_properties(device)
        return f"{device} {card.name}, {card.total_memory / 2**30:.1f} GiB"
    return f"{device}, {torch.get_num_threads()} threads"


def _name_of(place: Place, name: str) -> str:
    """What people call a model whose files do not say it."""
    if place.entry is not None:
        return place.entry.name
    if place.repository:
        return place.repository.rpartition("/")[2]
    return name if Path(name).name == name else place.path.name


def _in_a_sentence(checked: Verification) -> str:
    """The first problem whole, the others counted."""
    first, *others = checked.problems
    more = f", and {len(others)} more: `lodsmith models verify` lists them" if others else ""
    return f"{checked.path / first.file}: {first.text}{more}"


def _digest(checked: Verification) -> str:
    """SHA-256 over the names and SHA-256 of all files."""
    digest = hashlib.sha256()
    for name, sha256 in sorted({(f.file, f.sha256) for f in checked.findings}):
        digest.update(f"{name} {sha256}\n".encode())
    return digest.hexdigest()


def _matting(home: Path) -> Path | None:
    try:
        return find_conditioner("u2net", home)
    except ModelUnavailable:
        return None


def _sampler(folder: Path, params: Mapping[str, Json]) -> Sampler:
    low_high = params["cfg_interval"]
    if not isinstance(low_high, list) or len(low_high) != 2:
        raise ModelUnavailable(
            f"{folder / 'pipeline.json'}: cfg_interval must be two times, got {low_high!r}"
        )
    sampler = Sampler(
        steps=params["steps"],
        guidance_strength=params["cfg_strength"],
        guidance_interval=(low_high[0], low_high[1]),
        rescale_t=params["rescale_t"],
    )
    try:
        SamplerOptions(**vars(sampler))  # the same ranges hold for both
    except InvalidInput as e:
        raise ModelUnavailable(f"{folder / 'pipeline.json'}: {e}") from e
    return sampler
