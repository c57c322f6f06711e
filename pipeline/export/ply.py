"""A LOD -> binary PLY with a color per vertex, for scans, viewers and scripts.

Source: Turk, The PLY Polygon File Format, 1994; the names s, t, red, ... are those that Blender
and MeshLab read.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.srgb import linear_from_srgb, srgb_from_linear
from pipeline.types import ByteArray, FloatArray, Image, Material, UnwrappedMesh

_VERTEX = np.dtype(
    [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz", "s", "t")]
    + [(name, "u1") for name in ("red", "green", "blue", "alpha")]
)
_FACE = np.dtype([("count", "u1"), ("vertices", "<i4", 3)])


def to_ply(meshes: Sequence[UnwrappedMesh], material: Material) -> bytes:
    """Write meshes as one: positions in metres, Y up, normals, UVs, sRGB colors with alpha.

    The color of a vertex is the base color at its UV, between the nearest four texels.
    """
    vertices = np.zeros(sum(len(mesh.positions) for mesh in meshes), _VERTEX)
    faces = np.zeros(sum(len(mesh.faces) for mesh in meshes), _FACE)
    faces["count"] = 3
    first_vertex = first_face = 0
    for mesh in meshes:
        rows = vertices[first_vertex : first_vertex + len(mesh.positions)]
        for axis, (position, normal) in enumerate(zip("xyz", ("nx", "ny", "nz"), strict=True)):
            rows[position] = mesh.positions[:, axis]
            rows[normal] = mesh.normals[:, axis]
        rows["s"], rows["t"] = mesh.uvs[:, 0], 1 - mesh.uvs[:, 1]  # origin bottom left
        colors = vertex_colors(mesh.uvs, material)
        for channel, name in enumerate(("red", "green", "blue", "alpha")):
            rows[name] = colors[:, channel]
        faces["vertices"][first_face : first_face + len(mesh.faces)] = mesh.faces + first_vertex
        first_vertex += len(mesh.positions)
        first_face += len(mesh.faces)
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"element vertex {len(vertices)}",
        *(f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz", "s", "t")),
        *(f"property uchar {name}" for name in ("red", "green", "blue", "alpha")),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
        "",
    ]
    return "\n".join(header).encode() + vertices.tobytes() + faces.tobytes()


def vertex_colors(uvs: FloatArray, material: Material) -> ByteArray:
    """`[V, 4]` uint8 sRGB: base color times its factor; alpha 255 if the material is opaque."""
    if material.base_color is None:
        linear = np.ones((len(uvs), 4))
    else:
        linear = _sampled(material.base_color, uvs)
    linear *= np.array(material.base_color_factor)
    if material.alpha_mode == "OPAQUE":
        linear[:, 3] = 1
    linear[:, :3] = srgb_from_linear(linear[:, :3])
    return np.rint(np.clip(linear, 0, 1) * 255).astype(np.uint8)


def _sampled(image: Image, uvs: FloatArray) -> NDArray[np.float64]:
    """`[V, 4]` linear RGBA between the nearest four texels, clamped at the image's border."""
    height, width, channels = image.pixels.shape
    x = np.clip(uvs[:, 0].astype(np.float64) * width - 0.5, 0, width - 1)
    y = np.clip(uvs[:, 1].astype(np.float64) * height - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[:, None], (y - top)[:, None]

    def texel(row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.float64]:
        values = image.pixels[row, column] / 255.0
        color = np.repeat(values[:, :1], 3, axis=1) if channels < 3 else values[:, :3]
        alpha = values[:, -1:] if channels in (2, 4) else np.ones((len(values), 1))
        return np.concatenate([linear_from_srgb(color), alpha], axis=1)

    upper = texel(top, left) * (1 - across) + texel(top, right) * across
    lower = texel(bottom, left) * (1 - across) + texel(bottom, right) * across
    result: NDArray[np.float64] = upper * (1 - down) + lower * down
    return result
