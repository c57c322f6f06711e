"""How triangles lie in an atlas: charts, what they cover, and texels per metre."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.levels import Level
from pipeline.render import Draw, cover_cells
from pipeline.types import Material

# Coverage is counted in so many cells per side: within 0.1 % for charts of usual size.
_CELLS = 1024

# Where a material has UVs and no texture.
_ASSUMED_TEXELS = (1024, 1024)


@dataclass(frozen=True, kw_only=True)
class Charts:
    """How the triangles of a LOD lie in the atlas; of other materials none are counted.

    corners: `[F, 3, 2]` float64 UVs, whole faces moved into [0, 1] where the texture repeats.
    is_border: `[F, 3]` bool, the edge from that corner to the next ends a chart.
    covered: `[N, N]` bool, the cells of the atlas that a triangle covers.
    """

    triangle_count: int
    chart_count: int
    corners: NDArray[np.float64]
    is_border: NDArray[np.bool_]
    covered: NDArray[np.bool_]


def charts_of(level: Level, material_name: str, tick: Callable[[], None]) -> Charts | None:
    """Find the charts of a LOD in one material; None where it has none."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    draws = [
        (draw, draw.uvs)
        for draw in level.draws
        if draw.uvs is not None and draw.material.name == material_name
    ]
    if not draws:
        return None
    uvs = np.concatenate([uv[draw.faces] for draw, uv in draws])
    places = np.concatenate([draw.positions[draw.faces] for draw, _ in draws])
    tick()
    # Hard edges split vertices, too; they end no chart.
    rows = np.ascontiguousarray(np.concatenate([uvs, places], axis=2).reshape(-1, 5) + 0.0)
    _, vertices = np.unique(rows.view(np.dtype((np.void, rows.itemsize * 5))), return_inverse=True)
    starts = vertices.reshape(-1, 3)
    ends = np.roll(starts, -1, axis=1)
    keys = np.minimum(starts, ends) * (vertices.max() + 1) + np.maximum(starts, ends)
    _, edge, counts = np.unique(keys, return_inverse=True, return_counts=True)
    edge = edge.reshape(-1, 3)
    tick()
    face = np.repeat(np.arange(len(uvs)), 3)
    # Faces and edges as one graph: a chart is what hangs together.
    node_count = len(uvs) + len(counts)
    links = coo_array(
        (np.ones(edge.size, np.int8), (face, len(uvs) + edge.ravel())), (node_count, node_count)
    )
    chart_count, _ = connected_components(links, directed=False)
    corners = uvs.astype(np.float64)
    corners -= np.floor(corners.mean(axis=1, keepdims=True))
    covered = np.zeros((_CELLS, _CELLS), np.float32)
    cells = (corners.reshape(-1, 2) * _CELLS).astype(np.float32)
    cover_cells(cells, np.arange(len(cells), dtype=np.int32).reshape(-1, 3), covered)
    tick()
    return Charts(
        triangle_count=len(uvs),
        chart_count=int(chart_count),
        corners=corners,
        is_border=counts[edge] == 1,
        covered=covered > 0,
    )


def texels_of(material: Material) -> tuple[int, int]:
    """Width and height of the first texture that there is."""
    for image in (material.base_color, material.normal, material.metallic_roughness):
        if image is not None:
            return image.pixels.shape[1], image.pixels.shape[0]
    return _ASSUMED_TEXELS


def median_density(draws: Sequence[Draw]) -> float:
    """Texels per metre: half of the surface has less."""
    density = np.concatenate([texel_densities(draw) for draw in draws])
    areas = np.concatenate([face_areas(draw) for draw in draws])
    order = np.argsort(density, kind="stable")
    ends = np.cumsum(areas[order])
    return max(float(density[order[np.searchsorted(ends, ends[-1] / 2)]]), 1e-6)


def texel_densities(draw: Draw) -> NDArray[np.float64]:
    """`[F]` texels per metre, the root of texels per square metre."""
    assert draw.uvs is not None
    texels = texels_of(draw.material)
    a, b, c = (draw.uvs[corner].astype(np.float64) * texels for corner in draw.faces.T)
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    in_texture = np.abs(ux * vy - uy * vx) / 2
    return np.asarray(np.sqrt(in_texture / np.maximum(face_areas(draw), 1e-30)))


def face_areas(draw: Draw) -> NDArray[np.float64]:
    """`[F]` square metres."""
    a, b, c = (draw.positions[corner].astype(np.float64) for corner in draw.faces.T)
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)
