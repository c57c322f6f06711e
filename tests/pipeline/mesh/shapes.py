"""Meshes built for the tests of this folder."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import Cancelled
from pipeline.types import Mesh, Silent, Stage


class Listener(Silent):
    """A `Progress` that keeps what it is told, and stops the work after `calls_left` calls."""

    def __init__(self, calls_left: int = 1_000_000) -> None:
        self.warnings: list[str] = []
        self.stages: set[Stage] = set()
        self.fractions: list[float] = []
        self._calls_left = calls_left

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._calls_left -= 1
        if self._calls_left < 0:
            raise Cancelled("stopped by the test")
        self.stages.add(stage)
        self.fractions.append(fraction)

    def warn(self, stage: Stage, message: str) -> None:
        self.warnings.append(message)


def mesh_of(positions: ArrayLike, faces: ArrayLike) -> Mesh:
    return Mesh(
        positions=np.asarray(positions, np.float32).reshape(-1, 3),
        faces=np.asarray(faces, np.int32).reshape(-1, 3),
    )


def cube(size_m: float = 1.0, center: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    """12 triangles that look outward."""
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    return mesh_of(corners * size_m / 2 + center, faces)


def sphere(rings: int = 32, *, bump_m: float = 0.0, center: tuple[float, ...] = (0, 0, 0)) -> Mesh:
    """A closed ball of radius 1 m with waves of height `bump_m`; 4 `rings`² triangles or so."""
    segments = 2 * rings
    polar = np.pi * np.arange(1, rings) / rings
    around = 2 * np.pi * np.arange(segments) / segments
    polar, around = (x.ravel() for x in np.meshgrid(polar, around, indexing="ij"))
    unit = np.stack(
        [np.sin(polar) * np.cos(around), np.cos(polar), np.sin(polar) * np.sin(around)], axis=1
    )
    unit = np.concatenate([unit, [(0, 1, 0), (0, -1, 0)]])
    waves = np.sin(9 * unit[:, 0]) * np.sin(7 * unit[:, 1]) * np.sin(8 * unit[:, 2])
    top, bottom = len(unit) - 2, len(unit) - 1
    grid = np.arange(top).reshape(rings - 1, segments)
    beside = np.roll(grid, -1, axis=1)
    a, b, c, d = (x.ravel() for x in (grid[:-1], beside[:-1], beside[1:], grid[1:]))
    faces = np.concatenate(
        [
            np.stack([a, b, c], axis=1),
            np.stack([a, c, d], axis=1),
            np.stack([np.full(segments, top), beside[0], grid[0]], axis=1),
            np.stack([np.full(segments, bottom), grid[-1], beside[-1]], axis=1),
        ]
    )
    return mesh_of(unit * (1 + bump_m * waves)[:, None] + center, faces)


def plane(cells: int = 20, wave_m: float = 0.0) -> Mesh:
    """An open sheet of 2 m x 2 m; 2 `cells`² triangles that look along +Z."""
    axis = np.linspace(-1, 1, cells + 1)
    x, y = (v.ravel() for v in np.meshgrid(axis, axis, indexing="ij"))
    index = np.arange(len(x)).reshape(cells + 1, cells + 1)
    a, b, c, d = (
        v.ravel() for v in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:])
    )
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return mesh_of(np.stack([x, y, wave_m * np.sin(3 * x) * np.cos(4 * y)], axis=1), faces)


def torus(radius_m: float = 1.0, tube_m: float = 0.3, segments: int = 32) -> Mesh:
    """A closed ring around Z."""
    u, v = (
        x.ravel()
        for x in np.meshgrid(*(2 * np.pi * np.arange(segments) / segments,) * 2, indexing="ij")
    )
    ring = radius_m + tube_m * np.cos(v)
    positions = np.stack([ring * np.cos(u), ring * np.sin(u), tube_m * np.sin(v)], axis=1)
    index = np.arange(segments**2).reshape(segments, segments)
    right, up = np.roll(index, -1, axis=0), np.roll(index, -1, axis=1)
    both = np.roll(right, -1, axis=1)
    faces = np.concatenate(
        [
            np.stack([x.ravel() for x in (index, right, both)], axis=1),
            np.stack([x.ravel() for x in (index, both, up)], axis=1),
        ]
    )
    return mesh_of(positions, faces)


def crumbs(count: int, seed: int = 0, size_m: float = 0.05) -> Mesh:
    """Loose tetrahedra of different sizes in a cube of 2 m, looking outward."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-1, 1, (count, 1, 3))
    corners = centers + rng.normal(size=(count, 4, 3)) * size_m * rng.uniform(0.3, 2, (count, 1, 1))
    sides = np.array([(0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)])
    a, b, c = (corners[:, n] - corners[:, 0] for n in (1, 2, 3))
    is_left = (np.cross(a, b) * c).sum(axis=1) < 0
    faces = np.where(is_left[:, None, None], sides[:, ::-1], sides)
    return mesh_of(corners, 4 * np.arange(count)[:, None, None] + faces)


def together(*meshes: Mesh) -> Mesh:
    """Several meshes as one, sharing nothing."""
    starts = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)])
    return mesh_of(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate([m.faces + start for m, start in zip(meshes, starts, strict=False)]),
    )


def shredded(mesh: Mesh, shrink: float = 0.0) -> Mesh:
    """Every triangle on vertices of its own, shrunk towards its middle."""
    corners = mesh.positions[mesh.faces]
    middle = corners.mean(axis=1, keepdims=True)
    return mesh_of(middle + (corners - middle) * (1 - shrink), np.arange(mesh.faces.size))


def torn(mesh: Mesh, places: ArrayLike, radius_m: float) -> Mesh:
    """Without the faces whose middle is near one of `places`."""
    middle = mesh.positions[mesh.faces].mean(axis=1)
    away = np.linalg.norm(middle[:, None] - np.asarray(places, np.float32), axis=2) > radius_m
    return mesh_of(mesh.positions, mesh.faces[away.all(axis=1)])


def face_normals(mesh: Mesh) -> NDArray[np.float64]:
    """`[F, 3]`, unit length."""
    a, b, c = mesh.positions.astype(np.float64)[mesh.faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    return np.asarray(normals / np.linalg.norm(normals, axis=1, keepdims=True))


def edge_counts(mesh: Mesh) -> dict[tuple[int, int], int]:
    """How many faces each undirected edge has, counted the slow way."""
    counts: dict[tuple[int, int], int] = {}
    for a, b, c in mesh.faces.tolist():
        for edge in ((a, b), (b, c), (c, a)):
            key = (min(edge), max(edge))
            counts[key] = counts.get(key, 0) + 1
    return counts


def is_closed_manifold(mesh: Mesh) -> bool:
    """Every directed edge exists once and has its opposite."""
    directed = [edge for a, b, c in mesh.faces.tolist() for edge in ((a, b), (b, c), (c, a))]
    unique = set(directed)
    return len(unique) == len(directed) and all((b, a) in unique for a, b in unique)
