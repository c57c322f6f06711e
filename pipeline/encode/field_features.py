"""What the starter's SLAT encoder reads: signed distance and color around each active voxel.

The starter is trained on props that are fields (`pipeline.training.dataset`), so a surface is made
one: distance to the nearest triangle, sign by the generalized winding number.

Source: Jacobson et al., Robust Inside-Outside Segmentation using Generalized Winding Numbers, 2013.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.encode.unit_cube import UnitCube
from pipeline.encode.voxelize import voxelize
from pipeline.mesh.measuring.measure import SurfaceDistance
from pipeline.srgb import srgb_from_linear
from pipeline.texture.appearance import Appearance
from pipeline.texture.interpolate import barycentrics
from pipeline.texture.project import Hits
from pipeline.types import ByteArray, FloatArray, IntArray, Material, Mesh, Surface

_Value = TypeVar("_Value", np.bool_, np.int64)
Float64Array = NDArray[np.float64]
Int64Array = NDArray[np.int64]

LARGEST_EXTENT = 0.91  # of the cube's side, as the starter's props: a voxel of air on every side
CELLS = 4  # cells of the mesh grid per voxel side

# The corners of a voxel's 4^3 cells, in (x, y, z) order with z fastest.
CORNER_OFFSETS = np.stack(np.meshgrid(*[np.arange(CELLS + 1)] * 3, indexing="ij"), -1).reshape(
    -1, 3
)

# Half the thickness that sheets get, in cells. Every cell that a sheet passes through then has a
# corner inside: none is farther from it than half a cell's diagonal, 0.87.
SHELL_CELLS = 1.0
# A part is too thin where no corner nearby is as deep inside as this, in cells.
LEAST_DEPTH_CELLS = 0.5
# The edges of blades are always too thin. With more than this share of the surface it is sheets.
THIN_SHARE = 0.02
# A membrane that closes an opening changes sign away from the surface. Cracks make a few such
# places; with more than this share of all sign changes the surface is open.
OPEN_SHARE = 0.01

_WINDING_CHUNK = 2048  # queries of up to 80 us each, which cannot be interrupted
_PROBES = 16  # per region of places that have to be on one side
_COLOR_CHUNK = 65_536


@dataclass(frozen=True, kw_only=True)
class FieldShape:
    """A surface as the starter sees it, without color.

    coords: `[L, 3]` int32 active voxels, sorted by x, y, z.
    sdf: `[L, 125]` float32 distances at the corners of each voxel's cells, negative inside, in
        voxel sides, clipped to [-1, 1].
    corners: `[L, 125]` int64 which corner of the grid each is; voxels share them.
    faces: `[N]` int64 and nearest: `[N, 3]` float64 in the cube: the surface at each corner.
    cell: distance between neighboring corners, in sides of the cube.
    """

    coords: IntArray
    sdf: FloatArray
    corners: Int64Array
    faces: Int64Array
    nearest: Float64Array
    cell: float


def field_shape(
    mesh: Mesh, resolution: int, tick: Callable[[], None], warn: Callable[[str], None]
) -> FieldShape:
    """Find the voxels whose corners lie on both sides of a surface, and the distances there.

    A body keeps its inside; cracks and small holes do not matter. A surface that encloses nothing
    becomes a shell two cells thick, and so do parts that are too thin for the grid to have a
    corner inside.

    Args:
        mesh: Triangles in the unit cube.
        resolution: Voxels per side.
        tick: Called about every 0.1 s; may raise to stop.
        warn: Told when the shape was given a thickness that it does not have.
    """
    probe = _Probe(mesh)
    voxels = voxelize(mesh, resolution, tick)
    near = probe.sample(voxels, resolution, tick)
    shell = SHELL_CELLS / near.side
    thickness = f"{200 * shell:.1f} % of the cube's side"
    if _is_open(near):
        warn(
            f"the surface is open, so it was encoded as a shell of {thickness}; "
            "close it to have a solid body"
        )
        near = probe.sample(_with_neighbors(voxels, resolution), resolution, tick)
        return _shape(near, near.distance - shell)

    if _thin_share(near) <= THIN_SHARE:
        return _shape(near, near.signed)
    # Perhaps only the inside was not looked at, because it begins in the voxels behind.
    near = probe.sample(_with_neighbors(voxels, resolution), resolution, tick)
    share = _thin_share(near)
    if share <= THIN_SHARE:
        return _shape(near, near.signed)
    warn(
        f"{100 * share:.0f} % of the surface has no inside, or one too thin for the model's grid, "
        f"and was made {thickness} thick"
    )
    thickened = np.minimum(near.signed, near.distance - shell)
    return _shape(near, np.where(_is_thin(near), thickened, near.signed))


def field_color(
    surface: Surface, cube: UnitCube, shape: FieldShape, tick: Callable[[], None]
) -> ByteArray:
    """Read the color of a surface around the voxels of its shape.

    Base color texture, factor and vertex color multiplied, and light it gives off added, where the
    surface is nearest. Textures are averaged over a cell.

    Returns:
        `[L, 125, 3]` uint8 sRGB.
    """
    seen = tuple(
        Material(
            base_color_factor=material.base_color_factor,
            base_color=material.base_color,
            emissive_factor=material.emissive_factor,
            emissive=material.emissive,
            alpha_mode=material.alpha_mode,  # what alpha hides has no color worth reading
            alpha_cutoff=material.alpha_cutoff,
        )
        for material in surface.materials
    )
    appearance = Appearance(replace(surface, materials=seen), 0.5, tick)
    positions = cube.to_cube(surface.positions)
    rgb = np.empty((len(shape.faces), 3), np.uint8)
    for start in range(0, len(rgb), _COLOR_CHUNK):
        tick()
        part = slice(start, start + _COLOR_CHUNK)
        faces = shape.faces[part]
        weights = barycentrics(positions, surface.faces, faces, shape.nearest[part])
        hits = Hits(faces=faces, barycentrics=weights, is_missed=np.zeros(len(faces), np.bool_))
        looks = appearance.look(hits, np.full(len(faces), cube.side_m * shape.cell))
        linear = np.clip(looks.base_color[:, :3] + looks.emissive, 0, 1)
        rgb[part] = np.round(srgb_from_linear(linear) * 255)
    return rgb[shape.corners]


def encoder_input(sdf: FloatArray, color: ByteArray) -> torch.Tensor:
    """`[L, 125]` distances in voxels and `[L, 125, 3]` sRGB -> `[L, 500]` float32."""
    centered = torch.from_numpy(color).float().flatten(1) / 127.5 - 1
    # Training reads its distances from float16.
    return torch.cat([torch.from_numpy(sdf).half().float(), centered], dim=1)


@dataclass(frozen=True, kw_only=True)
class _Corners:
    """The corners of the cells of some voxels, each once.

    voxels: `[M, 3]`. index: `[M, 125]` into the corners. grid: `[N, 3]` int64 cell coordinates.
    side: cells per side. distance: `[N]` to the surface. is_inside: `[N]`.
    faces: `[N]`, nearest: `[N, 3]`: the surface next to each corner.
    """

    voxels: IntArray
    index: Int64Array
    grid: Int64Array
    side: int
    distance: Float64Array
    is_inside: NDArray[np.bool_]
    faces: Int64Array
    nearest: Float64Array

    @property
    def signed(self) -> Float64Array:
        return np.where(self.is_inside, -self.distance, self.distance)


class _Probe:
    """Distances and sides of places, as one mesh sees them."""

    def __init__(self, mesh: Mesh) -> None:
        import igl

        self._surface = SurfaceDistance(mesh)
        self._winding = igl.FastWindingNumberBVH()
        self._winding.init(mesh.positions.astype(np.float64), mesh.faces.astype(np.int64))

    def sample(self, voxels: IntArray, resolution: int, tick: Callable[[], None]) -> _Corners:
        side = resolution * CELLS
        corners = voxels[:, None].astype(np.int64) * CELLS + CORNER_OFFSETS
        shape = (side + 1,) * 3
        flat, index = np.unique(
            np.ravel_multi_index(tuple(np.moveaxis(corners, 2, 0)), shape), return_inverse=True
        )
        grid = np.stack(np.unravel_index(flat, shape), axis=1)
        places = grid / side - 0.5
        distance, faces, nearest = self._surface.nearest(places, tick)
        return _Corners(
            voxels=voxels,
            index=index.reshape(corners.shape[:2]),
            grid=grid,
            side=side,
            distance=distance,
            is_inside=self._is_inside(places, distance, _neighbors(grid, side), 1 / side, tick),
            faces=faces,
            nearest=nearest,
        )

    def _is_inside(
        self,
        places: Float64Array,
        distance: Float64Array,
        neighbors: tuple[Int64Array, Int64Array],
        step: float,
        tick: Callable[[], None],
    ) -> NDArray[np.bool_]:
        """On which side `places` `[N, 3]` are; neighbors are a `step` apart.

        No surface passes between neighbors that together are farther from it than from each
        other. Regions of such have one winding number if the surface is closed, so a few places
        speak for all; where they do not agree, every place is asked.
        """
        a, b = neighbors
        is_open = distance[a] + distance[b] > (1 + 1e-9) * step
        links = coo_array((is_open[is_open], (a[is_open], b[is_open])), shape=(len(places),) * 2)
        count, region = connected_components(links, directed=False)
        order = np.argsort(region, kind="stable")
        sizes = np.bincount(region, minlength=count)
        first = np.cumsum(sizes) - sizes
        picked = np.minimum(sizes, _PROBES)
        probed = np.repeat(np.arange(count), picked)
        turn = np.arange(len(probed)) - np.repeat(np.cumsum(picked) - picked, picked)
        asked = order[first[probed] + turn * sizes[probed] // picked[probed]]

        # A body that is inside out has -1 inside.
        found = np.abs(self._winding_numbers(places[asked], tick))
        least = np.minimum.reduceat(found, np.cumsum(picked) - picked)
        most = np.maximum.reduceat(found, np.cumsum(picked) - picked)
        winding = ((least + most) / 2)[region]
        rest = np.flatnonzero((most - least > 0.1)[region])
        winding[rest] = np.abs(self._winding_numbers(places[rest], tick))
        is_inside: NDArray[np.bool_] = winding > 0.5
        return is_inside

    def _winding_numbers(self, places: Float64Array, tick: Callable[[], None]) -> Float64Array:
        winding = np.empty(len(places))
        for start in range(0, len(places), _WINDING_CHUNK):
            tick()
            part = slice(start, start + _WINDING_CHUNK)
            winding[part] = self._winding.winding_number(places[part])
        return winding


def _dense(grid: Int64Array, side: int, values: NDArray[_Value]) -> NDArray[_Value]:
    """`[side + 1]^3` of values `[N]` at `grid` `[N, 3]`, zero elsewhere."""
    dense = np.zeros((side + 1,) * 3, values.dtype)
    dense[tuple(grid.T)] = values
    return dense


def _neighbors(grid: Int64Array, side: int) -> tuple[Int64Array, Int64Array]:
    """The rows of all pairs in `grid` `[N, 3]` that are one step apart."""
    numbers = _dense(grid, side, np.arange(1, len(grid) + 1))
    pairs = []
    for axis in range(3):
        along = np.moveaxis(numbers, axis, 0)
        both = (along[:-1] > 0) & (along[1:] > 0)
        pairs.append((along[:-1][both] - 1, along[1:][both] - 1))
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def _shape(near: _Corners, values: Float64Array) -> FieldShape:
    """Keep the voxels with both signs; `values` `[N]` at the corners."""
    at_voxels = values[near.index]
    is_active = (at_voxels.min(axis=1) < 0) & (at_voxels.max(axis=1) >= 0)
    used, corners = np.unique(near.index[is_active], return_inverse=True)
    voxels_per_side = near.side // CELLS
    return FieldShape(
        coords=near.voxels[is_active],
        sdf=np.clip(at_voxels[is_active] * voxels_per_side, -1, 1).astype(np.float32),
        corners=corners.reshape(-1, len(CORNER_OFFSETS)),
        faces=near.faces[used],
        nearest=near.nearest[used],
        cell=1 / near.side,
    )


def _with_neighbors(voxels: IntArray, resolution: int) -> IntArray:
    """The voxels and all that touch them: a shell reaches a little into those."""
    active = np.zeros((resolution,) * 3, np.bool_)
    active[tuple(voxels.T)] = True
    grown = ndimage.binary_dilation(active, structure=np.ones((3, 3, 3), np.bool_))
    return np.argwhere(grown).astype(np.int32)


def _is_open(near: _Corners) -> bool:
    """Whether the boundary between inside and outside is often not at the surface.

    Where a surface gapes, the winding number closes it with a membrane. A surface without any
    inside is not open in this sense: it is all sheet.
    """
    a, b = _neighbors(near.grid, near.side)
    is_change = near.is_inside[a] != near.is_inside[b]
    # Next to a surface that passes between them, one is nearer than half a step.
    is_far = np.minimum(near.distance[a], near.distance[b]) > 1 / near.side
    return int((is_change & is_far).sum()) > OPEN_SHARE * int(is_change.sum())


def _thin_share(near: _Corners) -> float:
    """The share of the surface that is thin, as the corners next to it see it."""
    at_surface = near.distance < 1 / near.side
    return float(_is_thin(near)[at_surface].mean()) if at_surface.any() else 0.0


def _is_thin(near: _Corners) -> NDArray[np.bool_]:
    """`[N]`: whether the surface next to each corner has no inside that corners could hold."""
    is_deep = near.is_inside & (near.distance > LEAST_DEPTH_CELLS / near.side)
    # Of each cell: a corner of its own or of the cells around it, so from 1 before to 2 after.
    around = ndimage.binary_dilation(
        _dense(near.grid, near.side, is_deep), structure=np.ones((4, 4, 4), np.bool_)
    )
    cell = np.floor((near.nearest + 0.5) * near.side).astype(np.int64)
    thin: NDArray[np.bool_] = ~around[tuple(np.clip(cell, 0, near.side).T)]
    return thin
