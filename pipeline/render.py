"""Triangles -> pixels on the CPU: camera, z-buffer, shading. For previews, not for measuring.

Source: perspective-correct interpolation from Blinn, Hyperbolic Interpolation, 1992; the
specular terms from Karis, Real Shading in Unreal Engine 4, 2013, and its environment
approximation from Karis, Physically Based Shading on Mobile, 2014.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.srgb import LINEAR_OF_BYTE, srgb_from_linear
from pipeline.texture.wrap import beside, folded, wrap_codes
from pipeline.threads import in_threads
from pipeline.types import ByteArray, FloatArray, Image, IntArray, Material

if TYPE_CHECKING:
    _F = TypeVar("_F", bound=Callable[..., None])

    def _kernel(function: _F) -> _F: ...  # numba has no types; the loops below keep theirs

else:
    from numba import njit

    # Pictures of one surface from many sides are drawn in threads.
    _kernel = njit(cache=True, error_model="numpy", nogil=True)

# Every pixel is the mean of four: enough for edges, and cheap.
_SUPERSAMPLING = 2

# Of previews: key from above left of the camera, a bright sky, a dim floor.
_KEY_DIRECTION = np.array([-0.55, 0.62, 0.56])
_KEY, _SKY, _FLOOR = 0.95, 0.62, 0.26
_BACKGROUND_TOP, _BACKGROUND_BOTTOM = 0.86, 0.62

_SHADOW_CELLS = 192

# What is behind things that are compared: a middle gray, so that dark and bright both stand out.
_BACKDROP = 0.55
# Stands in where a material has no texture.
_BLANK = Image(pixels=np.full((1, 1, 3), 255, np.uint8))
_ALPHA_CODES = {"OPAQUE": 0, "MASK": 1, "BLEND": 2}


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Triangles of one material, in world space.

    positions, normals: `[V, 3]`. tangents: `[V, 4]` or None. uvs: `[V, 2]` or None. colors:
    `[V, 4]` linear or None; all float32. faces: `[F, 3]` int32.
    """

    positions: FloatArray
    faces: IntArray
    normals: FloatArray
    tangents: FloatArray | None
    uvs: FloatArray | None
    colors: FloatArray | None
    material: Material


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A perspective camera.

    axes: `[3, 3]` float64, rows right, up, back in world space.
    eye: `[3]` float64 world position. slope: tangent of half the view angle.
    """

    axes: NDArray[np.float64]
    eye: NDArray[np.float64]
    slope: float


@dataclass(frozen=True, kw_only=True)
class Light:
    """A lamp far away and what surrounds it, in linear units; nothing casts shadows.

    toward: `[3]` float64 direction to the lamp in world space, any length.
    key: what it adds to a white surface that faces it. sky, floor: what a white surface gets that
    looks straight up (+Y) or down; between them it blends.
    """

    toward: NDArray[np.float64]
    key: float
    sky: float
    floor: float


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What each sample of a picture shows.

    screens: per draw, its vertices on the screen in samples. owner: `[n, n, 2]` draw and face, -1
    where nothing is. corner_weights: `[n, n, 2]` of the face's second and third corner.
    """

    draws: list[Draw]
    screens: list[FloatArray]
    owner: IntArray
    corner_weights: FloatArray


@dataclass(frozen=True, kw_only=True)
class _Textures:
    """The textures of a draw, `[h, w, 3]` each, shrunk for pictures of one size; white if none.

    wraps: `[5, 2]` int64 for each texture, in this order, along u and v: see `texture.wrap`.
    """

    base_color: ByteArray
    normal: ByteArray
    rough_metal: ByteArray
    occlusion: ByteArray
    emissive: ByteArray
    wraps: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """A floor under an asset with its contact shadow.

    height_m: along Y. middle_m: `[2]` x and z of the shadow's middle. half_m: half its side.
    darkness: `[n, n]` float32, rows along z.
    """

    height_m: float
    middle_m: NDArray[np.float64]
    half_m: float
    darkness: FloatArray


def fit_camera(
    positions: FloatArray,
    *,
    yaw_deg: float,
    pitch_deg: float,
    view_angle_deg: float = 30.0,
    fill_ratio: float = 0.84,
) -> Camera:
    """Return the nearest camera that sees all `positions` `[V, 3]`, centered in the picture.

    Args:
        positions: What to see.
        yaw_deg: From where: 0 is the front (+Z), 90 is +X.
        pitch_deg: How far from above.
        view_angle_deg: Of the full picture, in both directions.
        fill_ratio: The share of the picture that the object spans, in (0, 1).
    """
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    back = np.array(
        [math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)]
    )
    right = np.array([math.cos(yaw), 0.0, -math.sin(yaw)])
    axes = np.stack([right, np.cross(back, right), back])
    x, y, z = _along(positions, axes)
    slope = math.tan(math.radians(view_angle_deg) / 2)
    # Seen from (a, b, d), a point is inside if |x - a| <= (d - z) slope: linear in a and d.
    inner = slope * fill_ratio
    a, d_x = _center(x, z, inner)
    b, d_y = _center(y, z, inner)
    size = float(np.ptp(positions, axis=0).max())
    distance = max(d_x, d_y, float(z.max()) + 0.01 * size)
    return Camera(axes=axes, eye=np.array([a, b, distance]) @ axes, slope=slope)


def _along(
    points: FloatArray, axes: NDArray[np.float64]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the coordinates of `points` along three axes; without BLAS, which is slow at 3 x 3."""
    px, py, pz = points.T
    right, up, back = (
        px * np.float32(axis[0]) + py * np.float32(axis[1]) + pz * np.float32(axis[2])
        for axis in axes
    )
    return right, up, back


def _center(x: FloatArray, z: FloatArray, slope: float) -> tuple[float, float]:
    """Return the offset and distance at which x spans the view exactly."""
    high, low = float((x + z * slope).max()), float((x - z * slope).min())
    return (high + low) / 2, (high - low) / (2 * slope)


def render(
    draws: Sequence[Draw], camera: Camera, *, size_px: int, as_wireframe: bool = False
) -> ByteArray:
    """Return a picture `[size_px, size_px, 3]` uint8 sRGB of `draws` on a light ground.

    Back faces are culled unless the material is double-sided, as an engine does. Blended materials
    are dithered. Deterministic.
    """
    n = size_px * _SUPERSAMPLING
    seen = _look(draws, camera, n, keep_back_faces=as_wireframe)
    picture = _background(_ground_under(seen.draws), camera, n)
    light = _preview_light(camera)
    for index in range(len(draws)):
        if as_wireframe:
            _draw_wires(seen, index, light, picture)
        else:
            _shade_draw(seen, index, camera, light, picture)
    return _to_srgb(_of_samples(picture, size_px))


def render_views(
    draws: Sequence[Draw],
    cameras: Sequence[Camera],
    *,
    size_px: int,
    tick: Callable[[], None] = lambda: None,
) -> list[ByteArray]:
    """Return a picture from each camera, as `render` makes them, in threads.

    Textures are shrunk alike for all, so that nothing flickers where one follows the other.
    `tick` is called for each; what it raises passes through.
    """
    n = size_px * _SUPERSAMPLING
    plain = [_writable(draw) for draw in draws]
    ground = _ground_under(plain)
    textures = [
        _shrunk(draw, [_project(draw.positions, camera, n)[0] for camera in cameras[::4]])
        for draw in plain
    ]
    pictures = [np.empty(0, np.uint8)] * len(cameras)

    def draw_one(number: int) -> None:
        camera = cameras[number]
        seen = _look(plain, camera, n, keep_back_faces=False)
        picture = _background(ground, camera, n)
        light = _preview_light(camera)
        for index in range(len(plain)):
            _shade_draw(seen, index, camera, light, picture, textures[index])
        pictures[number] = _to_srgb(_of_samples(picture, size_px))

    in_threads(draw_one, range(len(cameras)), tick)
    return pictures


def render_plain(
    draws: Sequence[Draw], camera: Camera, *, size_px: int, light: Light | None = None
) -> tuple[ByteArray, FloatArray]:
    """Draw as `render` does, but before an even gray, so that pictures can be compared.

    Without `light`, that of `render`.

    Returns:
        `[size_px, size_px, 3]` uint8 sRGB, and `[size_px, size_px]` the share of each pixel that
        is covered.
    """
    n = size_px * _SUPERSAMPLING
    seen = _look(draws, camera, n, keep_back_faces=False)
    samples = np.full((n, n, 3), _BACKDROP, np.float32)
    for index in range(len(draws)):
        _shade_draw(seen, index, camera, light or _preview_light(camera), samples)
    covered = (seen.owner[:, :, :1] >= 0).astype(np.float32)
    return _to_srgb(_of_samples(samples, size_px)), _of_samples(covered, size_px)[:, :, 0]


def render_cut_out(
    draws: Sequence[Draw], camera: Camera, *, size_px: int, light: Light
) -> ByteArray:
    """Return a picture `[size_px, size_px, 4]` uint8 sRGB with straight alpha, black around.

    Every face is seen from both sides. Highlights clip. Deterministic.
    """
    n = size_px * _SUPERSAMPLING
    seen = _look(draws, camera, n, keep_back_faces=True)
    samples = np.zeros((n, n, 3), np.float32)
    for index in range(len(draws)):
        _shade_draw(seen, index, camera, light, samples)
    covered = (seen.owner[:, :, :1] >= 0).astype(np.float32)
    alpha = _of_samples(covered, size_px)
    linear = _of_samples(samples, size_px) / np.maximum(alpha, 1e-6)
    rgba = np.concatenate([srgb_from_linear(np.minimum(linear, 1)), alpha], axis=2)
    return (rgba * 255 + 0.5).astype(np.uint8)


def visible_faces(draw: Draw, camera: Camera, *, samples: int) -> tuple[IntArray, FloatArray]:
    """Find what each of `samples` x `samples` points of a picture shows.

    Returns:
        `[n, n]` the face, -1 where nothing is, and `[n, n, 2]` the weights of its second and third
        corner there. Back faces are culled unless the material is double-sided.
    """
    seen = _look([draw], camera, samples, keep_back_faces=False)
    return seen.owner[:, :, 1], seen.corner_weights


def _look(draws: Sequence[Draw], camera: Camera, n: int, *, keep_back_faces: bool) -> _Seen:
    """Find the nearest face at each of `n` x `n` samples."""
    nearest = np.zeros((n, n), np.float32)
    owner = np.full((n, n, 2), -1, np.int32)
    corner_weights = np.zeros((n, n, 2), np.float32)
    plain = [_writable(draw) for draw in draws]
    screens = []
    for index, draw in enumerate(plain):
        screen, inverse_w = _project(draw.positions, camera, n)
        material = draw.material
        alpha = np.full((1, 1), 255, np.uint8)
        if material.base_color is not None and material.base_color.pixels.shape[2] == 4:
            alpha = material.base_color.pixels[:, :, 3].copy()
        _rasterize(
            screen,
            inverse_w,
            draw.faces,
            _or_zeros(draw.uvs, draw, 2),
            alpha,
            wrap_codes(material.base_color or _BLANK),
            np.float32(material.base_color_factor[3]),
            _ALPHA_CODES[material.alpha_mode],
            np.float32(material.alpha_cutoff),
            material.double_sided or keep_back_faces,
            index,
            nearest,
            owner,
            corner_weights,
        )
        screens.append(screen)
    return _Seen(draws=plain, screens=screens, owner=owner, corner_weights=corner_weights)


def _of_samples(samples: FloatArray, size_px: int) -> FloatArray:
    """Average the samples of each pixel."""
    s = _SUPERSAMPLING
    pixels = np.zeros((size_px, size_px, samples.shape[2]), np.float32)
    for row in range(s):  # four times as fast as a mean over two axes
        for column in range(s):
            pixels += samples[row::s, column::s]
    pixels *= np.float32(1 / s**2)
    return pixels


def _writable(draw: Draw) -> Draw:
    """Return the draw with plain arrays: numba compiles anew for read-only or strided ones."""

    def plain(rows: FloatArray | None) -> FloatArray | None:
        return None if rows is None else np.require(rows, np.float32, ["C", "W"])

    return replace(
        draw,
        positions=np.require(draw.positions, np.float32, ["C", "W"]),
        faces=np.require(draw.faces, np.int32, ["C", "W"]),
        normals=np.require(draw.normals, np.float32, ["C", "W"]),
        tangents=plain(draw.tangents),
        uvs=plain(draw.uvs),
        colors=plain(draw.colors),
    )


def _project(positions: FloatArray, camera: Camera, n: int) -> tuple[FloatArray, FloatArray]:
    """Return `[V, 2]` pixels with y down, and `[V]` one over the distance along the view."""
    x, y, z = _along(positions - camera.eye.astype(np.float32), camera.axes)
    inverse_w = 1 / np.maximum(-z, np.float32(1e-9))
    screen = np.stack(
        [
            (x * inverse_w / np.float32(camera.slope) + 1) * np.float32(n / 2),
            (1 - y * inverse_w / np.float32(camera.slope)) * np.float32(n / 2),
        ],
        axis=1,
    )
    return np.ascontiguousarray(screen, np.float32), inverse_w.astype(np.float32)


def _or_zeros(rows: FloatArray | None, draw: Draw, width: int) -> FloatArray:
    return np.zeros((len(draw.positions), width), np.float32) if rows is None else rows


def _to_srgb(linear: FloatArray) -> ByteArray:
    # A soft shoulder: highlights roll off instead of clipping.
    x = np.minimum(linear * (1 + linear / 4) / (1 + linear / 1.6), 1.0)
    return (srgb_from_linear(x) * 255 + 0.5).astype(np.uint8)


def _preview_light(camera: Camera) -> Light:
    return Light(toward=_KEY_DIRECTION @ camera.axes, key=_KEY, sky=_SKY, floor=_FLOOR)


def _shade_draw(
    seen: _Seen,
    index: int,
    camera: Camera,
    light: Light,
    picture: FloatArray,
    textures: _Textures | None = None,
) -> None:
    """Shade the samples that draw `index` owns; `textures` are its own, if they are there yet."""
    draw, screen = seen.draws[index], seen.screens[index]
    material = draw.material
    if textures is None:
        textures = _shrunk(draw, [screen])
    colors = draw.colors
    if colors is None:
        colors = np.ones((len(draw.positions), 4), np.float32)
    _shade(
        draw.positions,
        draw.normals,
        _or_zeros(draw.tangents, draw, 4),
        _or_zeros(draw.uvs, draw, 2),
        colors,
        draw.faces,
        LINEAR_OF_BYTE,
        textures.base_color,
        textures.normal,
        textures.rough_metal,
        textures.occlusion,
        textures.emissive,
        textures.wraps,
        np.array(material.base_color_factor, np.float32),
        np.array(material.emissive_factor, np.float32),
        np.array(
            [
                material.metallic_factor,
                material.roughness_factor,
                material.normal_scale if material.normal is not None else 0.0,
                material.occlusion_strength if material.occlusion is not None else 0.0,
            ],
            np.float32,
        ),
        draw.tangents is not None,
        camera.eye.astype(np.float32),
        _unit(light.toward),
        np.array([light.key, light.sky, light.floor], np.float32),
        index,
        seen.owner,
        seen.corner_weights,
        picture,
    )


def _shrunk(draw: Draw, screens: Sequence[FloatArray]) -> _Textures:
    """Shrink the textures of a draw until a texel covers about a pixel of what is on `screens`."""
    texel_area, pixel_area = 0.0, 1.0
    if draw.uvs is not None:
        texel_area = float(_areas(draw.uvs, draw.faces).sum())
        covered = sum(float(_areas(screen, draw.faces).sum()) for screen in screens)
        pixel_area = max(covered / len(screens), 1.0)

    def shrunk(image: Image | None) -> ByteArray:
        if image is None or draw.uvs is None:
            return _BLANK.pixels
        pixels = image.pixels
        rgb = pixels[:, :, :3] if pixels.shape[2] >= 3 else np.repeat(pixels[:, :, :1], 3, axis=2)
        height, width = rgb.shape[:2]
        texels_per_pixel = max(texel_area * height * width / pixel_area, 1.0)
        factor = min(2 ** max(round(math.log2(texels_per_pixel) / 2), 0), height, width)
        if factor == 1:
            return rgb.copy()
        return np.array(PillowImage.fromarray(np.ascontiguousarray(rgb)).reduce(factor))

    material = draw.material
    base_color, normal, rough_metal, occlusion, emissive = images = (
        material.base_color,
        material.normal,
        material.metallic_roughness,
        material.occlusion,
        material.emissive,
    )
    return _Textures(
        base_color=shrunk(base_color),
        normal=shrunk(normal),
        rough_metal=shrunk(rough_metal),
        occlusion=shrunk(occlusion),
        emissive=shrunk(emissive),
        wraps=np.array([wrap_codes(image or _BLANK) for image in images], np.int64),
    )


def _areas(points: FloatArray, faces: IntArray) -> NDArray[np.float64]:
    a, b, c = (points[corner].astype(np.float64) for corner in faces.T)
    ab, ac = b - a, c - a
    return np.asarray(np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) / 2)


def _draw_wires(seen: _Seen, index: int, light: Light, picture: FloatArray) -> None:
    _shade_wires(
        seen.draws[index].normals,
        seen.draws[index].faces,
        seen.screens[index],
        _unit(light.toward),
        index,
        seen.owner,
        seen.corner_weights,
        picture,
    )


def _unit(direction: NDArray[np.float64]) -> FloatArray:
    return np.asarray(direction / np.linalg.norm(direction), np.float32)


def _ground_under(draws: Sequence[Draw]) -> _Ground:
    from scipy.ndimage import gaussian_filter

    low = np.min([draw.positions.min(axis=0) for draw in draws], axis=0).astype(np.float64)
    high = np.max([draw.positions.max(axis=0) for draw in draws], axis=0).astype(np.float64)
    size = max(float((high - low).max()), 1e-9)
    middle, half = (low + high)[[0, 2]] / 2, 0.9 * size
    touching = np.zeros((_SHADOW_CELLS, _SHADOW_CELLS), np.float32)
    above = np.zeros_like(touching)
    for draw in draws:
        cells = (draw.positions[:, [0, 2]] - middle + half) * (_SHADOW_CELLS / (2 * half))
        cells = cells.astype(np.float32)
        lowest = draw.positions[:, 1][draw.faces].min(axis=1)
        cover_cells(cells, draw.faces, above)
        cover_cells(cells, draw.faces[lowest < low[1] + 0.06 * size], touching)
    return _Ground(
        height_m=float(low[1]),
        middle_m=middle,
        half_m=half,
        darkness=0.5 * gaussian_filter(touching, 2.5) + 0.4 * gaussian_filter(above, 9.0),
    )


def _background(ground: _Ground, camera: Camera, n: int) -> FloatArray:
    """Return `[n, n, 3]` linear: a gray gradient with the contact shadow on the ground."""
    picture = np.empty((n, n, 3), np.float32)
    _paint_ground(
        camera.axes,
        camera.eye,
        camera.slope,
        ground.height_m,
        ground.middle_m,
        ground.half_m,
        ground.darkness,
        picture,
    )
    return picture


@_kernel
def _paint_ground(
    axes: NDArray[np.float64],
    eye: NDArray[np.float64],
    slope: float,
    height: float,
    middle: NDArray[np.float64],
    half: float,
    darkness: FloatArray,
    picture: FloatArray,
) -> None:
    """Write the gradient, darker where a pixel's ray meets the ground in the shadow."""
    n, cells = len(picture), len(darkness)
    for row in range(n):
        gray = _BACKGROUND_TOP + (_BACKGROUND_BOTTOM - _BACKGROUND_TOP) * row / max(n - 1, 1)
        y = (1 - (row + 0.5) * 2 / n) * slope
        for column in range(n):
            x = ((column + 0.5) * 2 / n - 1) * slope
            shadow = 0.0
            down = x * axes[0, 1] + y * axes[1, 1] - axes[2, 1]
            distance = (height - eye[1]) / down
            if distance > 0 and np.isfinite(distance):
                ray_x = x * axes[0, 0] + y * axes[1, 0] - axes[2, 0]
                ray_z = x * axes[0, 2] + y * axes[1, 2] - axes[2, 2]
                scale = cells / (2 * half)
                across = (eye[0] + distance * ray_x - middle[0] + half) * scale - 0.5
                along = (eye[2] + distance * ray_z - middle[1] + half) * scale - 0.5
                if 0 <= across <= cells - 1 and 0 <= along <= cells - 1:
                    i, j = min(int(along), cells - 2), min(int(across), cells - 2)
                    s, t = along - i, across - j
                    near = darkness[i, j] * (1 - t) + darkness[i, j + 1] * t
                    far = darkness[i + 1, j] * (1 - t) + darkness[i + 1, j + 1] * t
                    shadow = min(near * (1 - s) + far * s, 0.85)
            value = gray * (1 - shadow)
            picture[row, column, 0] = value
            picture[row, column, 1] = value
            picture[row, column, 2] = value


@_kernel
def _rasterize(
    screen: FloatArray,
    inverse_w: FloatArray,
    faces: IntArray,
    uvs: FloatArray,
    alpha: ByteArray,
    wraps: tuple[int, int],
    alpha_factor: np.float32,
    alpha_code: int,
    alpha_cutoff: np.float32,
    keep_back_faces: bool,
    index: int,
    nearest: FloatArray,
    owner: IntArray,
    corner_weights: FloatArray,
) -> None:
    """Write, where a triangle is the nearest so far, who it is and the weights of corners 1, 2."""
    n = nearest.shape[0]
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay = screen[i, 0], screen[i, 1]
        bx, by = screen[j, 0], screen[j, 1]
        cx, cy = screen[k, 0], screen[k, 1]
        # y points down, so a front face is clockwise here.
        area = (cx - ax) * (by - ay) - (bx - ax) * (cy - ay)
        if area == 0 or (area < 0 and not keep_back_faces):
            continue
        x0 = max(int(np.floor(min(ax, bx, cx))), 0)
        x1 = min(int(np.ceil(max(ax, bx, cx))), n - 1)
        y0 = max(int(np.floor(min(ay, by, cy))), 0)
        y1 = min(int(np.ceil(max(ay, by, cy))), n - 1)
        for y in range(y0, y1 + 1):
            py = np.float32(y) + np.float32(0.5)
            for x in range(x0, x1 + 1):
                px = np.float32(x) + np.float32(0.5)
                wb = ((cx - ax) * (py - ay) - (px - ax) * (cy - ay)) / area
                wc = ((px - ax) * (by - ay) - (bx - ax) * (py - ay)) / area
                wa = 1 - wb - wc
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                ia, ib, ic = wa * inverse_w[i], wb * inverse_w[j], wc * inverse_w[k]
                total = ia + ib + ic
                if total <= nearest[y, x]:
                    continue
                if alpha_code > 0:
                    u = (ia * uvs[i, 0] + ib * uvs[j, 0] + ic * uvs[k, 0]) / total
                    v = (ia * uvs[i, 1] + ib * uvs[j, 1] + ic * uvs[k, 1]) / total
                    u, v = folded(u, wraps[0]), folded(v, wraps[1])
                    tx = beside(int(u * alpha.shape[1]), alpha.shape[1], wraps[0])
                    ty = beside(int(v * alpha.shape[0]), alpha.shape[0], wraps[1])
                    opacity = alpha[ty, tx] / 255 * alpha_factor
                    threshold = alpha_cutoff
                    if alpha_code == 2:  # a 4 x 4 Bayer pattern
                        p, q = x ^ y, y
                        order = ((p & 1) << 3) | ((q & 1) << 2) | (p & 2) | ((q & 2) >> 1)
                        threshold = np.float32((order + 0.5) / 16)
                    if opacity < threshold:
                        continue
                nearest[y, x] = total
                owner[y, x, 0] = index
                owner[y, x, 1] = f
                corner_weights[y, x, 0] = ib / total
                corner_weights[y, x, 1] = ic / total


@_kernel
def cover_cells(cells: FloatArray, faces: IntArray, covered: FloatArray) -> None:
    """Set to one the cells whose center a triangle covers, whichever way it faces.

    cells: `[V, 2]` float32 column and row of each vertex. faces: `[F, 3]` int32. covered: `[n, n]`
    float32, indexed by row and column.
    """
    n = covered.shape[0]
    for f in range(faces.shape[0]):
        ax, ay = cells[faces[f, 0], 0], cells[faces[f, 0], 1]
        bx, by = cells[faces[f, 1], 0], cells[faces[f, 1], 1]
        cx, cy = cells[faces[f, 2], 0], cells[faces[f, 2], 1]
        area = (cx - ax) * (by - ay) - (bx - ax) * (cy - ay)
        if area == 0:
            continue
        for y in range(
            max(int(np.floor(min(ay, by, cy))), 0), min(int(np.ceil(max(ay, by, cy))), n - 1) + 1
        ):
            for x in range(
                max(int(np.floor(min(ax, bx, cx))), 0),
                min(int(np.ceil(max(ax, bx, cx))), n - 1) + 1,
            ):
                px, py = x + 0.5, y + 0.5
                wb = ((cx - ax) * (py - ay) - (px - ax) * (cy - ay)) / area
                wc = ((px - ax) * (by - ay) - (bx - ax) * (py - ay)) / area
                if wb >= 0 and wc >= 0 and wb + wc <= 1:
                    covered[y, x] = 1


@_kernel
def _sample(
    image: ByteArray, wraps: NDArray[np.int64], u: float, v: float, out: FloatArray
) -> None:
    """Write the bilinear texel at (u, v) as three values in [0, 255]."""
    height, width = image.shape[0], image.shape[1]
    along_u, along_v = wraps[0], wraps[1]
    x, y = folded(u, along_u) * width - 0.5, folded(v, along_v) * height - 0.5
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    fx, fy = np.float32(x - x0), np.float32(y - y0)
    xa, xb = beside(x0, width, along_u), beside(x0 + 1, width, along_u)
    ya, yb = beside(y0, height, along_v), beside(y0 + 1, height, along_v)
    for c in range(3):
        top = image[ya, xa, c] * (1 - fx) + image[ya, xb, c] * fx
        bottom = image[yb, xa, c] * (1 - fx) + image[yb, xb, c] * fx
        out[c] = top * (1 - fy) + bottom * fy


@_kernel
def _shade(
    positions: FloatArray,
    normals: FloatArray,
    tangents: FloatArray,
    uvs: FloatArray,
    colors: FloatArray,
    faces: IntArray,
    linear_of_srgb: FloatArray,
    base_color: ByteArray,
    normal_map: ByteArray,
    rough_metal: ByteArray,
    occlusion: ByteArray,
    emissive: ByteArray,
    wraps: NDArray[np.int64],
    base_color_factor: FloatArray,
    emissive_factor: FloatArray,
    factors: FloatArray,
    has_tangents: bool,
    eye: FloatArray,
    key: FloatArray,
    light: FloatArray,
    index: int,
    owner: IntArray,
    corner_weights: FloatArray,
    picture: FloatArray,
) -> None:
    """Write the linear color of every pixel that `index` owns.

    factors: metallic, roughness, normal scale, occlusion strength. light: key, sky, floor.
    """
    texel = np.zeros(3, np.float32)
    albedo = np.zeros(3, np.float32)
    glow = np.zeros(3, np.float32)
    p = np.zeros(3, np.float32)
    n = np.zeros(3, np.float32)
    t = np.zeros(3, np.float32)
    e = np.zeros(3, np.float32)
    h = np.zeros(3, np.float32)
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            if owner[y, x, 0] != index:
                continue
            f = owner[y, x, 1]
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            wb, wc = corner_weights[y, x, 0], corner_weights[y, x, 1]
            wa = 1 - wb - wc
            u = wa * uvs[i, 0] + wb * uvs[j, 0] + wc * uvs[k, 0]
            v = wa * uvs[i, 1] + wb * uvs[j, 1] + wc * uvs[k, 1]
            _sample(base_color, wraps[0], u, v, texel)
            for c in range(3):
                p[c] = wa * positions[i, c] + wb * positions[j, c] + wc * positions[k, c]
                n[c] = wa * normals[i, c] + wb * normals[j, c] + wc * normals[k, c]
                color = wa * colors[i, c] + wb * colors[j, c] + wc * colors[k, c]
                low = int(texel[c])
                high = min(low + 1, 255)
                step = texel[c] - low
                value = linear_of_srgb[low] * (1 - step) + linear_of_srgb[high] * step
                albedo[c] = value * base_color_factor[c] * color
                e[c] = eye[c] - p[c]
            _normalize(n)
            _normalize(e)

            if factors[2] != 0:
                if has_tangents:
                    for c in range(3):
                        t[c] = wa * tangents[i, c] + wb * tangents[j, c] + wc * tangents[k, c]
                    side = tangents[i, 3]
                else:  # from how the texture lies on this face
                    du1, dv1 = uvs[j, 0] - uvs[i, 0], uvs[j, 1] - uvs[i, 1]
                    du2, dv2 = uvs[k, 0] - uvs[i, 0], uvs[k, 1] - uvs[i, 1]
                    turn = du1 * dv2 - du2 * dv1
                    sign = 1.0 if turn > 0 else -1.0
                    for c in range(3):
                        t[c] = sign * (
                            dv2 * (positions[j, c] - positions[i, c])
                            - dv1 * (positions[k, c] - positions[i, c])
                        )
                    # v points down in glTF, so the bitangent follows -v.
                    side = -sign
                along = t[0] * n[0] + t[1] * n[1] + t[2] * n[2]
                for c in range(3):
                    t[c] -= along * n[c]
                _normalize(t)
                _sample(normal_map, wraps[1], u, v, texel)
                nx = (texel[0] / 127.5 - 1) * factors[2]
                ny = (texel[1] / 127.5 - 1) * factors[2] * side
                nz = texel[2] / 127.5 - 1
                b0 = n[1] * t[2] - n[2] * t[1]
                b1 = n[2] * t[0] - n[0] * t[2]
                b2 = n[0] * t[1] - n[1] * t[0]
                n[0] = nx * t[0] + ny * b0 + nz * n[0]
                n[1] = nx * t[1] + ny * b1 + nz * n[1]
                n[2] = nx * t[2] + ny * b2 + nz * n[2]
                _normalize(n)
            facing = n[0] * e[0] + n[1] * e[1] + n[2] * e[2]
            if facing < 0:
                # The far side of a double-sided face, or a normal bent past the silhouette.
                for c in range(3):
                    n[c] = n[c] - 2 * facing * e[c]
                facing = -facing

            _sample(rough_metal, wraps[2], u, v, texel)
            roughness = max(texel[1] / 255 * factors[1], 0.06)
            metallic = texel[2] / 255 * factors[0]
            _sample(occlusion, wraps[3], u, v, texel)
            open_sky = 1 + factors[3] * (texel[0] / 255 - 1)
            _sample(emissive, wraps[4], u, v, texel)
            for c in range(3):
                glow[c] = linear_of_srgb[int(texel[c] + 0.5)] * emissive_factor[c]

            lit = max(n[0] * key[0] + n[1] * key[1] + n[2] * key[2], 0.0)
            for c in range(3):
                h[c] = e[c] + key[c]
            _normalize(h)
            n_h = max(n[0] * h[0] + n[1] * h[1] + n[2] * h[2], 0.0)
            e_h = max(e[0] * h[0] + e[1] * h[1] + e[2] * h[2], 0.0)
            a2 = roughness**4
            spread = n_h * n_h * (a2 - 1) + 1
            k_g = (roughness + 1) ** 2 / 8
            lobe = a2 / (4 * spread * spread)  # D over pi, whose pi is in the light
            lobe /= (facing * (1 - k_g) + k_g) * (lit * (1 - k_g) + k_g)
            fresnel = (1 - e_h) ** 5

            # The surroundings: sky above, floor below, softer with roughness.
            up = 0.5 + 0.5 * n[1]
            around = (light[2] + (light[1] - light[2]) * up) * open_sky
            reflected_y = 2 * facing * n[1] - e[1]
            edge = reflected_y / (0.15 + roughness)
            mirror = light[2] + (1.25 * light[1] - light[2]) * (0.5 + 0.5 * np.tanh(edge * 1.5))
            mirror *= open_sky
            r0 = 1 - roughness
            r1 = 0.0425 - 0.0275 * roughness
            r2 = 1.04 - 0.572 * roughness
            r3 = 0.022 * roughness - 0.04
            a004 = float(min(r0 * r0, 2 ** (-9.28 * facing))) * r0 + r1
            scale, bias = -1.04 * a004 + r2, 1.04 * a004 + r3
            for c in range(3):
                f0 = 0.04 + (albedo[c] - 0.04) * metallic
                diffuse = albedo[c] * (1 - metallic)
                picture[y, x, c] = (
                    diffuse * (around + light[0] * lit)
                    + light[0] * lit * min(lobe, 20.0) * (f0 + (1 - f0) * fresnel)
                    + mirror * (f0 * scale + max(bias, 0.0))
                    + glow[c]
                )


@_kernel
def _normalize(vector: FloatArray) -> None:
    length = np.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
    if length > 0:
        for c in range(3):
            vector[c] /= length


@_kernel
def _shade_wires(
    normals: FloatArray,
    faces: IntArray,
    screen: FloatArray,
    key: FloatArray,
    index: int,
    owner: IntArray,
    corner_weights: FloatArray,
    picture: FloatArray,
) -> None:
    """Write light faces with dark edges, the nearest edge of each pixel's own triangle."""
    for y in range(owner.shape[0]):
        for x in range(owner.shape[1]):
            if owner[y, x, 0] != index:
                continue
            f = owner[y, x, 1]
            closest = 1e9
            for corner in range(3):
                i, j = faces[f, corner], faces[f, (corner + 1) % 3]
                dx, dy = screen[j, 0] - screen[i, 0], screen[j, 1] - screen[i, 1]
                px, py = x + 0.5 - screen[i, 0], y + 0.5 - screen[i, 1]
                length = max(float(np.sqrt(dx * dx + dy * dy)), 1e-6)
                closest = min(closest, abs(float(dx * py - dy * px)) / length)
            wb, wc = corner_weights[y, x, 0], corner_weights[y, x, 1]
            lit = 0.0
            for c in range(3):
                lit += key[c] * (
                    (1 - wb - wc) * normals[faces[f, 0], c]
                    + wb * normals[faces[f, 1], c]
                    + wc * normals[faces[f, 2], c]
                )
            face = 0.5 + 0.35 * max(lit, 0.0)
            line = min(max(1.3 - closest, 0.0), 1.0) * 0.85
            picture[y, x, 0] = face * (1 - line) + 0.02 * line
            picture[y, x, 1] = face * (1 - line) + 0.05 * line
            picture[y, x, 2] = face * (1 - line) + 0.11 * line
