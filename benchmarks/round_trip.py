"""Encode unseen props of the starter's family, decode them again, and say what is lost where.

python -m benchmarks.round_trip [KIND ...] [--model NAME] [--pictures FOLDER]

The surface that goes in is meshed from the prop's field much finer than the model's grid. Beside
it the same prop goes through the SLAT autoencoder from the exact samples that training reads, so
that what encoding a mesh costs and what the autoencoder costs can be told apart.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import igl
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.checkpoints.library import STARTER_NAME
from pipeline.encode.encode import encode_surface
from pipeline.encode.field_features import encoder_input
from pipeline.encode.unit_cube import UnitCube
from pipeline.load import load_models
from pipeline.mesh.charts.vertex_normals import vertex_normals
from pipeline.mesh.measuring.measure import SurfaceDistance, deviation, diagonal, sample_surface
from pipeline.model.flexicubes import ColoredMesh
from pipeline.model.generate import decode_mesh
from pipeline.model.load_options import LoadOptions
from pipeline.model.models import Models
from pipeline.model.sparse import SparseTensor
from pipeline.preview import render_surface
from pipeline.srgb import linear_from_srgb
from pipeline.texture.interpolate import barycentrics, interpolate
from pipeline.training.dataset import make_sample
from pipeline.training.evaluate import HELD_OUT_SEED, held_out_props
from pipeline.training.props import KINDS, Prop
from pipeline.types import FloatArray, IntArray, Material, Mesh, Silent, Surface

DEFAULT_KINDS = (
    "barrel", "chest", "chair", "lantern", "house", "well",
    "tree", "mushroom", "sword", "potion", "cart wheel", "key",
)  # fmt: skip
CELLS = 192  # per side of the mesh that goes in; the model's has 128
SAMPLES = 20_000
SPACE = UnitCube(center=(0.0, 0.0, 0.0), side_m=1.0)  # props are as large as the cube


@dataclass(frozen=True, kw_only=True)
class Loss:
    """deviation_mean, deviation_max: shares of the diagonal. color: mean sRGB step of 0..255."""

    deviation_mean: float
    deviation_max: float
    color: float

    def __str__(self) -> str:
        shares = f"{100 * self.deviation_mean:.2f} % | {100 * self.deviation_max:.1f} %"
        return f"{shares} | {self.color:.1f}"


def surface_of(prop: Prop) -> Surface:
    """A dense surface of a prop with a color per vertex."""
    axis = np.arange(CELLS + 1) / CELLS - 0.5
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    distance, _ = prop.field(grid.astype(np.float32))
    side = CELLS + 1
    vertices, faces, _ = igl.marching_cubes(
        np.ascontiguousarray(distance, np.float64), grid, side, side, side, 0.0
    )
    vertices = vertices.astype(np.float32)
    outward = faces[:, ::-1].astype(np.int32)  # it makes them look to where values rise less
    return colored(vertices, outward, prop.field(vertices)[1])


def colored(vertices: FloatArray, faces: IntArray, rgb: FloatArray) -> Surface:
    """A surface from triangles in the cube, Z up, and their sRGB in 0..1."""
    positions = SPACE.to_space(vertices)
    linear = linear_from_srgb(rgb.astype(np.float64))
    return Surface(
        positions=positions,
        faces=faces,
        normals=vertex_normals(positions, faces, np.arange(len(positions), dtype=np.int32)),
        colors=np.concatenate([linear, np.ones((len(linear), 1))], axis=1).astype(np.float32),
        face_materials=np.zeros(len(faces), np.int32),
        materials=(Material(roughness_factor=0.8),),
    )


def loss(decoded: ColoredMesh, prop: Prop, original: Mesh) -> Loss:
    """How far a decoded mesh is from the original, all in the cube."""
    mesh = Mesh(positions=decoded.vertices, faces=decoded.faces)
    apart = deviation(mesh, original, SurfaceDistance(original), SAMPLES, lambda: None)
    points = sample_surface(original, SAMPLES)
    _, on, nearest = SurfaceDistance(mesh).nearest(points, lambda: None)
    weights = barycentrics(mesh.positions.astype(np.float64), mesh.faces, on, nearest)
    rgb = interpolate(decoded.attributes[:, :3].astype(np.float32), mesh.faces, on, weights)
    difference = np.abs(rgb - prop.field(points.astype(np.float32))[1])
    whole = diagonal(original)
    return Loss(
        deviation_mean=apart.mean_m / whole,
        deviation_max=apart.max_m / whole,
        color=255 * float(difference.mean()),
    )


def voxel_iou(a: Tensor, b: Tensor) -> float:
    """Of two `[L, 3]` sets of voxels."""
    first, second = (set(map(tuple, voxels.tolist())) for voxels in (a, b))
    return len(first & second) / len(first | second)


@torch.no_grad()
def round_trip(models: Models, prop: Prop, pictures: Path | None) -> str:
    """One row of the table."""
    surface = surface_of(prop)
    start = time.process_time()
    asset = encode_surface(models, surface, Silent())
    seconds = time.process_time() - start
    voxels = asset.coords[:, 1:].cpu()
    structure = torch.argwhere(models.structure_decoder(asset.structure_latent)[0, 0] > 0).cpu()
    decoded = decode_mesh(models, asset.slat, Silent())
    back = asset.cube.to_space(decoded.vertices)  # into the prop's own cube
    decoded = ColoredMesh(
        vertices=SPACE.to_cube(back).astype(np.float32),
        faces=decoded.faces,
        attributes=decoded.attributes,
    )

    exact = make_sample(KINDS.index(prop.kind), HELD_OUT_SEED)
    coords = F.pad(torch.from_numpy(exact.coords.astype(np.int64)), (1, 0)).to(models.device)
    feats = encoder_input(exact.sdf.astype(np.float32), exact.color).to(models.device)
    assert models.slat_encoder is not None
    latent = SparseTensor(coords=coords, feats=feats, batch_size=1)
    from_field = decode_mesh(models, latent.with_feats(models.slat_encoder(latent)[0]), Silent())

    original = SPACE.mesh(surface)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        shown = {
            "original": surface,
            "round_trip": colored(decoded.vertices, decoded.faces, decoded.attributes[:, :3]),
            "from_field": colored(
                from_field.vertices, from_field.faces, from_field.attributes[:, :3]
            ),
        }
        for name, one in shown.items():
            path = pictures / f"{prop.kind.replace(' ', '_')}_{name}.png"
            path.write_bytes(render_surface(one, size_px=384))
    return (
        f"| {prop.kind} | {len(voxels):,} | {voxel_iou(voxels, coords[:, 1:]):.3f} | "
        f"{voxel_iou(voxels, structure):.3f} | {loss(decoded, prop, original)} | "
        f"{loss(from_field, prop, original)} | {seconds:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(DEFAULT_KINDS))
    parser.add_argument("--model", default=STARTER_NAME, help="of the starter's family")
    parser.add_argument("--pictures", type=Path, help="write a picture of each surface there")
    args = parser.parse_args()
    unknown = set(args.kinds) - set(KINDS)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    options = LoadOptions(models=(args.model,), home="", device="cpu")
    models = load_models(options, with_encoders=True).models[0]
    print(
        "| kind | voxels | IoU with the prop's own | IoU after the structure autoencoder | "
        "deviation, mean | max | color | exact samples: mean | max | color | encoding, CPU s |\n"
        + "|---" * 11
        + "|"
    )
    for prop in held_out_props():
        if prop.kind in args.kinds:
            print(round_trip(models, prop, args.pictures), flush=True)


if __name__ == "__main__":
    main()
