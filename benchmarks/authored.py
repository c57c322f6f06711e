"""A GLB with an authored atlas at few triangles, beside gltfpack.

    python -m benchmarks.authored [--triangles 4000,1500] [NAME ...]

Each model is reduced by Lodsmith (welded, reduced, unwrapped and baked anew) and by gltfpack, which
keeps the authored UVs, to the same number of triangles. Both are drawn by the same renderer from
eight sides with their textures, 384 pixels square, and compared with the source: PSNR of the
pictures' pixels that the source or the result covers.
"""

import argparse
import time

from benchmarks import meshes, peers
from benchmarks.looks import levels, pictures, psnr
from pipeline import AssetOptions, BuildRequest, StageMeter, build_asset, surface_from_glb
from pipeline.mesh.hulls.collision import CollisionOptions
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.place import PlaceOptions
from pipeline.types import Silent


def lodsmith(glb: bytes, budgets: tuple[int, ...]) -> tuple[bytes, float]:
    """The asset, and the CPU seconds for all its LODs together."""
    options = AssetOptions(
        place=PlaceOptions(pivot="keep"),
        lod=LodOptions(budgets=budgets),
        collision=CollisionOptions(mode="none"),
    )
    start = time.process_time()
    request = BuildRequest(
        name="thing",
        surface=surface_from_glb(glb, 20_000_000, Silent()),
        options=options,
        generated=False,
        has_size=True,
        recipe={},
    )
    model = build_asset(request, StageMeter(Silent(), time.monotonic)).artifacts[0]
    return model.content, time.process_time() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=["damaged_helmet"])
    parser.add_argument("--triangles", default="4000,1500")
    arguments = parser.parse_args()
    budgets = tuple(int(count) for count in arguments.triangles.split(","))
    print("model           triangles   Lodsmith dB   gltfpack -si / -sp / -sv dB (triangles)")
    for name in arguments.names:
        glb = meshes.fetch(name).read_bytes()
        source = levels(glb)[0]
        right = pictures(source, source)
        total = sum(len(draw.faces) for draw in source)
        ours, cpu_s = lodsmith(glb, budgets)
        for budget, draws in zip(budgets, levels(ours), strict=True):
            cells = []
            for mode in ("-si", "-sp", "-sv"):
                packed = levels(peers.gltfpack_file(glb, ratio=budget / total, mode=mode).content)
                count = sum(len(draw.faces) for draw in packed[0])
                cells.append(f"{psnr(pictures(packed[0], source), right):.2f} ({count:,})")
            mine = psnr(pictures(draws, source), right)
            count = sum(len(draw.faces) for draw in draws)
            print(f"{name:<15} {count:>9,}   {mine:>8.2f}      {' / '.join(cells)}", flush=True)
        print(f"{name:<15} all LODs, with unwrapping and baking: {cpu_s:.1f} CPU s")


if __name__ == "__main__":
    main()
