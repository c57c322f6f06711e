"""A billboard for far away: pictures of an asset from all sides, in one texture.

A grid of `frames` x `frames` pictures covers all directions from which the asset is seen, or the
upper half of them, by an octahedral map. An engine's shader turns the quad to the camera, finds the
frames nearest the view direction and blends them; a viewer without such a shader shows the frame
that the quad's UVs name, which is the front.

Source: Cigolle et al., A Survey of Efficient Representations for Independent Unit Vectors, 2014
(octahedral and hemi-octahedral maps).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.render import Camera, Draw, visible_faces
from pipeline.types import FloatArray, Image, Material, UnwrappedMesh

Vectors = NDArray[np.float64]

# Each texel is the mean of four samples.
_SUPERSAMPLING = 2

# Share of a frame that stays empty on each side of the sphere, so that mips mix no neighbors.
_GUTTER = 1 / 16

# So many radii away perspective is flatter than a texel.
_DISTANCE = 1000.0


@dataclass(frozen=True, kw_only=True)
class ImpostorOptions:
    """Options of `bake_impostor`.

    frames: pictures along each side of the grid, 4..16. frame_px: size of each, 32..512.
    layout: "hemi" has the directions from the side and above, "full" those from below, too.
    """

    frames: int = 8
    frame_px: int = 128
    layout: Literal["hemi", "full"] = "hemi"

    def __post_init__(self) -> None:
        if not 4 <= self.frames <= 16:
            raise InvalidInput(f"impostor frames must be in 4..16, got {self.frames}")
        if not 32 <= self.frame_px <= 512:
            raise InvalidInput(f"impostor frame_px must be in 32..512, got {self.frame_px}")
        if self.layout not in ("hemi", "full"):
            raise InvalidInput(f"impostor layout must be hemi or full, got {self.layout!r}")


@dataclass(frozen=True, kw_only=True)
class Impostor:
    """What `bake_impostor` makes.

    quad: two triangles as large as the bounding sphere, across the front's direction.
    material: base color of all frames with their coverage as alpha, as a mask.
    normal_depth: the frames again: RGB object-space normals, n / 2 + 1 / 2; A depth, 1 at the near
        end of the bounding sphere, 0 at its far end. Linear.
    center_m, radius_m: of the bounding sphere.
    options: what it was made with.
    """

    quad: UnwrappedMesh
    material: Material
    normal_depth: Image
    center_m: tuple[float, float, float]
    radius_m: float
    options: ImpostorOptions

    @property
    def largest_px(self) -> int:
        """How many pixels high the bounding sphere may be seen before texels show."""
        return int(self.options.frame_px * (1 - 2 * _GUTTER))


def directions(options: ImpostorOptions) -> Vectors:
    """From where each frame is seen, `[rows, columns, 3]` unit vectors, +Y up, +Z the front.

    Frame (row r, column c) has the place p = (2c / (n - 1) - 1, 2r / (n - 1) - 1) in the square
    [-1, 1]². Full: y = 1 - |p.x| - |p.y|, and where y < 0 the corner is folded under:
    (x, z) = (1 - |p.y|, 1 - |p.x|) with the signs of p; else (x, z) = p. Hemi:
    x = (p.x + p.y) / 2, z = (p.x - p.y) / 2, y = 1 - |x| - |z|. Then normalized.
    """
    steps = np.linspace(-1, 1, options.frames)
    across, down = np.meshgrid(steps, steps)
    if options.layout == "hemi":
        x, z = (across + down) / 2, (across - down) / 2
        y = 1 - np.abs(x) - np.abs(z)
    else:
        y = 1 - np.abs(across) - np.abs(down)
        sign_x, sign_z = np.where(across < 0, -1, 1), np.where(down < 0, -1, 1)
        x = np.where(y < 0, (1 - np.abs(down)) * sign_x, across)
        z = np.where(y < 0, (1 - np.abs(across)) * sign_z, down)
    vectors = np.stack([x, y, z], axis=-1)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return unit


def frame_axes(toward: Vectors) -> Vectors:
    """Right, up and back of the picture from a direction, `[3, 3]` rows. Up is +Y's side; seen
    along the Y axis, right is +X."""
    right = np.cross([0.0, 1.0, 0.0], toward)
    length = np.linalg.norm(right)
    right = right / length if length > 1e-6 else np.array([1.0, 0.0, 0.0])
    return np.stack([right, np.cross(toward, right), toward])


def bake_impostor(
    lod: UnwrappedMesh, material: Material, options: ImpostorOptions, tick: Callable[[], None]
) -> Impostor:
    """Draw the pictures of a billboard, without perspective and without light.

    Args:
        lod: What to picture; the finest LOD.
        material: With the textures that its UVs are for.
        options: How many pictures, and how large.
        tick: Called for every picture; may raise to stop.
    """
    from pipeline.texture.dilate import nearest_known
    from pipeline.texture.sample import to_bytes

    painter = _Painter(lod, material)
    low, high = lod.positions.min(axis=0), lod.positions.max(axis=0)
    center = (low.astype(np.float64) + high) / 2
    radius = float(np.linalg.norm(lod.positions - center, axis=1).max())
    size, n = options.frame_px, options.frames
    color = np.zeros((n * size, n * size, 4), np.float32)
    normal_depth = np.zeros((n * size, n * size, 4), np.float32)
    toward = directions(options)
    # The sphere fills the frame but for the gutter.
    slope = 1 / (1 - 2 * _GUTTER) / _DISTANCE
    for row in range(n):
        for column in range(n):
            tick()
            view = toward[row, column]
            camera = Camera(
                axes=frame_axes(view), eye=center + _DISTANCE * radius * view, slope=slope
            )
            frame = (
                slice(row * size, (row + 1) * size),
                slice(column * size, (column + 1) * size),
            )
            color[frame], normal_depth[frame] = painter.paint(camera, size, center, radius)
    is_known = color[:, :, 3] > 0
    nearest = nearest_known(is_known, tick).ravel()
    for atlas in (color, normal_depth):
        atlas[:, :, :3] = atlas.reshape(-1, 4)[nearest, :3].reshape(atlas.shape[0], -1, 3)
    return Impostor(
        quad=_quad(toward, center, radius, options),
        material=Material(
            name="impostor",
            base_color=Image(pixels=to_bytes(color)),
            metallic_factor=0.0,
            roughness_factor=1.0,
            alpha_mode="MASK",
            alpha_cutoff=0.5,
            double_sided=True,
        ),
        normal_depth=Image(pixels=to_bytes(normal_depth)),
        center_m=(float(center[0]), float(center[1]), float(center[2])),
        radius_m=radius,
        options=options,
    )


class _Painter:
    """Reads the look of what a picture shows."""

    def __init__(self, lod: UnwrappedMesh, material: Material) -> None:
        from pipeline.texture.sample import prepare

        self._lod = lod
        self._material = material
        self._draw = Draw(
            positions=lod.positions,
            faces=lod.faces,
            normals=lod.normals,
            tangents=lod.tangents,
            uvs=lod.uvs,
            colors=None,
            material=material,
        )
        self._color = (
            None if material.base_color is None else prepare(material.base_color, 4, is_srgb=True)
        )
        self._normal = (
            None if material.normal is None else prepare(material.normal, 3, is_srgb=False)
        )

    def paint(
        self, camera: Camera, size: int, center: Vectors, radius: float
    ) -> tuple[FloatArray, FloatArray]:
        """Base color with coverage, and normal with depth, `[size, size, 4]` each."""
        from pipeline.srgb import srgb_from_linear

        n = size * _SUPERSAMPLING
        face, weights = visible_faces(self._draw, camera, samples=n)
        rows, columns = np.nonzero(face >= 0)
        color, normal_depth = np.zeros((n, n, 4), np.float32), np.zeros((n, n, 4), np.float32)
        if len(rows):
            corners = self._lod.faces[face[rows, columns]]
            two, three = weights[rows, columns].T[:, :, None]

            def between(values: FloatArray) -> Vectors:
                a, b, c = values[corners].astype(np.float64).transpose(1, 0, 2)
                mixed: Vectors = (1 - two - three) * a + two * b + three * c
                return mixed

            uvs = between(self._lod.uvs)
            texel = np.full(len(uvs), 2 * radius * self._uv_per_m() / size)
            color[rows, columns, :3] = self._base_color(uvs, texel)
            color[rows, columns, 3] = 1.0
            normals = self._normals(
                between(self._lod.normals), between(self._lod.tangents), uvs, texel
            )
            depth = (between(self._lod.positions) - center) @ camera.axes[2] / radius
            normal_depth[rows, columns, :3] = normals
            normal_depth[rows, columns, 3] = depth / 2 + 0.5
        covered = color[:, :, 3:]

        def mean(values: FloatArray) -> FloatArray:
            s = _SUPERSAMPLING
            result: FloatArray = values.reshape(size, s, size, s, -1).mean((1, 3))
            return result

        alpha = mean(covered)
        seen = np.maximum(alpha, 1e-6)
        rgb = srgb_from_linear(mean(color[:, :, :3]) / seen)
        normal = mean(normal_depth[:, :, :3]) / seen
        normal /= np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
        depth = mean(normal_depth[:, :, 3:]) / seen * (alpha > 0)
        return (
            np.concatenate([rgb, alpha], axis=2).astype(np.float32),
            np.concatenate([normal / 2 + 0.5, depth], axis=2).astype(np.float32),
        )

    def _uv_per_m(self) -> float:
        """How much of the texture a metre of the surface spans."""
        a, b, c = self._lod.faces.T
        p, uv = self._lod.positions.astype(np.float64), self._lod.uvs.astype(np.float64)
        area = np.linalg.norm(np.cross(p[b] - p[a], p[c] - p[a]), axis=1).sum()
        (ux, uy), (vx, vy) = (uv[b] - uv[a]).T, (uv[c] - uv[a]).T
        return float(np.sqrt(np.abs(ux * vy - uy * vx).sum() / max(area, 1e-30)))

    def _base_color(self, uvs: Vectors, texel: Vectors) -> Vectors:
        factor = np.array(self._material.base_color_factor[:3])
        if self._color is None:
            return np.tile(factor, (len(uvs), 1))
        color: Vectors = self._color.read(uvs, texel)[:, :3] * factor
        return color

    def _normals(
        self, normals: Vectors, tangents: Vectors, uvs: Vectors, texel: Vectors
    ) -> Vectors:
        if self._normal is not None:
            mapped = self._normal.read(uvs, texel) * 2.0 - 1.0
            mapped[:, :2] *= self._material.normal_scale
            bitangents = np.cross(normals, tangents[:, :3]) * np.sign(tangents[:, 3:])
            normals = (
                mapped[:, :1] * tangents[:, :3] + mapped[:, 1:2] * bitangents
                + mapped[:, 2:] * normals
            )  # fmt: skip
        unit: Vectors = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        return unit


def _quad(
    toward: Vectors, center: Vectors, radius: float, options: ImpostorOptions
) -> UnwrappedMesh:
    """Two triangles that show the frame nearest the front."""
    n = options.frames
    row, column = divmod(int(np.argmax(toward[:, :, 2])), n)
    right, up, back = frame_axes(toward[row, column])
    signs = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    positions = center + radius * (signs[:, :1] * right + signs[:, 1:] * up)
    inner = 1 - 2 * _GUTTER
    middle = np.array([column + 0.5, row + 0.5])
    uvs = (middle + signs * (0.5, -0.5) * inner) / n
    return UnwrappedMesh(
        positions=positions.astype(np.float32),
        normals=np.tile(back, (4, 1)).astype(np.float32),
        tangents=np.tile([*right, 1.0], (4, 1)).astype(np.float32),
        uvs=uvs.astype(np.float32),
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        face_source=np.array([0, 1], np.int32),
    )
