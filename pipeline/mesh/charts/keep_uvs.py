"""Whether the UVs that a surface came with are good enough for what this pipeline bakes."""

import numpy as np

from pipeline.mesh.charts.measure_uvs import mark_texels
from pipeline.types import FloatArray, IntArray

_SIZE = 1024  # texels; what overlaps here is wider than the gutter of most atlases
ROOM = 1e-4  # beyond [0, 1]: rounding, not tiling
_MOST_OVERLAP = 0.005  # of what is covered: charts that touch share the texels along their borders
_MOST_MIRRORED = 0.001  # of what is covered
_LEAST_COVERAGE = 0.25  # new charts fill 0.7


def judge_uvs(uvs: FloatArray, faces: IntArray, *, may_mirror: bool = False) -> str:
    """Say in words why UVs had better be made anew; "" where they are good.

    Good means that each place of the surface has texels of its own, that they read the right way
    round, and that not much of the texture is wasted. Stretch is not looked at: whoever painted a
    texture may have wanted it.

    Args:
        uvs: `[V, 2]`, origin top left. faces: `[F, 3]`, counter-clockwise seen from outside.
        may_mirror: Whether charts may read the wrong way round. Their tangents must say so.
    """
    if not np.isfinite(uvs).all():
        return "some are not numbers"
    if uvs.min() < -ROOM or uvs.max() > 1 + ROOM:
        return (
            f"they reach from {uvs.min():.2f} to {uvs.max():.2f}, beyond the texture, which would "
            "have to repeat"
        )
    a, b, c = uvs.astype(np.float64)[faces].transpose(1, 0, 2)
    areas = ((b - a)[:, 1] * (c - a)[:, 0] - (b - a)[:, 0] * (c - a)[:, 1]) / 2  # v points down
    whole = float(np.abs(areas).sum())
    if not whole > 0:
        return "they cover nothing"

    reasons = []
    mirrored = float(-areas[areas < 0].sum()) / whole
    if mirrored > _MOST_MIRRORED and not may_mirror:
        reasons.append(f"{mirrored:.1%} of what they cover is mirrored")
    owners = np.full((_SIZE, _SIZE), -1, np.int32)
    twice = mark_texels(
        np.ascontiguousarray(uvs, np.float32),
        np.ascontiguousarray(faces, np.int32),
        np.zeros(len(faces), np.int32),
        owners,
    )
    covered = int((owners >= 0).sum())
    if twice > _MOST_OVERLAP * covered:
        reasons.append(f"{twice / max(covered, 1):.1%} of what they cover is covered again")
    if covered < _LEAST_COVERAGE * _SIZE**2:
        reasons.append(f"they cover only {covered / _SIZE**2:.1%} of the texture")
    return "; ".join(reasons)
