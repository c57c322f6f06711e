"""How much of the sky the shape itself hides."""

from collections.abc import Callable

import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.texture.interpolate import interpolate
from pipeline.texture.project import Hits
from pipeline.threads import in_threads
from pipeline.types import FloatArray, IntArray, Surface

_CELL = 2  # texels: one of each 2 x 2 of a chart casts rays, since the sky changes slowly
_PATTERN = 4  # 4 x 4 cells look in different directions, and are then averaged
_RAYS_PER_CELL = 8
_REACH = 0.25  # of the diagonal: what is further away hides no sky, or halls would be black
_ROWS_PER_STEP = 128
_OFFSET = 1e-4  # of the diagonal: where rays start, above the surface


class SkyRays:
    """Casts rays from the surface and counts those that meet nothing.

    Source: Keller and Heidrich, Interleaved Sampling, 2001.
    """

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._scene = EmbreeScene()
        TriangleMesh(
            self._scene,
            np.ascontiguousarray(surface.positions, np.float32),
            np.ascontiguousarray(surface.faces, np.int32),
        )
        self._diagonal = float(np.linalg.norm(np.ptp(surface.positions, axis=0)))

    def seen(
        self, hits: Hits, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return `[N]` the share of free rays at `hits`, for texels at these places: noisy."""
        place = self._surface.faces, hits.faces, hits.barycentrics
        points = interpolate(self._surface.positions, *place)
        normals = interpolate(self._surface.normals, *place)
        kinds = (rows // _CELL % _PATTERN) * _PATTERN + columns // _CELL % _PATTERN
        directions = _directions(normals, kinds)  # [N, rays, 3]
        starts = points + normals * (_OFFSET * self._diagonal)
        origins = np.repeat(starts.astype(np.float32), _RAYS_PER_CELL, axis=0)
        blocked = self._scene.run(
            origins,
            directions.reshape(-1, 3),
            dists=np.full(len(origins), _REACH * self._diagonal, np.float32),
            query="OCCLUDED",
        )
        free: NDArray[np.float32] = (
            (blocked < 0).reshape(-1, _RAYS_PER_CELL).mean(axis=1, dtype=np.float32)
        )
        return free


def chart_texels(owners: IntArray, faces: IntArray) -> IntArray:
    """Return `[H, W]` int32, the chart of each texel, -1 where there is none.

    Args:
        owners: `[H, W]` face of each texel, or -1.
        faces: `[F, 3]` vertex indices; faces of one chart hang together by vertices.
    """
    links = np.ones(2 * len(faces), np.int8)
    start = np.concatenate([faces[:, 0], faces[:, 1]])
    end = np.concatenate([faces[:, 1], faces[:, 2]])
    count = int(faces.max()) + 1
    graph = coo_array((links, (start, end)), (count, count))
    charts = connected_components(graph, directed=False)[1].astype(np.int32)[faces[:, 0]]
    texels: IntArray = np.where(owners < 0, np.int32(-1), charts[owners])
    return texels


@njit(cache=True, error_model="numpy", nogil=True)
def sky_texels(charts: IntArray) -> NDArray[np.bool_]:
    """Return `[H, W]` which texels cast rays: the first of each chart in each cell."""
    height, width = charts.shape
    is_first = np.zeros((height, width), np.bool_)
    for y in range(height):
        for x in range(width):
            is_first[y, x] = charts[y, x] >= 0
            for row in range(y - y % _CELL, y + 1):
                for column in range(x - x % _CELL, min(x - x % _CELL + _CELL, width)):
                    if row == y and column >= x:
                        break
                    if charts[row, column] == charts[y, x]:
                        is_first[y, x] = False
    return is_first


def mean_in_chart(
    values: FloatArray,
    is_known: NDArray[np.bool_],
    charts: IntArray,
    tick: Callable[[], None],
) -> FloatArray:
    """Average what is known in 4 x 4 cells, but only with texels of the same chart.

    Args:
        values: `[H, W]`, anything where nothing is known.
        is_known: `[H, W]`, as by `sky_texels`.
        charts: `[H, W]`, as by `chart_texels`.
        tick: Called about every 0.1 s; may raise to stop.
    """
    out = np.zeros_like(values)

    def work(first: int) -> None:
        _block_means(values, is_known, charts, first, min(first + _ROWS_PER_STEP, len(out)), out)

    in_threads(work, range(0, len(out), _ROWS_PER_STEP), tick)
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def _directions(normals: NDArray[np.float64], kinds: NDArray[np.int64]) -> NDArray[np.float32]:
    """Spread rays around normals by the cosine: 16 kinds of 8, which together are even.

    Source: Duff et al., Building an Orthonormal Basis, Revisited, 2017.
    """
    kind_count = _PATTERN * _PATTERN
    out = np.empty((len(normals), _RAYS_PER_CELL, 3), np.float32)
    for i in range(len(normals)):
        x, y, z = normals[i] / max(1e-12, np.sqrt((normals[i] ** 2).sum()))
        sign = 1.0 if z >= 0.0 else -1.0
        a = -1.0 / (sign + z)
        b = x * y * a
        for ray in range(_RAYS_PER_CELL):
            index = ray * kind_count + (kinds[i] * 7) % kind_count  # neighbors far apart
            share = (index + 0.5) / (kind_count * _RAYS_PER_CELL)
            angle = index * 2.399963229728653  # golden angle: a sunflower on the unit disk
            u = np.sqrt(share) * np.cos(angle)
            v = np.sqrt(share) * np.sin(angle)
            w = np.sqrt(1.0 - share)
            out[i, ray, 0] = u * (1.0 + sign * x * x * a) + v * b + w * x
            out[i, ray, 1] = u * sign * b + v * (sign + y * y * a) + w * y
            out[i, ray, 2] = -u * sign * x - v * y + w * z
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def _block_means(
    values: FloatArray,
    is_known: NDArray[np.bool_],
    charts: IntArray,
    first: int,
    end: int,
    out: FloatArray,
) -> None:
    height, width = values.shape
    reach = _PATTERN * _CELL // 2
    for y in range(first, end):
        for x in range(width):
            chart = charts[y, x]
            if chart < 0:
                continue
            total, count = 0.0, 0
            for row in range(max(0, y - reach), min(height, y + reach)):
                for column in range(max(0, x - reach), min(width, x + reach)):
                    if is_known[row, column] and charts[row, column] == chart:
                        total += values[row, column]
                        count += 1
            out[y, x] = total / count
