"""Charts and atlas beside plain xatlas, on the same LODs in one run.

    python -m benchmarks.unwrap [NAME ...]

Each mesh is repaired and reduced to 20,000, 10,000, 4,000 and 1,000 triangles where it has more.
First LOD0 alone is unwrapped, then all LODs in one atlas of 2,048 texels. xatlas runs in this
process as it comes but for a padding of 2 texels, which leaves 4 between two charts, and packs for
itself, which mirrors charts. Its atlas is what it is: where it is not square, its sides are scaled
to one, as storing it would.

wall s, CPU s; charts: of LOD0, or of all; cover, overlap: share of the texels; mirrored: share of
the surface; gutter: fewest free texels between two charts; smallest chart in texels; L2 stretch;
p5, p95: texel density over the median.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
import xatlas

from benchmarks import meshes
from pipeline.errors import BudgetUnreachable
from pipeline.mesh.charts.measure_uvs import measure_uvs
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.mesh.lods.simplify import Simplifier
from pipeline.types import Mesh, Silent, UnwrappedMesh

SIZE = 2048
GUTTER = 4
BUDGETS = (20_000, 10_000, 4_000, 1_000)
NAMES = (
    "gen_igea",
    "gen_koala",
    "gen_helmet",
    "gen_scorpion",
    "gen_fandisk",
    "gen_shell",
    "damaged_helmet",
    "boot",
    "nefertiti",
    "plane",
)


def chain(name: str) -> list[Mesh]:
    """The LODs of a test mesh, finest first."""
    mesh = meshes.cleaned(name)
    simplifier = Simplifier(mesh, progress=Silent())
    lods = [] if len(mesh.faces) > BUDGETS[0] else [mesh]
    for budget in BUDGETS:
        if budget < len(mesh.faces):
            try:
                lods.append(simplifier.reduce(target_count=budget).mesh)
            except BudgetUnreachable as failure:
                print(f"{name}: {failure}")
                break
    return lods


def ours(lods: Sequence[Mesh]) -> tuple[UnwrappedMesh, ...]:
    """Unwrap as the product does."""
    return unwrap(lods, UnwrapOptions(texture_size=SIZE, gutter_texels=GUTTER), Silent())


def plain_xatlas(lods: Sequence[Mesh]) -> tuple[UnwrappedMesh, ...]:
    """Unwrap and pack by xatlas with its defaults; LOD by LOD at half the density, in one atlas."""
    atlas = xatlas.Atlas()
    for level, mesh in enumerate(lods):
        atlas.add_mesh(mesh.positions * np.float32(0.5**level), mesh.faces.astype(np.uint32))
    options = xatlas.PackOptions()
    options.resolution, options.padding = SIZE, GUTTER // 2  # on each side of a chart
    atlas.generate(xatlas.ChartOptions(), options)
    unwrapped = []
    for level, mesh in enumerate(lods):
        points, faces, uvs = atlas.get_mesh(level)
        unwrapped.append(
            UnwrappedMesh(
                positions=mesh.positions[points],
                normals=np.zeros((len(points), 3), np.float32),
                tangents=np.zeros((len(points), 4), np.float32),
                uvs=np.column_stack([uvs[:, 0], 1 - uvs[:, 1]]).astype(np.float32),
                faces=faces.astype(np.int32),
                face_source=np.arange(len(faces), dtype=np.int32),
            )
        )
    return tuple(unwrapped)


def row(
    name: str,
    who: str,
    how: Callable[[Sequence[Mesh]], tuple[UnwrappedMesh, ...]],
    lods: Sequence[Mesh],
) -> None:
    """Unwrap, measure, print."""
    wall, cpu = time.monotonic(), time.process_time()
    unwrapped = how(lods)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    measure = measure_uvs(unwrapped, SIZE)
    of_lods = measure.lods
    print(
        f"| {name} {'/'.join(str(len(mesh.faces)) for mesh in lods)} | {who} | {wall:.2f} "
        f"| {cpu:.2f} | {sum(lod.chart_count for lod in of_lods)} | {measure.coverage:.3f} "
        f"| {measure.overlap_ratio:.1e} | {measure.mirrored_ratio:.1e} | {measure.gutter_texels} "
        f"| {min(lod.smallest_chart_texels for lod in of_lods):.1f} "
        f"| {max(lod.stretch_l2 for lod in of_lods):.3f} "
        f"| {min(lod.texels_per_m_p5 / lod.texels_per_m_p50 for lod in of_lods):.2f} "
        f"| {max(lod.texels_per_m_p95 / lod.texels_per_m_p50 for lod in of_lods):.2f} |",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(NAMES))
    names = parser.parse_args().names
    started = time.process_time()
    measure_uvs(ours([meshes.cleaned("spot")]), SIZE)
    spent = time.process_time() - started
    print(f"first call, with compiling where nothing is cached: {spent:.1f} CPU-s\n")
    print(
        "| LODs | by | wall s | CPU s | charts | cover | overlap | mirrored | gutter | smallest "
        "| L2 | p5 | p95 |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for name in names:
        lods = chain(name)
        for some in (lods[:1], lods):
            row(name, "ours", ours, some)
            row(name, "xatlas", plain_xatlas, some)


if __name__ == "__main__":
    main()
