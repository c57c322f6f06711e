"""What passes between stages: frozen dataclasses with shapes.

Space is glTF's from `decode` on: metres, Y up, right-handed, front +Z; UV origin top left.
Letters: `V` vertices, `F` faces, `H W` rows and columns.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
ByteArray = NDArray[np.uint8]


class Stage(StrEnum):
    """The steps of a job, in order. The same closed list as `StageKind` in the contract."""

    QUEUED = "queued"
    PREPROCESS = "preprocess"
    CONDITION = "condition"
    SPARSE_STRUCTURE = "sparse_structure"
    SLAT = "slat"
    DECODE = "decode"
    REPAIR = "repair"
    REMESH = "remesh"
    SIMPLIFY = "simplify"
    UNWRAP = "unwrap"
    BAKE = "bake"
    LODS = "lods"
    COLLISION = "collision"
    EXPORT = "export"


class Progress(Protocol):
    """How a stage tells the outside what happens. Any method may raise `Cancelled`."""

    def __call__(self, stage: Stage, fraction: float) -> None:
        """Report that `stage` is done to `fraction` in [0, 1]; at least every 0.25 s of work."""

    def preview(self, stage: Stage, png: bytes) -> None:
        """Offer a picture of the state of the work."""

    def warn(self, stage: Stage, message: str) -> None:
        """Report that the result is poorer than asked, in one sentence for the artist."""


class Silent:
    """A `Progress` that nobody watches."""

    def __call__(self, stage: Stage, fraction: float) -> None: ...

    def preview(self, stage: Stage, png: bytes) -> None: ...

    def warn(self, stage: Stage, message: str) -> None: ...


class PartOf:
    """A `Progress` for part `index` of `count` equal parts of a stage's work."""

    def __init__(self, whole: Progress, index: int, count: int) -> None:
        self._whole, self._index, self._count = whole, index, count

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._whole(stage, (self._index + fraction) / self._count)

    def preview(self, stage: Stage, png: bytes) -> None:
        self._whole.preview(stage, png)

    def warn(self, stage: Stage, message: str) -> None:
        self._whole.warn(stage, message)


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """Triangles in space, without appearance.

    positions: `[V, 3]` float32, metres.
    faces: `[F, 3]` int32, counter-clockwise seen from outside.
    """

    positions: FloatArray
    faces: IntArray


Wrap = Literal["repeat", "clamp", "mirror"]


@dataclass(frozen=True, kw_only=True)
class Image:
    """A texture.

    pixels: `[H, W, C]` uint8 with C in 1..4, row 0 at the top (v = 0).
    wrap: how it goes on beyond [0, 1] along u and along v.
    """

    pixels: ByteArray
    wrap: tuple[Wrap, Wrap] = ("repeat", "repeat")


AlphaMode = Literal["OPAQUE", "MASK", "BLEND"]


@dataclass(frozen=True, kw_only=True)
class Material:
    """A glTF metallic-roughness material. Textures multiply the factors, as glTF says.

    base_color_factor: linear RGBA. base_color: sRGB RGBA texture.
    metallic_roughness: linear, G roughness, B metallic. normal: OpenGL green, linear.
    occlusion: linear, R. emissive: sRGB RGB, times `emissive_factor` (linear).
    """

    name: str = "material"
    base_color_factor: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    base_color: Image | None = None
    metallic_factor: float = 0.0
    roughness_factor: float = 1.0
    metallic_roughness: Image | None = None
    normal: Image | None = None
    normal_scale: float = 1.0
    occlusion: Image | None = None
    occlusion_strength: float = 1.0
    emissive_factor: tuple[float, float, float] = (0.0, 0.0, 0.0)
    emissive: Image | None = None
    alpha_mode: AlphaMode = "OPAQUE"
    alpha_cutoff: float = 0.5
    double_sided: bool = False


@dataclass(frozen=True, kw_only=True)
class Part:
    """One mesh of a scene and the places where it stands.

    placements: `[N, 4, 4]` float64 from its own space to the world's, acting on column vectors.
        They differ by rotation, shift and scaling along its own axes.
    """

    name: str
    placements: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class View:
    """A picture of a surface from outside, without light, and where it was taken from.

    pixels: `[H, W, 4]` uint8, sRGB and straight alpha, row 0 at the top.
    projection: `[3, 4]` float64, takes (x, y, z, 1) in metres to (column d, row d, d). Columns and
        rows count pixels from the picture's top left corner, so that pixel centers are at + 0.5; d
        is above 0 in front of the camera and grows evenly with the distance from it.
    """

    pixels: ByteArray
    projection: NDArray[np.float64]

    def moved(self, matrix: NDArray[np.float64]) -> "View":
        """The same picture of a surface that was moved by a `[4, 4]` matrix."""
        return replace(self, projection=self.projection @ np.linalg.inv(matrix))


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A dense mesh with its appearance: what LODs are cut from and baked from.

    Vertices are split where attributes differ (UV seams, hard edges), as in a GLB.

    positions: `[V, 3]` float32, metres. faces: `[F, 3]` int32, counter-clockwise.
    normals: `[V, 3]` float32, unit length.
    uvs: `[V, 2]` float32, or None where no material has a texture.
    colors: `[V, 4]` float32 linear RGBA that multiplies the base color, or None.
    face_materials: `[F]` int32 index into `materials`.
    parts: empty where there is nothing to tell apart. Else each part stands here once, at its first
        placement; see `scene.assembled`.
    face_parts: `[F]` int32 index into `parts`, or None without them.
    views: pictures that show its base color better than it does itself, if there are any.
    has_own_normals: whether the normals were made with the surface and so tell which side is meant
        to be seen; False where they were computed from the faces.
    """

    positions: FloatArray
    faces: IntArray
    normals: FloatArray
    uvs: FloatArray | None = None
    colors: FloatArray | None = None
    face_materials: IntArray
    materials: tuple[Material, ...]
    parts: tuple[Part, ...] = ()
    face_parts: IntArray | None = None
    views: tuple[View, ...] = ()
    has_own_normals: bool = False

    @property
    def mesh(self) -> Mesh:
        """The same triangles without appearance."""
        return Mesh(positions=self.positions, faces=self.faces)


@dataclass(frozen=True, kw_only=True)
class UnwrappedMesh:
    """One LOD with its charts: vertices split at chart borders, ready to bake and export.

    positions: `[V, 3]` float32, metres. normals: `[V, 3]` float32, unit length.
    tangents: `[V, 4]` float32, MikkTSpace, w as glTF defines it (+1 or -1).
    uvs: `[V, 2]` float32 in the atlas that all LODs share, in [0, 1], origin top left.
    faces: `[F, 3]` int32, counter-clockwise.
    face_source: `[F]` int32, the face of the LOD that each came from, rising: those without area
        are left out.
    lightmap_uvs: `[V, 2]` float32 in [0, 1], a second set that this LOD has alone; or None.
    """

    positions: FloatArray
    normals: FloatArray
    tangents: FloatArray
    uvs: FloatArray
    faces: IntArray
    face_source: IntArray
    lightmap_uvs: FloatArray | None = None


@dataclass(frozen=True, kw_only=True)
class LodMeasure:
    """How good one LOD is, measured against the repaired mesh.

    triangle_count: as drawn.
    budget: the tightest of the asked budgets that it keeps, so not always the one of its place:
        3,000 triangles with the budgets 20,000, 10,000, 4,000, 1,000 are LOD0 and keep 4,000. 0
        where no number of triangles was asked for.
    deviation_max_m, deviation_mean_m: two-sided surface distance, metres.
    normal_deviation_deg: mean angle between its surface and the mesh's, degrees.
    silhouette_px: how far its outline lies from the mesh's where it takes over from the LOD before
        (LOD0: at full view), mean over views from all sides, pixels.
    screen_coverage: the LOD is meant to be seen while the asset's bounding sphere covers at most
        the previous LOD's share of the view height and at least this one; in (0, 1], falling from
        LOD to LOD. Below the last value the asset may be culled.
    """

    triangle_count: int
    budget: int
    deviation_max_m: float
    deviation_mean_m: float
    normal_deviation_deg: float
    silhouette_px: float
    screen_coverage: float


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box in any direction. axes: three unit vectors that make a right-handed frame."""

    center_m: tuple[float, float, float]
    axes: tuple[tuple[float, float, float], ...]
    size_m: tuple[float, float, float]  # along each of the axes


@dataclass(frozen=True, kw_only=True)
class Sphere:
    """A ball."""

    center_m: tuple[float, float, float]
    radius_m: float


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """All points within `radius_m` of the line from `start_m` to `end_m`."""

    start_m: tuple[float, float, float]
    end_m: tuple[float, float, float]
    radius_m: float


@dataclass(frozen=True, kw_only=True)
class Hull:
    """A convex collision shape. positions `[V, 3]` float32 metres, faces `[F, 3]` int32.

    primitive: what it is exactly where engines have a cheaper shape for it; the triangles are then
        its picture. None for a convex hull.
    """

    positions: FloatArray
    faces: IntArray
    primitive: Box | Sphere | Capsule | None = None


CollisionKind = Literal["none", "box", "sphere", "capsule", "hull", "decompose"]


@dataclass(frozen=True, kw_only=True)
class Collision:
    """What players bump into, and how well it fits.

    kind: what the hulls are.
    over_cover: volume of the hulls together, overlaps counted once, over that of the body; 1 is
        perfect. None where the body has no volume to compare with.
    protrusion_m: how far the hulls stand out from the body at most, metres.
    """

    kind: CollisionKind
    hulls: tuple[Hull, ...]
    over_cover: float | None
    protrusion_m: float


Role = Literal[
    "model",
    "model_lod",
    "obj",
    "mtl",
    "ply",
    "texture",
    "report",
    "preview",
    "picture",
    "impostor",
    "gaussian",
    "gaussian_preview",
    "radiance_field",
    "radiance_field_preview",
]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One result file. file_name has no folder; media_type is an IANA type."""

    role: Role
    file_name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What is told about a loaded model.

    digest: SHA-256 over all its files, hex. takes: "prompt", "image". formats: what it can make.
    runs_on: device, precision and kernels, which all change the last digits of what it makes.
    """

    name: str
    digest: str
    license: str
    takes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    runs_on: str = ""
