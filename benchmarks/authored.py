"""A GLB with an authored atlas at few triangles, beside gltfpack.

    python -m benchmarks.authored [--triangles 4000,1500] [NAME ...]

Each model is reduced by Lodsmith (welded, reduced, unwrapped and baked anew) and by gltfpack, which
keeps the authored UVs, to the same number of triangles. Both are drawn by the same renderer from
eight sides with their textures, 384 pixels square, and compared with the source: PSNR of the
pictures' pixels that the source or the result covers.
"""

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks import meshes, peers
from pipeline import AssetOptions, BuildRequest, StageMeter, build_asset, surface_from_glb
from pipeline.mesh.hulls.collision import CollisionOptions
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.pictures.levels import read_levels
from pipeline.place import PlaceOptions
from pipeline.render import Draw, Light, fit_camera, render_cut_out
from pipeline.types import Silent

PIXELS = 384
VIEWS = tuple((yaw, pitch) for pitch in (20.0, -15.0) for yaw in (30.0, 120.0, 210.0, 300.0))
LIGHT = Light(toward=np.array([0.4, 0.8, 0.5]), key=0.7, sky=0.5, floor=0.3)


def levels(glb: bytes) -> list[list[Draw]]:
    """What each LOD of a file shows."""
    return [list(level.draws) for level in read_levels(glb).levels]


def pictures(draws: list[Draw], like: list[Draw]) -> list[NDArray[np.uint8]]:
    positions = np.concatenate([draw.positions for draw in like])
    return [
        render_cut_out(
            draws,
            fit_camera(positions, yaw_deg=yaw, pitch_deg=pitch),
            size_px=PIXELS,
            light=LIGHT,
        )
        for yaw, pitch in VIEWS
    ]


def psnr(found: list[NDArray[np.uint8]], right: list[NDArray[np.uint8]]) -> float:
    squared, count = 0.0, 0
    for one, two in zip(found, right, strict=True):
        seen = (one[:, :, 3] > 0) | (two[:, :, 3] > 0)
        flat = [
            image[:, :, :3] * (image[:, :, 3:] / 255.0) + 128 * (1 - image[:, :, 3:] / 255.0)
            for image in (one, two)
        ]
        squared += float(((flat[0] - flat[1]) ** 2).sum(axis=2)[seen].sum())
        count += 3 * int(seen.sum())
    return float(10 * np.log10(255**2 / max(squared / count, 1e-9)))


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
