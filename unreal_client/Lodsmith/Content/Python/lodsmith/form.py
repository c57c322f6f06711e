"""What a person asks for: the panel's fields, an entry of a manifest, a recipe to copy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lodsmith import naming
from lodsmith.schema import CollisionMode, Direction, ExportProfile, Pivot
from lodsmith.wire import Message

PIVOTS = {"bottom center": Pivot.BOTTOM_CENTER, "center": Pivot.CENTER, "keep": Pivot.KEEP}
COLLISIONS = {mode.name.lower(): mode for mode in CollisionMode if mode}


class BadForm(ValueError):
    """What was given is no form; the message names the field."""


@dataclass(frozen=True)
class GenerateForm:
    """A request. Empty and 0 mean the server's default.

    Fields are the manifest's keys, the same as those of the Unity client; `staticMesh` and `nanite`
    are Unreal's alone.

    name: Names the asset.
    prompt, images, mesh, job, staticMesh: What to start from; exactly one: words; picture files;
        a GLB file; an earlier job (`Job.name`) to export again; the path of a Static Mesh to
        export and send.
    seed: The only randomness, from 0.
    variants: How many assets, with seeds that follow on each other.
    budgets: Most triangles of LOD0, LOD1, ..., falling.
    textureSize: Texels along each side, a power of two.
    height: Metres.
    pivot, collision: Keys of `PIVOTS` and `COLLISIONS`.
    folder: Content folder, may have tokens. "": the project's setting.
    fileName: Name without prefix, may have tokens. "": the project's setting.
    replaces: Path of a Static Mesh that keeps its references and gets the new LODs.
    place: Whether an actor is placed in the level.
    nanite: Build Nanite data and no LODs.
    """

    name: str = ""
    prompt: str = ""
    images: Sequence[str] = field(default_factory=list)
    mesh: str = ""
    job: str = ""
    staticMesh: str = ""  # noqa: N815  # keys are shared with C#
    seed: int = 0
    variants: int = 0
    budgets: Sequence[int] = field(default_factory=list)
    textureSize: int = 0  # noqa: N815
    height: float = 0.0
    pivot: str = ""
    collision: str = ""
    folder: str = ""
    fileName: str = ""  # noqa: N815
    replaces: str = ""
    place: bool = False
    nanite: bool = False

    @property
    def title(self) -> str:
        """Words for a list."""
        files = [Path(file).name for file in (self.mesh, *self.images) if file]
        static_mesh = self.staticMesh.rpartition("/")[2]
        candidates = [self.name, self.prompt, *files, static_mesh, self.job]
        return next((text for text in candidates if text), "")

    def problem(self) -> str:
        """Return what the server cannot tell, in one sentence with the way out; "" if nothing."""
        sources = [self.prompt.strip(), self.images, self.mesh, self.job, self.staticMesh]
        given = sum(bool(source) for source in sources)
        if given == 0:
            return "Nothing to start from: type a prompt, or choose pictures or a GLB."
        if given > 1:
            return "Give either a prompt, pictures, a GLB, a mesh or a job; remove the others."
        for file in (self.mesh, *self.images):
            if file and not Path(file).is_file():
                return f"There is no file {file}; choose another one."
        if self.mesh and not self.mesh.lower().endswith(".glb"):
            return f"{self.mesh} is no GLB; export the model as binary glTF (.glb)."
        if self.replaces and self.variants > 1:
            return f"Only one variant can replace a mesh, not {self.variants}."
        for name, choices in (("pivot", list(PIVOTS)), ("collision", list(COLLISIONS))):
            value = getattr(self, name)
            if value and value not in choices:
                return f'{name} must be one of {", ".join(choices)}, got "{value}".'
        folder = self.folder and naming.problem("folder", self.folder, is_folder=True)
        return folder or (
            self.fileName and naming.problem("fileName", self.fileName, is_folder=False)
        )

    def spec(self, uploads: Sequence[Message]) -> Message:
        """Return the JobSpec. Only without a `problem`.

        Args:
            uploads: Digests of `mesh` or `images`, or of the GLB that `staticMesh` became.
        """
        spec = Message("JobSpec", asset_name=self.name, options=self._options())
        if self.job:
            spec.job = self.job
        elif self.mesh or self.staticMesh:
            spec.mesh = uploads[0]
        else:
            spec.seed = self.seed
            spec.variant_count = self.variants
            if self.images:
                spec.image = uploads[0]
                spec.more_images = list(uploads[1:])
            else:
                spec.prompt = self.prompt.strip()
        return spec

    def at_half(self, job: str, triangles: Sequence[int]) -> "GenerateForm":
        """Return a form for the same asset with half of its triangles; nothing is made anew.

        Args:
            job: The job that made it.
            triangles: What its LODs have.
        """
        # Four is the least that the server takes, and each LOD has fewer than the one before.
        budgets = list(dict.fromkeys(max(4, count // 2) for count in triangles))
        # Options of stages before repair cannot be given again: the rest is as it was there.
        return GenerateForm(
            job=job,
            budgets=budgets,
            folder=self.folder,
            fileName=self.fileName,
            place=self.place,
            nanite=self.nanite,
        )

    def _options(self) -> Message:
        options = Message(
            "AssetOptions", export=Message("ExportOptions", profile=ExportProfile.UNREAL)
        )
        if self.budgets:
            options.lod = Message("LodOptions", budgets=list(self.budgets))
        if self.textureSize:
            options.unwrap = Message("UnwrapOptions", texture_size=self.textureSize)
        place = Message("PlaceOptions")
        if self.height:
            place.height_m = float(self.height)
        if self.pivot:
            place.pivot = PIVOTS[self.pivot]
        if self.staticMesh:
            # The engine's exporter leaves its front, +X, where it is: glTF's front is +Z.
            place.forward = Direction.POSITIVE_X
            place.pivot = place.pivot or Pivot.KEEP
        if place.to_bytes():
            options.place = place
        if self.collision:
            options.collision = Message("CollisionOptions", mode=COLLISIONS[self.collision])
        return options


def to_document(form: GenerateForm) -> "dict[str, Any]":
    """Return a form as JSON, without what is at its default."""
    default = asdict(GenerateForm())
    return {key: value for key, value in asdict(form).items() if value != default[key]}


def from_document(document: object) -> GenerateForm:
    """Read a form from JSON.

    Raises:
        BadForm: For a key that there is not, or a value of another type.
    """
    if not isinstance(document, Mapping):
        raise BadForm(f"an asset must be an object, got {document!r}")
    default = asdict(GenerateForm())
    for key, value in document.items():
        if key not in default:
            raise BadForm(f"there is no {key}; keys are {', '.join(default)}")
        # bool is an int to Python, and whole numbers may stand for heights.
        kinds = (int, float) if key == "height" else (type(default[key]),)
        items = {"images": str, "budgets": int}.get(key)
        if type(value) not in kinds or (items and any(type(one) is not items for one in value)):
            raise BadForm(f"{key} must be like {default[key]!r}, got {value!r}")
    return replace(GenerateForm(), **document)


def budgets_of(text: str) -> "list[int]":
    """Read budgets: "20000, 10000, 4000". Raises BadForm for what is no list of numbers."""
    parts = [part.strip().replace(" ", "") for part in text.split(",")] if text.strip() else []
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise BadForm(f'LOD triangles must be like "20000, 10000, 4000", got "{text}"')
    return [int(part) for part in parts]
