"""Triangles -> the voxels they pass through.

Source: the separating axes of Akenine-Möller, Fast 3D Triangle-Box Overlap Testing, 2001; the
range that the plane leaves in each column from Schwarz and Seidel, Fast Parallel Surface and
Solid Voxelization on GPUs, 2010.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.types import ByteArray, IntArray, Mesh

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., None])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    _kernel = njit(cache=True, error_model="numpy")

_CHUNK = 2048  # triangles; the largest take 65 us each at 64 voxels per side, small ones 0.1 us
# Voxel sides by which a triangle may miss a voxel and count: far above the rounding of the tests.
_SLACK = 1e-9


def voxelize(mesh: Mesh, resolution: int, tick: Callable[[], None]) -> IntArray:
    """Find the voxels that a surface passes through.

    Exact for triangles of any shape; those without area count as the lines or points they are. A
    triangle in the plane between two voxels counts for the one above, as a point there does.

    Args:
        mesh: Triangles in the unit cube [-0.5, 0.5]^3; what lies outside is not seen.
        resolution: Voxels per side.
        tick: Called at least every 0.2 s; may raise to stop.

    Returns:
        `[L, 3]` int32 in [0, resolution), sorted by x, y, z.
    """
    scaled = (mesh.positions.astype(np.float64) + 0.5) * resolution
    faces = np.ascontiguousarray(mesh.faces, np.int32)
    active = np.zeros((resolution,) * 3, np.uint8)
    for start in range(0, len(faces), _CHUNK):
        tick()
        _mark(scaled, faces[start : start + _CHUNK], active)
    return np.argwhere(active).astype(np.int32)


@_kernel
def _mark(scaled: NDArray[np.float64], faces: IntArray, active: ByteArray) -> None:
    """Set the voxels that `faces` pass through; `scaled` `[V, 3]` counts in voxels from 0."""
    side = active.shape[0]
    p = np.empty((3, 3))  # corners, then edges
    e = np.empty((3, 3))
    axes = np.empty((10, 3))  # each edge across each axis of the grid, and the normal
    middle, reach = np.empty(10), np.empty(10)
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    at = np.empty(3, np.int64)
    for f in range(len(faces)):
        is_outside, is_in_one = False, True
        for c in range(3):
            for k in range(3):
                p[k, c] = scaled[faces[f, k], c]
            bottom, top = min(p[0, c], p[1, c], p[2, c]), max(p[0, c], p[1, c], p[2, c])
            is_outside |= not (bottom <= side and top >= 0)
            is_in_one &= np.floor(bottom) == np.floor(top)
            low[c] = min(max(int(np.floor(bottom)), 0), side - 1)
            high[c] = min(max(int(np.floor(top)), 0), side - 1)
        if is_outside:
            continue
        if is_in_one:
            active[low[0], low[1], low[2]] = 1
            continue

        for k in range(3):
            for c in range(3):
                e[k, c] = p[(k + 1) % 3, c] - p[k, c]
        for k in range(3):
            for c in range(3):
                b, d = (c + 1) % 3, (c + 2) % 3
                axes[3 * k + c, c] = 0.0
                axes[3 * k + c, b] = -e[k, d]
                axes[3 * k + c, d] = e[k, b]
        for c in range(3):
            b, d = (c + 1) % 3, (c + 2) % 3
            axes[9, c] = e[0, b] * e[1, d] - e[0, d] * e[1, b]
        for i in range(10):
            least, most, width = np.inf, -np.inf, 0.0
            for k in range(3):
                along = axes[i, 0] * p[k, 0] + axes[i, 1] * p[k, 1] + axes[i, 2] * p[k, 2]
                least, most = min(least, along), max(most, along)
            for c in range(3):
                width += abs(axes[i, c])
            middle[i] = (least + most) / 2
            reach[i] = (most - least) / 2 + width / 2 + _SLACK * (width + _SLACK)
        # A sliver's normal is mostly rounding; it must not part what its edges do not.
        longest = 0.0
        for k in range(3):
            longest = max(longest, np.sqrt(e[k, 0] ** 2 + e[k, 1] ** 2 + e[k, 2] ** 2))
        reach[9] += 1e-14 * longest * (longest + side) * side

        w = 0  # the normal's largest component: columns along it meet the plane in short ranges
        for c in range(1, 3):
            if abs(axes[9, c]) > abs(axes[9, w]):
                w = c
        u, v = (w + 1) % 3, (w + 2) % 3
        for column in range(low[u], high[u] + 1):
            for row in range(low[v], high[v] + 1):
                at[u], at[v] = column, row
                first, last = low[w], high[w]
                if axes[9, w] != 0:
                    rest = middle[9] - axes[9, u] * (at[u] + 0.5) - axes[9, v] * (at[v] + 0.5)
                    center, spread = rest / axes[9, w], reach[9] / abs(axes[9, w])
                    # Clipped before the conversion: for slivers these are huge.
                    bottom = min(max(center - spread - 0.5, -1.0), side + 1.0)
                    top = min(max(center + spread - 0.5, -1.0), side + 1.0)
                    first = max(first, int(np.floor(bottom)))
                    last = min(last, int(np.ceil(top)))
                for depth in range(first, last + 1):
                    at[w] = depth
                    if active[at[0], at[1], at[2]]:
                        continue
                    is_apart = False
                    for i in range(10):
                        along = 0.0
                        for c in range(3):
                            along += axes[i, c] * (at[c] + 0.5)
                        if abs(along - middle[i]) > reach[i]:
                            is_apart = True
                            break
                    if not is_apart:
                        active[at[0], at[1], at[2]] = 1
