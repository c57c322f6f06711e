"""How far the outline of a mesh moves on screen when a coarser one takes its place."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from pipeline.threads import together
from pipeline.types import ByteArray, FloatArray, IntArray, Mesh

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., object])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy", nogil=True)

# Of the masks. Areas are counted by samples, so even small ones come out right on average.
_MASK_PX = 1024
_SPHERE_PX = 1000  # of the bounding sphere in them: what sticks out beyond the margin is cut off

_VIEWS = 10
_FACES_PER_STEP = 1_000_000


class Outlines:
    """The outlines of a mesh from all sides, to hold others against.

    Seen without perspective from directions spread evenly over half the sphere: from behind, an
    outline is the same. What moves inside the outline, where one part of a body stands before
    another, is not looked at.
    """

    def __init__(self, reference: Mesh, tick: Callable[[], None]) -> None:
        """Draw the masks.

        Args:
            reference: The mesh that is right; at least one face.
            tick: Called about every 0.1 s; may raise to stop.
        """
        used = np.zeros(len(reference.positions), bool)
        used[reference.faces] = True
        points = reference.positions[used]
        low, high = points.min(axis=0), points.max(axis=0)
        self._center = (low + high) / 2
        squared = np.square(points - self._center).sum(axis=1)
        self._px_per_m = _SPHERE_PX / (2 * max(float(np.sqrt(squared.max())), 1e-30))
        self._views = [_View(index, _VIEWS) for index in range(_VIEWS)]
        drawn = together(
            [partial(self._drawn, reference, view) for view in self._views], lambda _: tick()
        )
        self._masks, self._lengths_px = zip(*drawn, strict=True)

    def shift_m(self, mesh: Mesh, tick: Callable[[], None]) -> float:
        """How far the outline of `mesh` lies beside the reference's, mean along it, metres.

        It is the area that only one of both covers, over the mean length of both outlines, summed
        over all views. A wire that is gone counts as its width along its length; one thinner than
        a sample, a thousandth of the bounding sphere's diameter, as up to half of that.

        Args:
            mesh: The one that approximates.
            tick: Called about every 0.1 s; may raise to stop.
        """
        area_px, length_px = 0, 0.0
        for view, mask, length in zip(self._views, self._masks, self._lengths_px, strict=True):
            other, other_length = self._drawn(mesh, view, tick)
            area_px += int(np.count_nonzero(mask != other))
            length_px += (length + other_length) / 2
        return area_px / max(length_px, 1.0) / self._px_per_m

    def _drawn(
        self, mesh: Mesh, view: "_View", tick: Callable[[], None]
    ) -> tuple[ByteArray, float]:
        mask = self._draw(mesh, view, tick)
        return mask, _outline_length(mask)

    def _draw(self, mesh: Mesh, view: "_View", tick: Callable[[], None]) -> ByteArray:
        # numba compiles anew for read-only or strided arrays
        positions = np.require(mesh.positions, np.float32, ["C", "W"])
        faces = np.require(mesh.faces, np.int32, ["C", "W"])
        mask = np.zeros((_MASK_PX, _MASK_PX), np.uint8)
        axes = view.axes * np.float32(self._px_per_m)
        pixels = _project(positions, self._center, axes, view.middle)
        for start in range(0, len(faces), _FACES_PER_STEP):
            tick()
            _fill(pixels, faces[start : start + _FACES_PER_STEP], mask)
        return mask


def silhouette_px(shift_m: float, *, diameter_m: float, coverage: float, height_px: int) -> float:
    """A shift of the outline in pixels.

    Args:
        shift_m: In metres.
        diameter_m: Of the bounding sphere.
        coverage: The share of the view height that the sphere covers.
        height_px: Of the view.
    """
    return shift_m / max(diameter_m, 1e-30) * coverage * height_px


class _View:
    """One of `count` views of half the sphere.

    axes: `[2, 3]` float32, right and down. middle: `[2]` float32 in pixels: never the same place
    in a pixel, or round things would err alike in all quarters and all views.

    Source: Gonzalez, Measurement of Areas on a Sphere Using Fibonacci and Latitude-Longitude
    Lattices, 2010; Roberts, The Unreasonable Effectiveness of Quasirandom Sequences, 2018 (R2).
    """

    def __init__(self, index: int, count: int) -> None:
        height = (index + 0.5) / count
        around = index * np.pi * (3 - 5**0.5)
        out = np.sqrt(1 - height**2)
        toward = np.array([out * np.cos(around), height, out * np.sin(around)])
        right = np.array([np.sin(around), 0.0, -np.cos(around)])
        self.axes = np.stack([right, -np.cross(toward, right)]).astype(np.float32)
        place = (index + 1) * np.array([0.7548776662466927, 0.5698402909980532]) % 1
        self.middle = (_MASK_PX / 2 + place).astype(np.float32)


@_kernel
def _project(
    positions: FloatArray, center: FloatArray, axes: FloatArray, middle: FloatArray
) -> FloatArray:
    """Return `[V, 2]` float32, in pixels of the mask."""
    pixels = np.empty((len(positions), 2), np.float32)
    for i in range(len(positions)):
        x = positions[i, 0] - center[0]
        y = positions[i, 1] - center[1]
        z = positions[i, 2] - center[2]
        for axis in range(2):
            pixels[i, axis] = (
                middle[axis] + x * axes[axis, 0] + y * axes[axis, 1] + z * axes[axis, 2]
            )
    return pixels


@_kernel
def _fill(pixels: FloatArray, faces: IntArray, mask: ByteArray) -> None:
    """Set to one the pixels whose centers the faces cover, whichever way they face.

    Faces that share an edge find the same crossings of it with each row, so there is no crack.
    """
    top = np.float32(_MASK_PX)
    half, zero = np.float32(0.5), np.float32(0)
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay = pixels[i, 0], pixels[i, 1]
        bx, by = pixels[j, 0], pixels[j, 1]
        cx, cy = pixels[k, 0], pixels[k, 1]
        first = int(np.ceil(max(min(ay, by, cy) - half, zero)))
        end = int(np.ceil(min(max(ay, by, cy), top) - half))
        if first >= end:
            continue
        first_column = int(np.ceil(max(min(ax, bx, cx) - half, zero)))
        end_column = int(np.ceil(min(max(ax, bx, cx), top) - half))
        if first_column >= end_column:
            continue
        if first + 1 == end and first_column + 1 == end_column and mask[first, first_column]:
            continue
        # By height, so that every edge is walked upward from the same end.
        if _is_above(ax, ay, bx, by):
            ax, ay, bx, by = bx, by, ax, ay
        if _is_above(bx, by, cx, cy):
            bx, by, cx, cy = cx, cy, bx, by
        if _is_above(ax, ay, bx, by):
            ax, ay, bx, by = bx, by, ax, ay
        for row in range(first, end):
            y = np.float32(row) + half
            one = ax + (y - ay) * ((cx - ax) / (cy - ay))
            if y < by:
                two = ax + (y - ay) * ((bx - ax) / (by - ay))
            else:
                two = bx + (y - by) * ((cx - bx) / (cy - by))
            left, right = min(one, two), max(one, two)
            for column in range(
                int(np.ceil(max(left - half, zero))), int(np.ceil(min(right, top) - half))
            ):
                mask[row, column] = 1


@_kernel
def _is_above(ax: np.float32, ay: np.float32, bx: np.float32, by: np.float32) -> bool:
    return bool(ay > by or (ay == by and ax > bx))


@_kernel
def _outline_length(mask: ByteArray) -> float:
    """The length of the outlines in a mask, holes included, in pixels.

    Lines in four directions are laid over the mask and their crossings with outlines counted.

    Source: the Cauchy-Crofton formula, as in Legland, Kieu and Devaux, Computation of Minkowski
    Measures on 2D and 3D Binary Images, 2007.
    """
    along, across = 0, 0
    for y in range(len(mask) - 1):
        for x in range(len(mask) - 1):
            here = mask[y, x]
            along += int(here != mask[y, x + 1]) + int(here != mask[y + 1, x])
            across += int(here != mask[y + 1, x + 1]) + int(mask[y, x + 1] != mask[y + 1, x])
    # Diagonal lines lie closer to each other by the root of two.
    return math.pi / 8 * (along + across / math.sqrt(2.0))
