"""Pictures of assets on the CPU: what an artist sees before the engine does."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from pipeline.mesh.measuring.shading_normals import smooth_normals
from pipeline.pictures.levels import Level, read_levels
from pipeline.pictures.sheet import BODY_PX, font, to_png
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.render import Draw, render
from pipeline.threads import together
from pipeline.types import ByteArray, Material, Mesh, Surface, UnwrappedMesh

_VIEW = Viewpoint()
_CLAY = Material(base_color_factor=(0.5, 0.5, 0.5, 1.0), metallic_factor=0.0, double_sided=True)
_LABEL_PX = 30
_LABEL_COLOR, _SHEET_COLOR = (40, 44, 52), (232, 233, 235)


def render_glb(
    glb: bytes, view: Viewpoint = _VIEW, *, lod: int = 0, tick: Callable[[], None] = lambda: None
) -> bytes:
    """Return a square PNG of one LOD.

    Args:
        glb: A .glb as `read_glb` takes it; tangents are used as the file has them.
        view: From where, and how large.
        lod: Which LOD, see `read_levels`.
        tick: Called every 0.1 s or so; what it raises passes through.

    Raises:
        InvalidInput, Unsupported: As `read_glb`, and if there is no such LOD.
    """
    chain = read_levels(glb, tick)
    # All LODs stand where the finest does.
    camera = chain.level(0).camera(view.yaw_deg, view.pitch_deg)
    return to_png(render(chain.level(lod).draws, camera, size_px=view.size_px))


def render_surface(surface: Surface, size_px: int = _VIEW.size_px) -> bytes:
    """Return a square PNG of a dense mesh, in its own colors, from where the others are seen."""
    view = Viewpoint(size_px=size_px)
    draws = tuple(
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
    )
    camera = Level(draws=draws).camera(view.yaw_deg, view.pitch_deg)
    return to_png(render(draws, camera, size_px=size_px))


def render_clay(
    meshes: Sequence[Mesh],
    size_px: int = _VIEW.size_px,
    tick: Callable[[], None] = lambda: None,
) -> bytes:
    """Return a PNG with meshes side by side, shapes alone, from where the first is seen whole.

    `tick` is called every 0.1 s or so; what it raises passes through.
    """
    camera = _clay(meshes[0]).camera(_VIEW.yaw_deg, _VIEW.pitch_deg)
    row = _pictures(
        [partial(render, _clay(mesh).draws, camera, size_px=size_px) for mesh in meshes], tick
    )
    return to_png(np.concatenate(row, axis=1))


def _clay(mesh: Mesh) -> Level:
    draw = Draw(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=smooth_normals(mesh.positions, mesh.faces),
        tangents=None,
        uvs=None,
        colors=None,
        material=_CLAY,
    )
    return Level(draws=(draw,))


def _pictures(
    renders: Sequence[Callable[[], ByteArray]], tick: Callable[[], None]
) -> list[ByteArray]:
    """Draw each in a thread of its own."""

    def drawn(number: int, check: Callable[[], None]) -> ByteArray:
        return renders[number]()

    return together([partial(drawn, number) for number in range(len(renders))], lambda _: tick())


def render_textured(mesh: UnwrappedMesh, material: Material, size_px: int = _VIEW.size_px) -> bytes:
    """Return a square PNG of a LOD with its textures, before there is a file of it."""
    draw = Draw(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=mesh.normals,
        tangents=mesh.tangents,
        uvs=mesh.uvs,
        colors=None,
        material=material,
    )
    camera = Level(draws=(draw,)).camera(_VIEW.yaw_deg, _VIEW.pitch_deg)
    return to_png(render((draw,), camera, size_px=size_px))


def preview_sheet(
    glb: bytes, tick: Callable[[], None] = lambda: None, *, view: Viewpoint = _VIEW
) -> bytes:
    """Return a PNG with all LODs side by side: shaded above, wireframe below, one camera.

    LODs are found as by `read_levels`. `tick` is called every 0.1 s or so; what it raises passes
    through.

    Raises:
        InvalidInput, Unsupported: As `read_glb`.
    """
    levels = read_levels(glb, tick).levels
    camera = levels[0].camera(view.yaw_deg, view.pitch_deg)
    size = view.size_px
    sheet = PillowImage.new("RGB", (size * len(levels), 2 * size + _LABEL_PX), _SHEET_COLOR)
    pen = ImageDraw.Draw(sheet)
    pictures = _pictures(
        [
            partial(render, level.draws, camera, size_px=size, as_wireframe=as_wireframe)
            for as_wireframe in (False, True)
            for level in levels
        ],
        tick,
    )
    for number, level in enumerate(levels):
        left = number * size
        sheet.paste(PillowImage.fromarray(pictures[number]), (left, 0))
        wires = pictures[len(levels) + number]
        sheet.paste(PillowImage.fromarray(wires), (left, size + _LABEL_PX))
        pen.text(
            (left + size / 2, size + _LABEL_PX / 2),
            f"LOD{number}   {level.triangle_count:,} tris",
            fill=_LABEL_COLOR,
            font=font(BODY_PX),
            anchor="mm",
        )
    return to_png(np.asarray(sheet))
