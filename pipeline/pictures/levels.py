"""A GLB -> what each of its LODs shows, ready to draw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.gltf.container import Gltf, ReadLimits, open_gltf
from pipeline.gltf.entry import Entry
from pipeline.gltf.nodes import (
    Placed,
    collision_nodes,
    lower_levels,
    lower_levels_by_name,
    place_nodes,
    root_nodes,
)
from pipeline.read_glb import Parts, read_parts
from pipeline.render import Camera, Draw, fit_camera
from pipeline.types import FloatArray, Material, Silent, Stage


@dataclass(frozen=True, kw_only=True)
class Level:
    """One LOD.

    draws: what it shows, one for each primitive, in world space.
    is_impostor: a billboard, which looks right only from the front of its quad.
    """

    draws: tuple[Draw, ...]
    is_impostor: bool = False

    @property
    def triangle_count(self) -> int:
        return sum(len(draw.faces) for draw in self.draws)

    @property
    def joined(self) -> Draw:
        """All triangles together, without appearance, seen from both sides."""
        counts = [len(draw.positions) for draw in self.draws]
        first = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
        return Draw(
            positions=self.positions,
            faces=np.concatenate(
                [draw.faces + start for draw, start in zip(self.draws, first, strict=True)]
            ),
            normals=np.concatenate([draw.normals for draw in self.draws]),
            tangents=None,
            uvs=None,
            colors=None,
            material=Material(double_sided=True),
        )

    @property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The lowest and highest corner of the bounding box, metres."""
        low = np.min([draw.positions.min(axis=0) for draw in self.draws], axis=0)
        high = np.max([draw.positions.max(axis=0) for draw in self.draws], axis=0)
        return low.astype(np.float64), high.astype(np.float64)

    def camera(self, yaw_deg: float, pitch_deg: float) -> Camera:
        """The nearest camera on a side that sees all of it."""
        return fit_camera(self.positions, yaw_deg=yaw_deg, pitch_deg=pitch_deg)

    @property
    def positions(self) -> FloatArray:
        """`[V, 3]` float32 of all draws, metres."""
        return np.concatenate([draw.positions for draw in self.draws])


@dataclass(frozen=True, kw_only=True)
class LodChain:
    """The LODs of a GLB, finest first.

    name: of the asset, without the prefix and suffix that our exports put around it.
    coverages: the screen coverage down to which each LOD is seen, see `LodMeasure`; empty where
        the file does not say.
    """

    name: str
    levels: tuple[Level, ...]
    coverages: tuple[float, ...]

    def level(self, number: int) -> Level:
        """Return LOD `number`.

        Raises:
            InvalidInput: If there is none.
        """
        if not 0 <= number < len(self.levels):
            last = len(self.levels) - 1
            has = f"LOD0 to LOD{last}" if last else "LOD0 only"
            raise InvalidInput(f"there is no LOD{number} in the file, which has {has}")
        return self.levels[number]


def read_levels(glb: bytes, tick: Callable[[], None] = lambda: None) -> LodChain:
    """Read what each LOD of a GLB shows, with tangents as the file has them.

    LODs are found by `MSFT_lod`, or by node names ending in `_LOD0`, `_LOD1`, ...; a file without
    either has one. `tick` is called every 0.1 s or so; what it raises passes through.

    Raises:
        InvalidInput, Unsupported: As `read_glb`.
    """
    ticking = _Ticking(tick)
    gltf = open_gltf(glb, ticking, ReadLimits())
    placed = _levels(gltf)
    return LodChain(
        name=_asset_name(gltf, placed[0]),
        levels=tuple(
            Level(
                draws=_draws(read_parts(gltf, nodes, ticking, with_tangents=True)),
                is_impostor=any("impostor" in _extras(each) for each in nodes),
            )
            for nodes in placed
        ),
        coverages=_coverages(placed[0], len(placed)),
    )


def _levels(gltf: Gltf) -> list[list[Placed]]:
    """Return the nodes that each LOD shows, finest first."""
    nodes = gltf.items("nodes")
    hulls, by_name = collision_nodes(gltf), lower_levels_by_name(gltf)
    levels: dict[int, list[Placed]] = {0: []}
    listed = lower_levels(gltf) - by_name  # by MSFT_lod
    for item in place_nodes(gltf, root_nodes(gltf, Silent()), hulls | listed):
        level = _level_of_name(item.node.text("name")) if item.index in by_name else 0
        levels.setdefault(level, []).append(item)
        lod = nodes[item.index].extension("MSFT_lod")
        for number, lower in enumerate(lod.indices("ids") if lod is not None else [], 1):
            shown = place_nodes(gltf, [lower])
            levels.setdefault(number, []).extend(
                replace(each, matrix=item.parent @ each.matrix) for each in shown
            )
    return [levels[level] for level in sorted(levels)]


def _level_of_name(name: str) -> int:
    return int(name.upper().rpartition("_LOD")[2])


def _asset_name(gltf: Gltf, nodes: Sequence[Placed]) -> str:
    for each in nodes:
        if "mesh" in each.node:
            mesh = gltf.item("meshes", each.node.integer("mesh"), "node")
            name = each.node.text("name") or mesh.text("name")
            return name.removeprefix("SM_").removesuffix("_LOD0") or "asset"
    return "asset"


def _coverages(nodes: Sequence[Placed], level_count: int) -> tuple[float, ...]:
    """Read `MSFT_screencoverage` of the first node that has one for every LOD."""
    for each in nodes:
        try:
            coverages = _extras(each).numbers("MSFT_screencoverage", (0.0,) * level_count)
        except InvalidInput:  # that of a part with fewer LODs, or not meant for us
            continue
        if all(0 < coverage <= 1 for coverage in coverages):
            return coverages
    return ()


def _extras(placed: Placed) -> Entry:
    try:
        return placed.node.entry("extras")
    except InvalidInput:  # glTF allows any JSON there
        return Entry({}, "extras")


def _draws(parts: Parts) -> tuple[Draw, ...]:
    return tuple(
        Draw(
            positions=primitive.positions,
            faces=primitive.faces,
            normals=primitive.normals,
            tangents=primitive.tangents,
            uvs=primitive.uvs,
            colors=primitive.colors,
            material=parts.materials[material],
        )
        for primitive, material in zip(parts.primitives, parts.material_of, strict=True)
    )


class _Ticking(Silent):
    """A `Progress` that keeps the caller responsive and says nothing."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._tick()
