"""How good charts and atlas are, measured from the meshes as they are delivered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.measuring.measure import components
from pipeline.types import FloatArray, IntArray, UnwrappedMesh

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

Float64Array = NDArray[np.float64]

_FAR = 255  # texels; gutters are not told beyond


@dataclass(frozen=True, kw_only=True)
class LodUvMeasure:
    """The charts of one LOD.

    chart_count: parts that hang together by vertices.
    texels_per_m_p5, _p50, _p95: texel density along a line, of 5 %, 50 %, 95 % of the surface at
        the most.
    stretch_l2: 1 where the texture is the surface at one scale; area-weighted.
    smallest_chart_texels: area of the smallest chart.
    """

    chart_count: int
    texels_per_m_p5: float
    texels_per_m_p50: float
    texels_per_m_p95: float
    stretch_l2: float
    smallest_chart_texels: float


@dataclass(frozen=True, kw_only=True)
class UvMeasure:
    """One atlas with all of its LODs.

    coverage: share of the texels whose center lies in a chart.
    overlap_ratio: share of those that lie in two faces.
    mirrored_ratio: share of the surface of all LODs whose texture reads the wrong way round.
    gutter_texels: fewest free texels between two charts, along a row, a column or diagonally; 255
        where there are more, or there is only one chart.
    lods: finest first.
    """

    coverage: float
    overlap_ratio: float
    mirrored_ratio: float
    gutter_texels: int
    lods: tuple[LodUvMeasure, ...]


def measure_uvs(unwrapped: Sequence[UnwrappedMesh], texture_size: int) -> UvMeasure:
    """Measure charts and atlas.

    Args:
        unwrapped: LODs that share an atlas, finest first.
        texture_size: Its side in texels.
    """
    owners = np.full((texture_size, texture_size), -1, np.int32)
    twice = first_chart = 0
    mirrored = surface = 0.0
    lods = []
    for mesh in unwrapped:
        face_charts = chart_of_faces(mesh)
        chart_count = int(face_charts.max()) + 1
        twice += mark_texels(mesh.uvs, mesh.faces, face_charts + first_chart, owners)
        first_chart += chart_count
        growth, stretch, areas = _distortion(mesh, texture_size)
        mirrored += float(areas[growth < 0].sum())
        surface += float(areas.sum())
        p5, p50, p95 = _percentiles(np.sqrt(np.abs(growth)), areas, (0.05, 0.5, 0.95))
        texels = np.bincount(face_charts, areas * np.abs(growth))
        lods.append(
            LodUvMeasure(
                chart_count=chart_count,
                texels_per_m_p5=p5,
                texels_per_m_p50=p50,
                texels_per_m_p95=p95,
                stretch_l2=stretch,
                smallest_chart_texels=float(texels.min()),
            )
        )
    covered = int((owners >= 0).sum())
    return UvMeasure(
        coverage=covered / owners.size,
        overlap_ratio=twice / max(covered, 1),
        mirrored_ratio=mirrored / surface,
        gutter_texels=least_gap(owners),
        lods=tuple(lods),
    )


def chart_of_faces(mesh: UnwrappedMesh) -> IntArray:
    """Number the charts, which are what hangs together by vertices: `[F]`, from 0 without gaps."""
    a, b, c = mesh.faces.T
    parts = components(len(mesh.positions), np.concatenate([a, b]), np.concatenate([b, c]))[1]
    charts: IntArray = np.unique(parts[a], return_inverse=True)[1].astype(np.int32)
    return charts


def _distortion(mesh: UnwrappedMesh, texture_size: int) -> tuple[Float64Array, float, Float64Array]:
    """Return square texels per square metre of each face, negative if mirrored; L2; areas.

    Source: Sander et al., Texture Mapping Progressive Meshes, 2001.
    """
    corners = mesh.positions[mesh.faces].astype(np.float64)
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = np.linalg.norm(np.cross(one, two), axis=1) / 2
    texels = mesh.uvs[mesh.faces].astype(np.float64) * texture_size
    s, t = texels[:, 1] - texels[:, 0], texels[:, 2] - texels[:, 0]
    doubled = s[:, 1] * t[:, 0] - s[:, 0] * t[:, 1]  # v points down
    growth = doubled / (2 * areas)
    # What a step of one texel is on the surface, in both directions
    with np.errstate(divide="ignore", invalid="ignore"):
        du = (one * t[:, 1:] - two * s[:, 1:]) / doubled[:, None]
        dv = (two * s[:, :1] - one * t[:, :1]) / doubled[:, None]
    square = ((du**2).sum(axis=1) + (dv**2).sum(axis=1)) / 2
    has_texels = np.abs(growth) > 1e-6 * np.abs(growth).mean()
    total = areas[has_texels].sum()
    mean = (areas * np.abs(growth))[has_texels].sum() / total
    stretch = np.sqrt((areas * square)[has_texels].sum() / total * mean)
    return growth, float(stretch), areas


def _percentiles(
    values: Float64Array, weights: Float64Array, shares: tuple[float, ...]
) -> list[float]:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    at = np.searchsorted(reached, np.array(shares) * reached[-1])
    return [float(value) for value in values[order[np.minimum(at, len(order) - 1)]]]


@_kernel
def mark_texels(uvs: FloatArray, faces: IntArray, charts: IntArray, owners: IntArray) -> int:
    """Write the chart of each face to the texels whose center it covers.

    Args:
        uvs: `[V, 2]`. faces: `[F, 3]`. charts: `[F]`, from 0 on.
        owners: `[H, H]`, -1 where nothing is; written to.

    Returns:
        How many texels are covered that had been before, by any face.
    """
    size = len(owners)
    twice = 0
    x, y = np.empty(3), np.empty(3)
    for f in range(len(faces)):
        for k in range(3):
            x[k] = uvs[faces[f, k], 0] * float(size) - 0.5  # texel center
            y[k] = uvs[faces[f, k], 1] * float(size) - 0.5
        for row in range(max(int(np.ceil(y.min())), 0), min(int(y.max()), size - 1) + 1):
            left, right = np.inf, -np.inf
            for k in range(3):
                m = (k + 1) % 3
                if (y[k] <= row) != (y[m] <= row):
                    at = x[k] + (row - y[k]) / (y[m] - y[k]) * (x[m] - x[k])
                    left, right = min(left, at), max(right, at)
            if left >= right:
                continue
            # A center on a common side is the right face's, give or take rounding.
            for column in range(max(int(np.ceil(left + 1e-4)), 0), min(int(right), size - 1) + 1):
                if owners[row, column] >= 0 and right - column > 1e-4:
                    twice += 1
                owners[row, column] = charts[f]
    return twice


@_kernel
def least_gap(owners: IntArray) -> int:
    """The fewest free texels between two owners, in steps to all eight neighbors; at most 255.

    Source: Rosenfeld and Pfaltz, Sequential Operations in Digital Picture Processing, 1966.
    """
    height, width = owners.shape
    nearest = owners.copy()
    distance = np.full((height, width), _FAR, np.uint8)
    for y in range(height):
        for x in range(width):
            if owners[y, x] >= 0:
                distance[y, x] = 0
    least = _FAR
    for sweep in range(2):
        for step_y in range(height):
            y = step_y if sweep == 0 else height - 1 - step_y
            back = -1 if sweep == 0 else 1
            for step_x in range(width):
                x = step_x if sweep == 0 else width - 1 - step_x
                for n in range(4):
                    near_y = y if n == 0 else y + back
                    near_x = x + (back if n == 0 else n - 2)
                    if not (0 <= near_y < height and 0 <= near_x < width):
                        continue
                    if nearest[near_y, near_x] < 0:
                        continue
                    if distance[near_y, near_x] + 1 < distance[y, x]:
                        distance[y, x] = distance[near_y, near_x] + 1
                        nearest[y, x] = nearest[near_y, near_x]
                    elif nearest[y, x] >= 0 and nearest[near_y, near_x] != nearest[y, x]:
                        gap = np.int64(distance[y, x]) + np.int64(distance[near_y, near_x])
                        if gap < least:
                            least = int(gap)
    return least
