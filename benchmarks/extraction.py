"""What a generator would have made of a model: dense voxel surfaces with their usual faults.

The recipe: distances to the model on a grid, band-limited noise on them, specks that float around
it, marching cubes, then small tears. Only cells near the surface are ever looked at: half a million
triangles take 10 seconds, 5 million two minutes. The same recipe gives the same mesh.
"""

from dataclasses import dataclass

import igl
import numpy as np
from numpy.typing import NDArray

from pipeline.types import FloatArray, IntArray, Mesh

_Points = NDArray[np.float64]
_Cells = NDArray[np.int64]

_COARSEST = 16  # voxels a side of the cells the search for the surface starts with
_MARGIN = 24  # voxels around the model, room for specks
_CORNERS = np.array(  # in the order that igl.marching_cubes expects
    [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Smooth random displacement. wavelength: voxels. amplitude: standard deviation, voxels."""

    wavelength: float
    amplitude: float


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """How a model becomes a dense mesh.

    cells: voxels along the model's longest side.
    wall: 0 extracts a closed model as a solid. Otherwise the model becomes a hollow shell of so
        many voxels: inward from a closed model, to both sides of an open one.
    is_closed: whether the model has an inside.
    noise: what is added to the distance.
    specks: spheres of 1 to 3 voxels that float around it.
    tears: holes; tear_radius: their smallest and largest radius, voxels.
    """

    cells: int
    wall: float = 0.0
    is_closed: bool = True
    noise: tuple[Noise, ...]
    specks: int = 25
    tears: int = 12
    tear_radius: tuple[float, float] = (1.0, 3.0)
    seed: int = 0


def extract(model: Mesh, recipe: Extraction) -> Mesh:
    """Return the surface of `model` as marching cubes sees it, in the model's own space."""
    rng = np.random.default_rng(recipe.seed)
    low, high = model.positions.min(axis=0), model.positions.max(axis=0)
    voxel = float((high - low).max()) / recipe.cells
    origin = low.astype(np.float64) - _MARGIN * voxel
    field = _Field((model.positions - origin) / voxel, model.faces.astype(np.int64), recipe)
    size = np.ceil((high - origin) / voxel).astype(int) + _MARGIN
    cells = field.cells(size)
    specks = _specks(field, cells, size, recipe.specks, rng)
    cells = _with_specks(cells, specks, size)
    corners, cell_corners = _corners(cells, size)
    values = field.values(corners, _noise(corners, size, recipe.noise, rng))
    for center, radius in specks:
        near = np.flatnonzero((np.abs(corners - center) <= radius + 2).all(axis=1))
        distance = np.linalg.norm(corners[near] - center, axis=1) - radius
        values[near] = np.minimum(values[near], distance)
    is_outside = values[cell_corners] > 0  # as marching cubes asks: 0 counts as inside
    crossed = is_outside.any(axis=1) & ~is_outside.all(axis=1)
    positions, faces, _ = igl.marching_cubes(
        values, corners.astype(np.float64), cell_corners[crossed], 0.0
    )
    faces = _outward(positions, faces.astype(np.int32))
    if recipe.tears:
        faces = _torn(positions, faces, recipe, rng)
    used, compact = np.unique(faces, return_inverse=True)
    return Mesh(
        positions=(positions[used] * voxel + origin).astype(np.float32),
        faces=compact.reshape(-1, 3).astype(np.int32),
    )


class _Field:
    """Distance to the model, negative inside, in voxels."""

    def __init__(self, positions: _Points, faces: _Cells, recipe: Extraction) -> None:
        self._positions, self._faces, self._recipe = positions, faces, recipe
        self._tree = igl.AABB()
        self._tree.init(positions, faces)
        self._winding = igl.FastWindingNumberBVH()
        if recipe.is_closed:
            self._winding.init(positions, faces)
        self._reach = recipe.wall + 4 * sum(noise.amplitude for noise in recipe.noise)

    def cells(self, size: NDArray[np.int_]) -> _Cells:
        """`[N, 3]`: lowest corners of all voxels that the surface may cross."""
        side = _COARSEST
        cells = _grid(tuple(int(n) for n in -(-size // side))) * side
        while True:
            half_diagonal = side * 3**0.5 / 2
            distance = self.unsigned(cells.astype(np.float64) + side / 2)
            cells = cells[distance <= half_diagonal + self._reach]
            if side == 1:
                return cells
            side //= 2
            cells = (cells[:, None] + side * _CORNERS).reshape(-1, 3)

    def unsigned(self, points: _Points) -> _Points:
        squared, _, _ = self._tree.squared_distance(self._positions, self._faces, points)
        return np.asarray(np.sqrt(squared))

    def values(self, corners: _Cells, noise: _Points | float = 0.0) -> _Points:
        """Noise moves both sides of a closed model's wall alike: it never wears through."""
        points = corners.astype(np.float64)
        distance, wall = self.unsigned(points), self._recipe.wall
        if not self._recipe.is_closed:
            return np.asarray(distance - wall / 2 + noise)
        signed = np.where(self._winding.winding_number(points) > 0.5, -distance, distance) + noise
        return signed if wall == 0 else np.abs(signed + wall / 2) - wall / 2


def _grid(shape: tuple[int, ...]) -> _Cells:
    return np.indices(shape).reshape(3, -1).T.astype(np.int64)


def _keys(points: _Cells, size: NDArray[np.int_]) -> NDArray[np.int64]:
    """One number per lattice point, also for those of the rim that cells reach over."""
    x, y, z = (points + _MARGIN).T
    _, height, depth = size + 3 * _MARGIN
    return np.asarray((x * height + y) * depth + z)


def _corners(cells: _Cells, size: NDArray[np.int_]) -> tuple[_Cells, _Cells]:
    """`[N, 3]` lattice points in use, sorted by key, and `[C, 8]` the rows of each cell's."""
    lowest = _keys(cells, size)
    steps = _keys(_CORNERS - _MARGIN, size)
    used = np.unique(np.concatenate([lowest + step for step in steps]))
    rows = np.stack([np.searchsorted(used, lowest + step) for step in steps], axis=1)
    _, height, depth = size + 3 * _MARGIN
    points = np.stack([used // (height * depth), used // depth % height, used % depth], axis=1)
    return points - _MARGIN, rows


def _noise(
    corners: _Cells, size: NDArray[np.int_], octaves: tuple[Noise, ...], rng: np.random.Generator
) -> _Points:
    from scipy.ndimage import map_coordinates

    total = np.zeros(len(corners))
    for octave in octaves:
        # Values at half a wavelength's distance, joined by cubic splines.
        spacing = octave.wavelength / 2
        shape = np.ceil((size + 2 * _MARGIN) / spacing).astype(int) + 2
        lattice = rng.standard_normal(tuple(shape))
        at = (corners + _MARGIN).T / spacing
        total += octave.amplitude * map_coordinates(lattice, at, order=3, mode="nearest")
    return total


def _specks(
    field: _Field, cells: _Cells, size: NDArray[np.int_], count: int, rng: np.random.Generator
) -> list[tuple[_Points, float]]:
    """Centers and radii of spheres outside, near the surface, clear of it and of each other."""
    specks: list[tuple[_Points, float]] = []
    while len(specks) < count:
        center = cells[rng.integers(len(cells))] + rng.uniform(-12, 12, 3)
        is_outside = field.values(np.round(center).astype(np.int64)[None])[0] > 0
        if (
            is_outside
            and field.unsigned(center[None])[0] > 6
            and all(np.linalg.norm(center - other) > 8 for other, _ in specks)
        ):
            specks.append((center, rng.uniform(0.5, 1.5)))
    return specks


def _with_specks(
    cells: _Cells, specks: list[tuple[_Points, float]], size: NDArray[np.int_]
) -> _Cells:
    around = _grid((7, 7, 7)) - 3
    added = [np.floor(center).astype(np.int64) + around for center, _ in specks]
    both = np.concatenate([cells, *added])
    _, first = np.unique(_keys(both, size), return_index=True)
    return both[first]


def _outward(positions: _Points, faces: IntArray) -> IntArray:
    a, b, c = (positions[corner] for corner in faces.T)
    volume = np.einsum("ij,ij->", a, np.cross(b, c))
    return faces if volume > 0 else faces[:, ::-1]


def _torn(
    positions: _Points, faces: IntArray, recipe: Extraction, rng: np.random.Generator
) -> IntArray:
    centroids = positions[faces].mean(axis=1)
    keep = np.ones(len(faces), bool)
    for radius in rng.uniform(*recipe.tear_radius, recipe.tears):
        center = centroids[rng.integers(len(faces))]
        keep &= np.linalg.norm(centroids - center, axis=1) > radius
    return faces[keep]


def lattice(count: int, radius: float) -> Mesh:
    """Return a wire cage of `count` by `count` by `count` cells, 1 m a side, wires of 12 sides.

    Args:
        count: Cells along each side.
        radius: Of the wires, metres.
    """
    wires = [
        (axis, u / count, v / count)
        for axis in range(3)
        for u in range(count + 1)
        for v in range(count + 1)
    ]
    turns = 2 * np.pi * np.arange(12) / 12
    positions: list[FloatArray] = []
    faces: list[IntArray] = []
    for axis, u, v in wires:
        across = (axis + 1) % 3, (axis + 2) % 3
        tube = np.zeros((2, 12, 3), np.float32)
        tube[..., axis] = np.array([[-radius], [1 + radius]])
        tube[..., across[0]] = u + radius * np.cos(turns)
        tube[..., across[1]] = v + radius * np.sin(turns)
        near, next_near = np.arange(12), (np.arange(12) + 1) % 12
        sides = [(near, next_near, next_near + 12), (near, next_near + 12, near + 12)]
        cap = np.arange(1, 11)
        sides += [(0 * cap, cap + 1, cap), (0 * cap + 12, cap + 12, cap + 13)]
        faces.append(
            np.concatenate([np.stack(side, axis=1) for side in sides]).astype(np.int32)
            + 24 * np.int32(len(positions))
        )
        positions.append(tube.reshape(-1, 3))
    return Mesh(positions=np.concatenate(positions), faces=np.concatenate(faces))
