"""Surfaces for the tests of this folder."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.mesh.charts.vertex_normals import vertex_normals
from pipeline.srgb import linear_from_srgb
from pipeline.types import Material, Surface


def surface_of(
    positions: ArrayLike,
    faces: ArrayLike,
    *,
    colors: ArrayLike | None = None,
    uvs: ArrayLike | None = None,
    material: Material | None = None,
) -> Surface:
    """Triangles in metres, Y up; colors are linear RGB per vertex."""
    places = np.asarray(positions, np.float32).reshape(-1, 3)
    triangles = np.asarray(faces, np.int32).reshape(-1, 3)
    rgba = None
    if colors is not None:
        rgb = np.asarray(colors, np.float32)
        rgba = np.concatenate([rgb, np.ones((len(rgb), 1), np.float32)], axis=1)
    return Surface(
        positions=places,
        faces=triangles,
        normals=vertex_normals(places, triangles, np.arange(len(places), dtype=np.int32)),
        uvs=None if uvs is None else np.asarray(uvs, np.float32),
        colors=rgba,
        face_materials=np.zeros(len(triangles), np.int32),
        materials=(material or Material(),),
    )


def box(
    half: tuple[float, float, float], center: tuple[float, float, float] = (0, 0, 0)
) -> Surface:
    """Twelve triangles that look outward; each side has its own corners."""
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    positions = corners[np.ravel(quads)] * half + center
    first = 4 * np.arange(6)[:, None, None]
    return surface_of(positions, first + np.array([(0, 1, 2), (0, 2, 3)]))


def sphere(radius: float, rings: int = 48, keep: float = 1.0) -> Surface:
    """A ball around the origin that looks outward; only the lowest `keep` of its height."""
    polar = np.linspace(np.pi, np.arccos(2 * keep - 1), rings + 1)
    around = np.linspace(0, 2 * np.pi, 2 * rings + 1)
    p, a = np.meshgrid(polar, around, indexing="ij")
    unit = np.stack([np.sin(p) * np.cos(a), np.cos(p), np.sin(p) * np.sin(a)], axis=-1)
    index = np.arange(p.size).reshape(p.shape)
    at, beside = index[:, :-1], index[:, 1:]
    quads = [(at[:-1], at[1:], beside[1:]), (at[:-1], beside[1:], beside[:-1])]
    faces = np.concatenate([np.stack(corners, axis=-1).reshape(-1, 3) for corners in quads])
    return surface_of(radius * unit.reshape(-1, 3), faces)


def plane(side: float) -> Surface:
    """An open square sheet that looks up."""
    h = side / 2
    return surface_of([(-h, 0, -h), (-h, 0, h), (h, 0, h), (h, 0, -h)], [(0, 1, 2), (0, 2, 3)])


def painted(surface: Surface, rgb: NDArray[np.floating]) -> Surface:
    """The surface with linear `[V, 3]` vertex colors."""
    ones = np.ones((len(rgb), 1))
    return replace(surface, colors=np.concatenate([rgb, ones], axis=1).astype(np.float32))


def post() -> Surface:
    """A brown post, 2 m high, with a red head."""
    body, head = box((0.25, 0.8, 0.25)), box((0.4, 0.2, 0.4), center=(0, 0.8, 0))
    colors = np.repeat([(0.55, 0.35, 0.2), (0.8, 0.15, 0.1)], 24, axis=0)
    both = surface_of(
        np.concatenate([body.positions, head.positions]),
        np.concatenate([body.faces, head.faces + 24]),
    )
    return painted(both, linear_from_srgb(colors))
