"""Pictures of meshes from all sides, and how near two sets of them are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.levels import read_levels
from pipeline.render import Draw, Light, fit_camera, render_cut_out
from pipeline.types import ByteArray, Material, Surface, UnwrappedMesh

PIXELS = 384
VIEWS = tuple((yaw, pitch) for pitch in (20.0, -15.0) for yaw in (30.0, 120.0, 210.0, 300.0))
LIGHT = Light(toward=np.array([0.4, 0.8, 0.5]), key=0.7, sky=0.5, floor=0.3)

_LEAST_MEAN_SQUARE = 1e-9  # what two equal pictures are apart, so that all have a finite PSNR


def levels(glb: bytes) -> list[list[Draw]]:
    """What each LOD of a file shows."""
    return [list(level.draws) for level in read_levels(glb).levels]


def dense_draw(surface: Surface) -> Draw:
    """A surface of one material in the colors of its vertices."""
    return Draw(
        positions=surface.positions,
        faces=surface.faces,
        normals=surface.normals,
        tangents=None,
        uvs=None,
        colors=surface.colors,
        material=surface.materials[0],
    )


def lod_draw(lod: UnwrappedMesh, material: Material) -> Draw:
    """A LOD with its textures."""
    return Draw(
        positions=lod.positions,
        faces=lod.faces,
        normals=lod.normals,
        tangents=lod.tangents,
        uvs=lod.uvs,
        colors=None,
        material=material,
    )


def pictures(draws: Sequence[Draw], like: Sequence[Draw], size_px: int = PIXELS) -> list[ByteArray]:
    """`[size, size, 4]` each, cut out, one per view, by cameras that fit `like`."""
    positions = np.concatenate([draw.positions for draw in like])
    return [
        render_cut_out(
            draws,
            fit_camera(positions, yaw_deg=yaw, pitch_deg=pitch),
            size_px=size_px,
            light=LIGHT,
        )
        for yaw, pitch in VIEWS
    ]


def psnr(found: Sequence[ByteArray], right: Sequence[ByteArray]) -> float:
    """Of the pixels that either covers, gray around, in dB."""
    squared, count = 0.0, 0
    for one, two in zip(found, right, strict=True):
        seen = (one[:, :, 3] > 0) | (two[:, :, 3] > 0)
        apart = _on(one, 128) - _on(two, 128)
        squared += float((apart**2).sum(axis=2)[seen].sum())
        count += 3 * int(seen.sum())
    return decibels(squared / count)


def whole_psnr(found: Sequence[ByteArray], right: Sequence[ByteArray]) -> float:
    """Of whole pictures, black around, in dB: comparable with tables that were made so."""
    return decibels(float(((_on(np.stack(found), 0) - _on(np.stack(right), 0)) ** 2).mean()))


def decibels(mean_square: float, peak: float = 255.0) -> float:
    """Return the peak signal-to-noise ratio of a mean squared difference, in dB."""
    return float(10 * np.log10(peak**2 / max(mean_square, _LEAST_MEAN_SQUARE)))


def _on(rgba: ByteArray, gray: int) -> NDArray[np.float64]:
    alpha = rgba[..., 3:] / 255.0
    return np.asarray(rgba[..., :3] * alpha + gray * (1 - alpha))
