"""A surface colored by a number at each of its points."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures.colors import Table, linear_colors
from pipeline.render import Camera, Draw, visible_faces
from pipeline.srgb import linear_from_srgb, srgb_from_linear
from pipeline.types import ByteArray, FloatArray, IntArray

Float64Array = NDArray[np.float64]

# Each pixel is the mean of four samples.
_SUPERSAMPLING = 2

# So many samples at a time, for the memory.
_BAND_SAMPLES = 1 << 20

# As in previews from above left of the camera; so weak that it bends no color beyond its neighbors.
_KEY_DIRECTION = np.array([-0.55, 0.62, 0.56])
_LEAST_LIGHT = 0.66
_BACKDROP = (196, 199, 204)  # darker than the palest color

Values = Callable[[NDArray[np.int64], Float64Array], Float64Array]


def surface_values(
    draw: Draw, camera: Camera, *, size_px: int, shares: Values, table: Table
) -> ByteArray:
    """Return a picture `[size_px, size_px, 3]` sRGB of `draw` in the colors of numbers.

    Args:
        draw: What is seen; its material only says whether back faces are.
        camera: From where.
        size_px: Width and height.
        shares: Given faces `[N]` and places on them `[N, 3]`, returns numbers from 0 to 1.
        table: Their colors.
    """
    n = size_px * _SUPERSAMPLING
    face, weights = visible_faces(draw, camera, samples=n)
    band = max(_BAND_SAMPLES // n // _SUPERSAMPLING, 1) * _SUPERSAMPLING
    bands = [
        _painted(
            draw, camera, face[start : start + band], weights[start : start + band], shares, table
        )
        for start in range(0, n, band)
    ]
    return np.concatenate(bands)


def _painted(
    draw: Draw,
    camera: Camera,
    face: IntArray,
    weights: FloatArray,
    shares: Values,
    table: Table,
) -> ByteArray:
    """Color some rows of samples, and average them to pixels."""
    s = _SUPERSAMPLING
    height, width = face.shape
    picture = np.empty((*face.shape, 3), np.float64)
    picture[:] = linear_from_srgb(np.array(_BACKDROP) / 255)
    rows, columns = np.nonzero(face >= 0)
    if len(rows):
        faces = face[rows, columns].astype(np.int64)
        corners = draw.faces[faces]
        two, three = weights[rows, columns].astype(np.float64).T[:, :, None]

        def between(values: FloatArray) -> Float64Array:
            a, b, c = values[corners].astype(np.float64).transpose(1, 0, 2)
            mixed: Float64Array = (1 - two - three) * a + two * b + three * c
            return mixed

        places, normals = between(draw.positions), between(draw.normals)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        key = _KEY_DIRECTION @ camera.axes / np.linalg.norm(_KEY_DIRECTION)
        facing = np.sign((normals * (camera.eye - places)).sum(axis=1))
        lit = np.maximum((normals * key).sum(axis=1) * facing, 0.0)
        light = _LEAST_LIGHT + (1 - _LEAST_LIGHT) * lit
        picture[rows, columns] = linear_colors(shares(faces, places), table) * light[:, None]
    pixels = picture.reshape(height // s, s, width // s, s, 3).mean((1, 3))
    return (srgb_from_linear(pixels) * 255 + 0.5).astype(np.uint8)
