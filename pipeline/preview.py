"""Pictures of assets on the CPU: what an artist sees before the engine does."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from pipeline.errors import InvalidInput
from pipeline.gltf.container import Gltf, ReadLimits, open_gltf
from pipeline.gltf.nodes import (
    Placed,
    collision_nodes,
    lower_levels,
    lower_levels_by_name,
    place_nodes,
    root_nodes,
)
from pipeline.read_glb import Parts, read_parts
from pipeline.render import Camera, Draw, fit_camera, render
from pipeline.types import ByteArray, Silent, Stage, Surface

# From the front right, slightly above: three sides of a box.
_YAW_DEG, _PITCH_DEG = 32.0, 18.0
_TILE_PX, _LABEL_PX, _FONT_PX = 384, 30, 15
_LABEL_COLOR, _SHEET_COLOR = (40, 44, 52), (232, 233, 235)


def render_glb(
    glb: bytes,
    *,
    size_px: int = _TILE_PX,
    yaw_deg: float = _YAW_DEG,
    pitch_deg: float = _PITCH_DEG,
) -> bytes:
    """Return a square PNG of the finest LOD.

    Args:
        glb: A .glb as `read_glb` takes it; tangents are used as the file has them.
        size_px: Width and height, at least 16.
        yaw_deg: From where: 0 is the front (+Z), 90 is +X.
        pitch_deg: How far from above.

    Raises:
        InvalidInput, Unsupported: As `read_glb`.
    """
    _check_size(size_px)
    gltf = open_gltf(glb, Silent(), ReadLimits())
    draws = _draws(read_parts(gltf, _levels(gltf)[0], Silent(), with_tangents=True))
    camera = _camera(draws, yaw_deg, pitch_deg)
    return _png(render(draws, camera, size_px=size_px))


def render_surface(surface: Surface, size_px: int = _TILE_PX) -> bytes:
    """Return a square PNG of a dense mesh, in its own colors, from where the others are seen."""
    _check_size(size_px)
    draws = [
        Draw(
            positions=surface.positions,
            faces=surface.faces[surface.face_materials == index],
            normals=surface.normals,
            tangents=None,
            uvs=surface.uvs,
            colors=surface.colors,
            material=material,
        )
        for index, material in enumerate(surface.materials)
    ]
    camera = _camera(draws, _YAW_DEG, _PITCH_DEG)
    return _png(render(draws, camera, size_px=size_px))


def preview_sheet(glb: bytes, tick: Callable[[], None] = lambda: None) -> bytes:
    """Return a PNG with all LODs side by side: shaded above, wireframe below, one camera.

    LODs are found by `MSFT_lod`, or by node names ending in `_LOD0`, `_LOD1`, ...; a file without
    either is shown as one. `tick` is called every 0.1 s or so; what it raises passes through.

    Raises:
        InvalidInput, Unsupported: As `read_glb`.
    """
    ticking = _Ticking(tick)
    gltf = open_gltf(glb, ticking, ReadLimits())
    levels = [
        _draws(read_parts(gltf, placed, ticking, with_tangents=True)) for placed in _levels(gltf)
    ]
    camera = _camera(levels[0], _YAW_DEG, _PITCH_DEG)
    sheet = PillowImage.new("RGB", (_TILE_PX * len(levels), 2 * _TILE_PX + _LABEL_PX), _SHEET_COLOR)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_PX)
    for level, draws in enumerate(levels):
        left = level * _TILE_PX
        tick()
        shaded = render(draws, camera, size_px=_TILE_PX)
        tick()
        wires = render(draws, camera, size_px=_TILE_PX, as_wireframe=True)
        sheet.paste(PillowImage.fromarray(shaded), (left, 0))
        sheet.paste(PillowImage.fromarray(wires), (left, _TILE_PX + _LABEL_PX))
        triangle_count = sum(len(draw.faces) for draw in draws)
        pen.text(
            (left + _TILE_PX / 2, _TILE_PX + _LABEL_PX / 2),
            f"LOD{level}   {triangle_count:,} tris",
            fill=_LABEL_COLOR,
            font=font,
            anchor="mm",
        )
    return _png(np.asarray(sheet))


def _check_size(size_px: int) -> None:
    if size_px < 16 or size_px > 4096:
        raise InvalidInput(f"size_px must be from 16 to 4096, got {size_px}")


def _levels(gltf: Gltf) -> list[list[Placed]]:
    """Return the nodes that each LOD shows, finest first."""
    nodes = gltf.items("nodes")
    hulls, by_name = collision_nodes(gltf), lower_levels_by_name(gltf)
    levels: dict[int, list[Placed]] = {0: []}
    listed = lower_levels(gltf) - by_name  # by MSFT_lod
    for item in place_nodes(gltf, root_nodes(gltf, Silent()), hulls | listed):
        level = _level_of_name(item.node.text("name")) if item.index in by_name else 0
        levels.setdefault(level, []).append(item)
        lod = nodes[item.index].extension("MSFT_lod")
        for number, lower in enumerate(lod.indices("ids") if lod is not None else [], 1):
            shown = place_nodes(gltf, [lower])
            levels.setdefault(number, []).extend(
                replace(each, matrix=item.parent @ each.matrix) for each in shown
            )
    return [levels[level] for level in sorted(levels)]


def _level_of_name(name: str) -> int:
    return int(name.upper().rpartition("_LOD")[2])


def _draws(parts: Parts) -> list[Draw]:
    return [
        Draw(
            positions=primitive.positions,
            faces=primitive.faces,
            normals=primitive.normals,
            tangents=primitive.tangents,
            uvs=primitive.uvs,
            colors=primitive.colors,
            material=parts.materials[material],
        )
        for primitive, material in zip(parts.primitives, parts.material_of, strict=True)
    ]


def _camera(draws: Sequence[Draw], yaw_deg: float, pitch_deg: float) -> Camera:
    positions = np.concatenate([draw.positions for draw in draws])
    return fit_camera(positions, yaw_deg=yaw_deg, pitch_deg=pitch_deg)


class _Ticking(Silent):
    """A `Progress` that keeps the caller responsive and says nothing."""

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._tick()


def _png(pixels: ByteArray) -> bytes:
    out = io.BytesIO()
    PillowImage.fromarray(pixels).save(out, "PNG", compress_level=6)
    return out.getvalue()
