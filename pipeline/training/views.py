"""Pictures of an asset as a user might take them: conditions for models that take pictures."""

import io

import numpy as np
from PIL import Image as Pil

from pipeline.model.cameras import radical_inverse
from pipeline.preprocess import preprocess
from pipeline.render import Draw, Light, fit_camera, render_cut_out
from pipeline.types import ByteArray, Progress, Stage, Surface

_DRAWN_PX = 384  # a request's picture is scaled to the encoder's size too
_LIGHT_FROM = np.array([-0.55, 0.62, 0.56])  # in camera directions: above left


def condition_views(surface: Surface, count: int, size_px: int, progress: Progress) -> ByteArray:
    """Draw a surface from all around, more from above than from below, near and far.

    Args:
        surface: In glTF space.
        count: How many pictures; the first ones are the same for every count.
        size_px: Side of the picture that the model takes.
        progress: Called before each; may raise to stop.

    Returns:
        `[count, size_px, size_px, 3]` uint8, framed as every request's picture is.
    """
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
    views = np.zeros((count, size_px, size_px, 3), np.uint8)
    for i in range(count):
        progress(Stage.PREPROCESS, i / count)
        camera = fit_camera(
            surface.positions,
            yaw_deg=360 * radical_inverse(i, 2),
            pitch_deg=-10 + 60 * radical_inverse(i, 3),
            view_angle_deg=15 + 45 * radical_inverse(i, 5),
        )
        light = Light(toward=_LIGHT_FROM @ camera.axes, key=0.75, sky=0.5, floor=0.3)
        file = io.BytesIO()
        drawn = render_cut_out(draws, camera, size_px=_DRAWN_PX, light=light)
        Pil.fromarray(drawn).save(file, "PNG", compress_level=1)
        views[i] = preprocess(file.getvalue(), size_px, progress)
    return views
