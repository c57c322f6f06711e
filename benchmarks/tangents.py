"""The tangents that arrive, beside those of the reference MikkTSpace.

    python -m benchmarks.tangents [NAME ...]

Each asset is written as always, then `gltf-transform tangents --overwrite` makes its tangents anew:
that is `mikktspace.c`, compiled to WebAssembly. A vertex is as far off as the worst of its corners.
Needs `npm ci` in benchmarks/peers. The bar: within 0.1 degrees for 99 % of the vertices of each
LOD, and the same handedness. Exit status 1 where it is missed.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import meshes, peers
from benchmarks.accessors import open_glb
from benchmarks.repair import colored
from pipeline import AssetOptions, BuildRequest, StageMeter, build_asset
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.mesh.hulls.collision import CollisionOptions
from pipeline.stored_surface import surface_to_bytes
from pipeline.types import Silent

NAMES = ("gen_koala", "scorpion", "fandisk", "spot", "damaged_helmet", "barrel", "engine")

MOST_DEG, LEAST_SHARE = 0.1, 0.99
_TEXTURE_SIZE = 512  # what the textures show does not matter here


@dataclass(frozen=True, kw_only=True)
class Corners:
    """A primitive corner by corner: vertices `[3F]` int64, tangents `[3F, 4]` float64."""

    vertices: NDArray[np.int64]
    tangents: NDArray[np.float64]


def asset(name: str) -> bytes:
    """The GLB that Lodsmith makes of a test mesh, with small textures."""
    if name in meshes.GLBS:
        surface = meshes.load_surface(name)
    else:
        mesh = meshes.load(name)
        surface = colored(mesh, mesh.positions)
    request = BuildRequest(
        name=name,
        surface=surface_to_bytes(surface),
        options=AssetOptions(
            unwrap=UnwrapOptions(texture_size=_TEXTURE_SIZE),
            collision=CollisionOptions(mode="none"),
        ),
        generated=name in meshes.MADE,
        has_size=True,
        recipe={},
    )
    return build_asset(request, StageMeter(Silent(), time.monotonic)).artifacts[0].content


def with_reference_tangents(glb: bytes) -> bytes:
    """The same file with the reference's tangents.

    Raises:
        MissingPeer: If gltf-transform is not installed.
    """
    program = peers.FOLDER / "node_modules" / ".bin" / "gltf-transform"
    if not program.exists():
        raise peers.MissingPeer(f"gltf-transform: run `npm ci` in {peers.FOLDER}")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.glb"), Path(folder, "out.glb")
        source.write_bytes(glb)
        command = ["node", str(program.resolve()), "tangents", str(source), str(out)]
        peers.run([*command, "--overwrite"])
        return out.read_bytes()


def corners(glb: bytes) -> list[Corners]:
    """All primitives that have tangents, in the order of the file's meshes."""
    plain, found = open_glb(glb), []
    for primitive in plain.primitives:
        if "TANGENT" not in primitive["attributes"]:
            continue
        tangents = plain.array(primitive["attributes"]["TANGENT"]).astype(np.float64)
        vertices = np.arange(len(tangents))
        if "indices" in primitive:
            vertices = plain.array(primitive["indices"])[:, 0].astype(np.int64)
        found.append(Corners(vertices=vertices, tangents=tangents[vertices]))
    return found


@dataclass(frozen=True, kw_only=True)
class Off:
    """How far the vertices of a LOD are off: degrees, and how many are mirrored."""

    degrees: NDArray[np.float64]
    mirrored_count: int

    @property
    def share_within(self) -> float:
        return float((self.degrees <= MOST_DEG).mean())

    @property
    def is_kept(self) -> bool:
        return self.share_within >= LEAST_SHARE and self.mirrored_count == 0


def off(ours: Corners, reference: Corners) -> Off:
    """Compare the same corners, vertex by vertex of ours."""
    if len(ours.vertices) != len(reference.vertices):
        raise RuntimeError("the reference has other triangles than were given to it")
    one, two = ours.tangents[:, :3], reference.tangents[:, :3]
    # By the chord, not the cosine, which is blind to angles this small in float32.
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    sines = np.linalg.norm(np.cross(one, two), axis=1) / lengths
    each = np.degrees(np.arctan2(sines, (one * two).sum(axis=1) / lengths))
    used, which = np.unique(ours.vertices, return_inverse=True)
    worst = np.zeros(len(used))
    np.maximum.at(worst, which, each)
    mirrored = np.sign(ours.tangents[:, 3]) != np.sign(reference.tangents[:, 3])
    return Off(degrees=worst, mirrored_count=len(np.unique(which[mirrored])))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(NAMES))
    missed = 0
    print("| mesh | LOD | vertices | mean deg | p99 deg | within 0.1 deg | other handedness | |")
    print("|---" * 8 + "|")
    for name in parser.parse_args().names:
        glb = asset(name)
        ours, reference = corners(glb), corners(with_reference_tangents(glb))
        for lod, (one, two) in enumerate(zip(ours, reference, strict=True)):
            found = off(one, two)
            missed += not found.is_kept
            print(
                f"| {name} | {lod} | {len(found.degrees):,} | {found.degrees.mean():.2g} "
                f"| {np.quantile(found.degrees, 0.99):.2g} | {100 * found.share_within:.2f} % "
                f"| {found.mirrored_count} | {'' if found.is_kept else 'MISSED'} |",
                flush=True,
            )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
