"""A second set of UVs, for light that an engine bakes."""

from collections.abc import Callable

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.mesh.charts.measure_uvs import chart_of_faces
from pipeline.mesh.charts.pack import pack
from pipeline.types import FloatArray, UnwrappedMesh

# Lightmaps are read at their first mips, but small and filtered wide: 4 texels at 512.
_GUTTERS_PER_SIDE = 128
_LEAST_GUTTER_TEXELS = 2


def lightmap_uvs(mesh: UnwrappedMesh, size: int, tick: Callable[[], None]) -> FloatArray:
    """Pack the charts of one LOD anew, alone in a square and further apart.

    The charts are those of `mesh.uvs`, turned and scaled, so vertices need not be split again.

    Args:
        mesh: One LOD.
        size: Side of the lightmap in texels, a power of two; gutters are a 128th of it, and 2
            texels at the least.
        tick: Called about every 0.1 s; may raise to stop.

    Returns:
        `[V, 2]` float32 in [0, 1], origin top left.

    Raises:
        InvalidInput: If the charts cannot fit.
    """
    points = mesh.uvs[:, 0] + 1j * (1 - mesh.uvs[:, 1].astype(np.float64))  # v up
    face_charts = chart_of_faces(mesh)
    order = np.argsort(face_charts, kind="stable")
    starts = np.searchsorted(face_charts[order], np.arange(face_charts.max() + 2))
    gutter = max(_LEAST_GUTTER_TEXELS, size // _GUTTERS_PER_SIDE)
    packing = pack(points[mesh.faces[order]], starts, size, gutter, tick)
    if packing is None:
        raise InvalidInput(
            f"a lightmap of {size} texels is too small for {face_charts.max() + 1} charts; use a "
            "larger one"
        )
    charts = np.zeros(len(points), np.int32)
    charts[mesh.faces.ravel()] = face_charts.repeat(3)
    points = packing.scales[charts] * packing.turns[charts] * points + packing.offsets[charts]
    return np.column_stack([points.real / size, 1 - points.imag / size]).astype(np.float32)
