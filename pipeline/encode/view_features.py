"""What the published SLAT encoder reads: DINOv2 features of many pictures, gathered at the voxels.

The pictures are lit like the ones the encoder was trained on, because the decoders give that
shading back: a lamp at (4, 1, 6), Z up, and a wide bright panel overhead. A lamp of 1,000 W at
7.3 m and a panel of 10,000 W over 100 m x 100 m give a white surface below them 0.48 and 0.31 of
full white. Ours cast no shadows, and light bounced from below is a constant.

Source: Xiang et al., Structured 3D Latents, 2024, section 3.1; its data preparation.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image as PillowImage
from torch import Tensor

from pipeline.encode.unit_cube import UnitCube
from pipeline.errors import InvalidInput
from pipeline.model.cameras import Camera, radical_inverse
from pipeline.render import Camera as RenderCamera
from pipeline.render import Draw, Light, render_cut_out
from pipeline.types import ByteArray, FloatArray, Image, IntArray, Material, Surface

LARGEST_EXTENT = 1.0  # of the cube's side, as in the published training set

# glTF's axes, as the renderer wants them: (x, y, z) with Z up is (x, z, -y).
_LIGHT = Light(toward=np.array([4.0, 6.0, -1.0]), key=0.48, sky=0.31, floor=0.03)
# Textures are read 150 times; no picture shows more texels than this across an atlas.
_TEXTURE_SIDE = 2048
_DRAWERS = 8  # threads; a picture of 200,000 triangles takes one 0.2 s
_BATCH_ON_GPU = 8


class PatchEncoder(Protocol):
    """A picture encoder that gives a vector per patch; `image_size` is its side in pixels."""

    image_size: int

    def patch_features(
        self, pictures: Tensor, on_block: Callable[[float], None] | None = None
    ) -> Tensor:
        """`[B, 3, size, size]` sRGB in 0..1 -> `[B, C, grid, grid]`.

        `on_block` hears the finished share many times; it may raise to stop.
        """


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """Options of `view_features`.

    count: pictures to take, 1 to 1,000; the published encoder was trained with 150.
    """

    count: int = 150

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 1000:
            raise InvalidInput(f"the number of views must be in 1..1000, got {self.count}")


def encoder_views(count: int) -> list[Camera]:
    """Where the pictures are taken from: the Hammersley set, three of four from above.

    The first quarter of the set's heights is spread over the lower half of the sphere and the rest
    over the upper half, as in the published training set, without its random turn.
    """
    cameras = []
    for i in range(count):
        u = i / count
        height = 2 * u if u < 0.25 else 2 * u / 3 + 1 / 3  # 0 is below, 1 above
        cameras.append(
            Camera(
                yaw_deg=360.0 * radical_inverse(i, 2),
                pitch_deg=math.degrees(math.acos(1 - 2 * height)) - 90.0,
            )
        )
    return cameras


@torch.no_grad()
def view_features(
    encoder: PatchEncoder,
    surface: Surface,
    cube: UnitCube,
    coords: IntArray,
    resolution: int,
    cameras: Sequence[Camera],
    device: str,
    tick: Callable[[float], None],
) -> Tensor:
    """Average what the pictures show at the voxels' middles, seen or hidden.

    Hidden ones count as well: the published encoder was trained that way.

    Args:
        encoder: DINOv2.
        surface: What to look at.
        cube: Where its voxels lie.
        coords: `[L, 3]` active voxels.
        resolution: Voxels per side.
        cameras: Where the pictures are taken from, Z up.
        device: Where the encoder is.
        tick: Called with the finished share several times per picture; may raise to stop.

    Returns:
        `[L, C]` float32 on `device`, rounded to float16 as in training.
    """
    middles = torch.from_numpy((coords.astype(np.float32) + 0.5) / resolution - 0.5).to(device)
    batch_size = _BATCH_ON_GPU if device.startswith("cuda") else 1
    total: Tensor | None = None
    done = count = 0

    def report(share_of_batch: float = 0.0) -> None:
        tick((done + share_of_batch * count) / len(cameras))

    with _Pictures(surface, cube, cameras, encoder.image_size) as pictures:
        for batch in pictures.batches(batch_size, report):
            count = len(batch)
            rgb = torch.from_numpy(np.stack(batch)).to(device).permute(0, 3, 1, 2)
            patches = encoder.patch_features(rgb, report).float()
            for patch, camera in zip(patches, cameras[done : done + count], strict=True):
                seen = gather(patch, camera, middles)
                total = seen if total is None else total + seen
            done += count
    assert total is not None
    return (total / len(cameras)).half().float()


def gather(patches: Tensor, camera: Camera, points: Tensor) -> Tensor:
    """Read a feature picture `[C, h, w]` where `points` `[N, 3]` appear in it -> `[N, C]`.

    Bilinear; zero outside the picture.
    """
    rotation = torch.from_numpy(camera.rotation).to(points)
    seen = (points - torch.from_numpy(camera.position).to(points)) @ rotation.T
    at = seen[:, :2] / (seen[:, 2:] * math.tan(math.radians(camera.fov_deg) / 2))  # -1..1
    read = F.grid_sample(patches[None], at[None, None], mode="bilinear", align_corners=False)
    return read[0, :, 0].T


class _Pictures:
    """Pictures of a surface in the order of the cameras, drawn ahead in threads."""

    def __init__(
        self,
        surface: Surface,
        cube: UnitCube,
        cameras: Sequence[Camera],
        size_px: int,
    ) -> None:
        self._draws = _draws(surface, cube)
        self._cameras = cameras
        self._size_px = size_px
        self._threads = min(_DRAWERS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._threads)

    def __enter__(self) -> "_Pictures":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def batches(self, size: int, tick: Callable[[], None]) -> Iterator[list[FloatArray]]:
        """Pictures on black, `size` at a time; `tick` is called while they are waited for."""
        ahead: deque[Future[FloatArray]] = deque()
        batch: list[FloatArray] = []
        waiting = deque(self._cameras)
        while waiting or ahead:
            while waiting and len(ahead) < 2 * self._threads + size:
                ahead.append(self._pool.submit(self._draw, waiting.popleft()))
            while not wait([ahead[0]], timeout=0.1).done:
                tick()
            batch.append(ahead.popleft().result())
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _draw(self, camera: Camera) -> FloatArray:
        return on_black(
            render_cut_out(
                self._draws, _to_render_camera(camera), size_px=self._size_px, light=_LIGHT
            )
        )


def on_black(rgba: ByteArray) -> FloatArray:
    """`[H, W, 4]` straight alpha -> `[H, W, 3]` float32 sRGB in 0..1, times alpha."""
    scaled = rgba.astype(np.float32) / np.float32(255)
    picture: FloatArray = scaled[:, :, :3] * scaled[:, :, 3:]
    return picture


def _draws(surface: Surface, cube: UnitCube) -> list[Draw]:
    """The surface in a cube around the origin, Y up, a draw per material."""
    at_origin = UnitCube(center=(0.0, 0.0, 0.0), side_m=1.0)
    positions = at_origin.to_space(cube.to_cube(surface.positions).astype(np.float32))
    small: dict[int, Image] = {}  # by identity: materials often share a texture
    return [
        Draw(
            positions=positions,
            faces=surface.faces[surface.face_materials == index],
            normals=surface.normals,
            tangents=None,
            uvs=surface.uvs,
            colors=surface.colors,
            material=_diffuse(material, small),
        )
        for index, material in enumerate(surface.materials)
    ]


def _diffuse(material: Material, small: dict[int, Image]) -> Material:
    """What a lamp shows of a material: its color and its own light, without gloss or relief.

    Metal is drawn like paint of its color: with nothing around that it could mirror, it would be
    black.
    """

    def shrunk(image: Image | None) -> Image | None:
        if image is None:
            return None
        if id(image.pixels) not in small:
            small[id(image.pixels)] = _shrunk(image)
        return small[id(image.pixels)]

    return Material(
        base_color_factor=material.base_color_factor,
        base_color=shrunk(material.base_color),
        emissive_factor=material.emissive_factor,
        emissive=shrunk(material.emissive),
        alpha_mode=material.alpha_mode,
        alpha_cutoff=material.alpha_cutoff,
    )


def _shrunk(image: Image) -> Image:
    pixels = image.pixels
    factor = -(-max(pixels.shape[:2]) // _TEXTURE_SIDE)
    if factor == 1:
        return image
    picture = PillowImage.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    smaller = np.asarray(picture.reduce(factor))
    return Image(pixels=smaller.reshape(*smaller.shape[:2], -1))


def _to_render_camera(camera: Camera) -> RenderCamera:
    """From OpenCV axes and Z up to the renderer's: right, up, back, and Y up."""
    z_up = np.stack([camera.rotation[0], -camera.rotation[1], -camera.rotation[2], camera.position])
    x, y, z = z_up.astype(np.float64).T
    y_up = np.stack([x, z, -y], axis=1)
    return RenderCamera(
        axes=y_up[:3], eye=y_up[3], slope=math.tan(math.radians(camera.fov_deg) / 2)
    )
