"""What pictures of a surface show at points of it: several views blended into one color.

A view counts where it looks at the surface squarely, where the surface itself does not hide the
point, and away from outlines, where colors of before and behind mix. Views that most others
disagree with count little.

Source: Buehler et al., Unstructured Lumigraph Rendering, 2001, for what makes a view good; the
projection's center and focal length from Hartley and Zisserman, Multiple View Geometry, 2004, 6.2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.texture.sample import Texture, prepare
from pipeline.threads import in_threads
from pipeline.types import ByteArray, FloatArray, Image, IntArray, Surface, View

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

Float64Array = NDArray[np.float64]

_LEAST_COSINE = 0.2  # between the surface's normal and the way to the camera
_SQUARENESS = 4  # power of the cosine above it
_BIAS_PX = 2.0  # how far behind the nearest surface a point still counts as seen
_CLOSE = 1e-9  # pixel centers on an edge belong to the faces of both sides, in spite of rounding
_JUMP_PX = 8.0  # neighbors that differ more in depth are an outline: steeper than _LEAST_COSINE
_MARGIN_PX = 5  # from an outline to full trust: as wide as Gaussians blur
_OUTLINE_ALPHA = 128
_AGREEMENT = 0.06  # difference of colors, about in sRGB, at which two views half agree
_STRICTNESS = 4  # power of the share of views that one agrees with
_ENOUGH = 0.05  # weight above which views alone give the color


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """A view, ready to be read.

    texture: its colors, linear. projection: as in `View`. eye: `[3]` where the camera stands.
    pixel_ratio: what a pixel spans at depth 1, in units of depth. unit_m: a unit of depth, metres.
    depth: `[H, W]` float32 of the nearest surface, infinite where there is none.
    trust: `[H, W]` float32 in [0, 1], 0 at outlines.
    """

    texture: Texture
    projection: Float64Array
    eye: Float64Array
    pixel_ratio: float
    unit_m: float
    depth: FloatArray
    trust: FloatArray


class ViewColors:
    """Reads the views of a surface at points of it."""

    def __init__(self, surface: Surface, step: Callable[[], None]) -> None:
        """Find what each view sees of the surface, in threads.

        Args:
            surface: With views, where they were taken.
            step: Called for each view; may raise to stop.
        """
        prepared: list[_Picture | None] = [None] * len(surface.views)

        def work(number: int) -> None:
            prepared[number] = _picture(surface, surface.views[number])

        in_threads(work, range(len(prepared)), step)
        self._pictures = [picture for picture in prepared if picture is not None]

    def look(
        self, points: Float64Array, normals: Float64Array, texel_sizes_m: Float64Array
    ) -> tuple[FloatArray, FloatArray]:
        """Blend what the views show. Can run in several threads at a time.

        Args:
            points: `[N, 3]` on the surface.
            normals: `[N, 3]` unit length, outward.
            texel_sizes_m: `[N]` what one target texel spans there.

        Returns:
            `[N, 3]` float32 linear color, and `[N]` float32 how much it counts against what else
            is known of the color, in [0, 1]; 0 where no view sees the point.
        """
        points, normals = np.ascontiguousarray(points), np.ascontiguousarray(normals)
        weights = np.zeros((len(self._pictures), len(points)), np.float32)
        colors = np.zeros((len(self._pictures), len(points), 3), np.float32)
        for picture, weight, color in zip(self._pictures, weights, colors, strict=True):
            places = np.empty((len(points), 3))
            _weigh(
                points,
                normals,
                picture.projection,
                picture.eye,
                picture.pixel_ratio,
                picture.depth,
                picture.trust,
                weight,
                places,
            )
            seen = np.flatnonzero(weight)
            if not len(seen):
                continue
            height, width = picture.depth.shape
            pixels_m = places[seen, 2] * (picture.pixel_ratio * picture.unit_m)
            spans = texel_sizes_m[seen] / (pixels_m * np.sqrt(width * height))
            color[seen] = picture.texture.read(places[seen, :2] / (width, height), spans)[:, :3]
        return _blend(weights, colors)


def _picture(surface: Surface, view: View) -> _Picture:
    m = view.projection
    away = m[2, :3] @ m[2, :3]
    focal_px = np.linalg.norm(np.cross(m[0, :3], m[2, :3])) / away
    depth = np.full(view.pixels.shape[:2], np.inf, np.float32)
    _draw_depth(_project(surface.positions, m), surface.faces, depth)
    return _Picture(
        texture=prepare(Image(pixels=view.pixels), 4, is_srgb=True, is_cut=True),
        projection=m,
        eye=np.linalg.solve(m[:, :3], -m[:, 3]).astype(np.float64),
        pixel_ratio=float(1 / focal_px),
        unit_m=float(1 / np.sqrt(away)),
        depth=depth,
        trust=_trust(view.pixels[:, :, 3], depth, float(1 / focal_px)),
    )


def _trust(alpha: ByteArray, depth: FloatArray, pixel_ratio: float) -> FloatArray:
    """`[H, W]`: 0 outside of outlines and up to the second pixel inside, then growing to 1.

    The first pixel inside may show what lies behind, and what is read near the second has some of
    the first.
    """
    from scipy.ndimage import distance_transform_cdt

    is_inside = np.isfinite(depth) & (alpha >= _OUTLINE_ALPHA)
    is_inside[[0, -1]] = is_inside[:, [0, -1]] = False
    for axis in (0, 1):
        before = tuple(slice(None, -1) if i == axis else slice(None) for i in (0, 1))
        after = tuple(slice(1, None) if i == axis else slice(None) for i in (0, 1))
        nearer = np.minimum(depth[before], depth[after])
        with np.errstate(invalid="ignore"):  # between nothing and nothing
            is_jump = np.abs(depth[after] - depth[before]) > _JUMP_PX * pixel_ratio * nearer
        is_inside[before] &= ~is_jump
        is_inside[after] &= ~is_jump
    inward = distance_transform_cdt(is_inside, "chessboard").astype(np.float32)
    trust: FloatArray = np.clip((inward - 1) / _MARGIN_PX, 0, 1)
    return trust


@_kernel
def _project(positions: FloatArray, projection: Float64Array) -> Float64Array:
    """`[V, 3]`: column, row and depth."""
    out = np.empty((len(positions), 3))
    for i in range(len(positions)):
        for k in range(3):
            out[i, k] = projection[k, 3]
            for axis in range(3):
                out[i, k] += projection[k, axis] * positions[i, axis]
        out[i, 0] /= out[i, 2]
        out[i, 1] /= out[i, 2]
    return out


@_kernel
def _draw_depth(corners: Float64Array, faces: IntArray, depth: FloatArray) -> None:
    """Lower `depth` where a face in front of the camera is nearer, whichever way it faces."""
    height, width = depth.shape
    for f in range(len(faces)):
        a, b, c = corners[faces[f, 0]], corners[faces[f, 1]], corners[faces[f, 2]]
        if min(a[2], b[2], c[2]) <= 0.0:
            continue
        area = (b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])
        if area == 0.0:
            continue
        left = max(int(np.ceil(min(a[0], b[0], c[0]) - 0.5)), 0)
        right = min(int(np.floor(max(a[0], b[0], c[0]) - 0.5)), width - 1)
        top = max(int(np.ceil(min(a[1], b[1], c[1]) - 0.5)), 0)
        bottom = min(int(np.floor(max(a[1], b[1], c[1]) - 0.5)), height - 1)
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                x, y = column + 0.5 - a[0], row + 0.5 - a[1]
                s = (x * (c[1] - a[1]) - (c[0] - a[0]) * y) / area
                t = ((b[0] - a[0]) * y - x * (b[1] - a[1])) / area
                if s < -_CLOSE or t < -_CLOSE or s + t > 1.0 + _CLOSE:
                    continue
                # What is even in the picture is the inverse of the depth.
                here = 1.0 / ((1.0 - s - t) / a[2] + s / b[2] + t / c[2])
                depth[row, column] = min(depth[row, column], here)


@_kernel
def _weigh(
    points: Float64Array,
    normals: Float64Array,
    projection: Float64Array,
    eye: Float64Array,
    pixel_ratio: float,
    depth: FloatArray,
    trust: FloatArray,
    weights: FloatArray,
    places: Float64Array,
) -> None:
    """Write how well a view shows the points, `[N]`, and where: `[N, 3]` column, row, depth."""
    height, width = depth.shape
    for i in range(len(points)):
        weights[i] = 0.0
        cosine, squared = 0.0, 0.0
        for axis in range(3):
            away = eye[axis] - points[i, axis]
            cosine += normals[i, axis] * away
            squared += away * away
        cosine /= np.sqrt(squared)
        if not cosine > _LEAST_COSINE:
            continue
        for k in range(3):
            places[i, k] = projection[k, 3]
            for axis in range(3):
                places[i, k] += projection[k, axis] * points[i, axis]
        if not places[i, 2] > 0.0:
            continue
        places[i, 0] /= places[i, 2]
        places[i, 1] /= places[i, 2]
        left, top = np.floor(places[i, 0] - 0.5), np.floor(places[i, 1] - 0.5)
        if not (left >= 0.0 and top >= 0.0 and left < width - 1 and top < height - 1):
            continue
        column, row = int(left), int(top)
        farthest = np.float32(0.0)
        for dy in range(2):
            for dx in range(2):
                farthest = max(farthest, depth[row + dy, column + dx])
        if places[i, 2] > farthest * (1.0 + _BIAS_PX * pixel_ratio):
            continue
        u, v = places[i, 0] - 0.5 - left, places[i, 1] - 0.5 - top
        trusted = (1.0 - v) * ((1.0 - u) * trust[row, column] + u * trust[row, column + 1])
        trusted += v * ((1.0 - u) * trust[row + 1, column] + u * trust[row + 1, column + 1])
        squareness = (cosine - _LEAST_COSINE) / (1.0 - _LEAST_COSINE)
        weights[i] = trusted * squareness**_SQUARENESS


@_kernel
def _blend(weights: FloatArray, colors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """`[P, N]` and `[P, N, 3]` of P views -> `[N, 3]` and `[N]`, see `ViewColors.look`."""
    view_count, count = weights.shape
    out, known = np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
    some, roots = np.empty(view_count, np.int64), np.empty((view_count, 3))
    votes = np.empty(view_count)
    for i in range(count):
        found, total, all_votes = 0, 0.0, 0.0
        for k in range(view_count):
            if weights[k, i] > 0.0:
                some[found] = k
                for c in range(3):  # near enough to sRGB
                    roots[found, c] = np.sqrt(colors[k, i, c])
                # So that several good views overrule a wrong one, even if that is the best.
                votes[found] = np.sqrt(np.sqrt(weights[k, i]))
                all_votes += votes[found]
                total += weights[k, i]
                found += 1
        if found == 0:
            continue
        summed, red, green, blue = 0.0, 0.0, 0.0, 0.0
        for one in range(found):
            k = some[one]
            agreeing = 0.0
            for other in range(found):
                squared = 0.0
                for c in range(3):
                    squared += (roots[one, c] - roots[other, c]) ** 2
                agreeing += votes[other] / (1.0 + squared / _AGREEMENT**2)
            weight = weights[k, i] * (agreeing / all_votes) ** _STRICTNESS
            summed += weight
            red += weight * colors[k, i, 0]
            green += weight * colors[k, i, 1]
            blue += weight * colors[k, i, 2]
        out[i, 0], out[i, 1], out[i, 2] = red / summed, green / summed, blue / summed
        known[i] = min(total / _ENOUGH, 1.0)
    return out, known
