"""The LOD chain beside the best simplifiers, on the same meshes in one run.

    python -m benchmarks.lods [NAME ...] [--peers gltfpack,gltfpack-sv,qslim,fast_simplification]

Per mesh and level: mean and largest two-sided deviation in % of the diagonal, and CPU seconds: ours
for the whole chain, arrays to arrays; theirs for this level alone. Each is measured on the repaired
mesh with 100,000 points. `blender` and `vtk` want an interpreter of their own, see peers/README.md.
"""

import argparse
import time

from benchmarks import meshes, peers
from pipeline.mesh.lod import build_lods, sphere_diameter
from pipeline.mesh.lod_options import LodOptions
from pipeline.mesh.measure import Deviation, SurfaceDistance, deviation, diagonal, topology
from pipeline.mesh.parts import PartMesh
from pipeline.types import Mesh, Silent

BUDGETS = (20_000, 10_000, 4_000, 1_000)
SAMPLES = 100_000
NAMES = (
    "gen_igea",
    "gen_koala",
    "gen_fandisk",
    "koala",
    "scorpion",
    "nefertiti",
    "skull",
    "hammer",
)


def reduced(peer: str, mesh: Mesh, count: int) -> tuple[Mesh, float]:
    if peer.startswith("gltfpack"):
        run = peers.gltfpack(mesh, count, "-sv" if peer == "gltfpack-sv" else "-si")
    else:
        run = peers.simplify_with(peer, mesh, count)  # type: ignore[arg-type]
    return run.mesh, run.cpu_s


def main() -> None:
    """Print the tables, and the ratios that the bars are about."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--peers", default="gltfpack,gltfpack-sv,qslim")
    arguments = parser.parse_args()
    warm = meshes.cleaned("spot")
    build_lods(
        [PartMesh(mesh=warm)], LodOptions(budgets=(500,)), Silent(),
        diameter_m=sphere_diameter(warm),
    )  # fmt: skip
    for name in arguments.names:
        mesh = meshes.cleaned(name)
        budgets = tuple(count for count in BUDGETS if count < 0.8 * len(mesh.faces))
        to_mesh, size = SurfaceDistance(mesh), diagonal(mesh)

        def off(lod: Mesh, *, whole: Mesh = mesh, tree: SurfaceDistance = to_mesh) -> Deviation:
            return deviation(lod, whole, tree, SAMPLES, lambda: None)

        start = time.process_time()
        lods = build_lods(
            [PartMesh(mesh=mesh)],
            LodOptions(budgets=budgets),
            Silent(),
            diameter_m=sphere_diameter(mesh),
        )
        spent = time.process_time() - start
        print(f"\n{name}: {len(mesh.faces):,} triangles; all our LODs in {spent:.2f} CPU s")
        for lod in lods:
            mine = off(lod.mesh)
            counts = topology(lod.mesh)
            bad = (
                counts.non_manifold_edge_count + counts.degenerate_face_count
                + counts.winding_conflict_count + counts.duplicate_face_count
            )  # fmt: skip
            print(
                f"  {lod.triangle_count:>7,}  ours {100 * mine.mean_m / size:.4f} / "
                f"{100 * mine.max_m / size:.3f}, {bad} bad",
                end="",
            )
            for peer in arguments.peers.split(","):
                other, cpu_s = reduced(peer, mesh, lod.triangle_count)
                found = off(other)
                print(
                    f"; {peer} {100 * found.mean_m / size:.4f} / {100 * found.max_m / size:.3f} "
                    f"({len(other.faces):,}, {cpu_s:.1f} s, ratio {mine.mean_m / found.mean_m:.2f})",
                    end="",
                )
            print(flush=True)


if __name__ == "__main__":
    main()
