"""Samples of props for training: active voxels, field values on the fine grid, views, captions.

One sample is made from its seed alone, so the data set needs no download and no storage contract:
`python -m pipeline.training.dataset` makes it again.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from pipeline.training.props import KINDS, make_prop
from pipeline.training.render import render_prop
from pipeline.types import ByteArray, FloatArray

SIDE = 32  # voxels per side of the sparse structure
CELLS = 4  # cells of the mesh grid per voxel side
VIEW_PX = 112

# Field samples per voxel: the corners of its 4^3 cells, in (x, y, z) order with z fastest.
CORNER_OFFSETS = np.stack(np.meshgrid(*[np.arange(CELLS + 1)] * 3, indexing="ij"), -1).reshape(
    -1, 3
)


@dataclass(frozen=True, kw_only=True)
class PropSample:
    """What the models see of one prop.

    coords: `[L, 3]` uint8 active voxels on 32 cells per side, sorted.
    sdf: `[L, 125]` float16 signed distance at the corners of each voxel's cells, in voxels,
        clipped to [-1, 1].
    color: `[L, 125, 3]` uint8 sRGB at the same points.
    views: `[2, 112, 112, 4]` uint8 pictures, straight alpha.
    """

    kind: str
    captions: tuple[str, ...]
    coords: ByteArray
    sdf: np.ndarray
    color: ByteArray
    views: ByteArray


def make_sample(index: int, seed: int) -> PropSample:
    """Make sample `index` of the data set `seed`; kinds take turns."""
    rng = np.random.default_rng((seed, index))
    prop = make_prop(KINDS[index % len(KINDS)], rng)

    cells = np.array(list(np.ndindex((SIDE,) * 3)))
    distance, _ = prop.field(((cells + 0.5) / SIDE - 0.5).astype(np.float32))
    # Half a voxel's diagonal, and room for fields that are only nearly distances.
    near = cells[np.abs(distance) < 1.5 * 0.87 / SIDE]

    corners = near[:, None] * CELLS + CORNER_OFFSETS
    side = SIDE * CELLS + 1
    flat = (corners[..., 0] * side + corners[..., 1]) * side + corners[..., 2]
    unique, inverse = np.unique(flat, return_inverse=True)
    grid = np.stack(np.unravel_index(unique, (side, side, side)), -1)
    sdf, color = _evaluate(prop.field, (grid / (side - 1) - 0.5).astype(np.float32))
    sdf, color = sdf[inverse].reshape(flat.shape), color[inverse].reshape(*flat.shape, 3)

    active = (sdf.min(1) < 0) & (sdf.max(1) >= 0)
    views = np.stack(
        [
            render_prop(
                prop,
                yaw_deg=float(rng.uniform(-60, 60)),
                pitch_deg=float(rng.uniform(5, 40)),
                size_px=VIEW_PX,
            )
            for _ in range(2)
        ]
    )
    return PropSample(
        kind=prop.kind,
        captions=prop.captions,
        coords=near[active].astype(np.uint8),
        sdf=np.clip(sdf[active] * SIDE, -1, 1).astype(np.float16),
        color=np.round(color[active] * 255).astype(np.uint8),
        views=views,
    )


def _evaluate(
    field: Callable[[FloatArray], tuple[FloatArray, FloatArray]], points: FloatArray
) -> tuple[FloatArray, FloatArray]:
    parts = [field(points[i : i + 65536]) for i in range(0, len(points), 65536)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def save(sample: PropSample, path: Path) -> None:
    """Write a sample; `load` reads it back."""
    with path.open("wb") as f:
        np.savez(
            f,
            kind=sample.kind,
            captions=np.array(sample.captions),
            coords=sample.coords,
            sdf=sample.sdf,
            color=sample.color,
            views=sample.views,
        )


def load(path: Path) -> PropSample:
    """Read what `save` wrote."""
    with np.load(path) as data:
        return PropSample(
            kind=str(data["kind"]),
            captions=tuple(map(str, data["captions"])),
            coords=data["coords"],
            sdf=data["sdf"],
            color=data["color"],
            views=data["views"],
        )


def _make_and_save(index: int, seed: int, folder: Path) -> None:
    path = folder / f"{index:05d}.npz"
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        save(make_sample(index, seed), temporary)
        temporary.rename(path)


def build(folder: Path, count: int, seed: int, workers: int) -> None:
    """Make samples 0..count-1 that are not in `folder` yet."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_make_and_save, i, seed, folder) for i in range(count)]
        for done, future in enumerate(futures, 1):
            future.result()
            if done % 100 == 0:
                print(f"{done}/{count} samples", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=80 * len(KINDS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()
    build(args.folder, args.count, args.seed, args.workers)
