"""SLAT -> what was asked for: a dense colored surface, 3D Gaussians, a radiance field."""

import functools
import io
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pil

from pipeline.errors import InvalidInput
from pipeline.model.formats import ColorSource, DecodeOptions
from pipeline.pictures.viewpoint import PREVIEW_PX
from pipeline.srgb import linear_from_srgb
from pipeline.stored_surface import surface_to_bytes
from pipeline.types import (
    Artifact,
    FloatArray,
    Material,
    PartOf,
    Progress,
    Role,
    Stage,
    Surface,
    View,
)

if TYPE_CHECKING:
    from pipeline.encode.unit_cube import UnitCube
    from pipeline.model.cameras import Camera
    from pipeline.model.flexicubes import ColoredMesh
    from pipeline.model.gaussians import Gaussians
    from pipeline.model.models import Models
    from pipeline.model.radiance_field import RadianceField
    from pipeline.model.sparse import SparseTensor

GENERATED_ROUGHNESS = 0.8
# From the front right, slightly above, as all previews; the front is -Y while Z is up.
_PREVIEW_YAW_DEG, _PREVIEW_PITCH_DEG = 180.0 - 32.0, 18.0
_PREVIEW_BACKGROUND = (0.91, 0.914, 0.922)


def decode(
    models: "Models",
    slat: "SparseTensor",
    options: DecodeOptions,
    name: str,
    cube: "UnitCube | None",
    progress: Progress,
) -> tuple[bytes | None, tuple[Artifact, ...]]:
    """Decode one sample.

    Args:
        models: The model that the sample is of.
        slat: One sample in the decoders' scale.
        options: Which formats.
        name: Of the asset, for file names.
        cube: Where a mesh belongs in space; None leaves it in the unit cube.
        progress: Hears the stage and gets previews.

    Returns:
        The stored surface if a mesh is asked for, and the files of the other formats.

    Raises:
        EmptyResult: If the mesh has no triangle.
    """
    assert set(options.needed_formats) <= set(models.facts.formats), "the model was chosen for them"
    surface: bytes | None = None
    artifacts: list[Artifact] = []

    @functools.cache
    def gaussians() -> "Gaussians":
        return _gaussians(models, slat, progress)

    for number, wanted in enumerate(options.formats):
        part = PartOf(progress, number, len(options.formats))
        match wanted:
            case "mesh":
                surface = _surface(models, slat, options.color_from, gaussians, cube, part)
            case "gaussian":
                artifacts += _gaussian_files(models, gaussians, name, part)
            case "radiance_field":
                artifacts += _radiance_field_files(models, slat, name, part)
    return surface, tuple(artifacts)


def _surface(
    models: "Models",
    slat: "SparseTensor",
    color_from: ColorSource,
    gaussians: Callable[[], "Gaussians"],
    cube: "UnitCube | None",
    progress: Progress,
) -> bytes:
    from pipeline.model.generate import decode_mesh
    from pipeline.preview import render_surface

    decoder = models.gaussian_decoder if color_from != "surface" else None
    steps = 1 if decoder is None else 2
    surface = colored_surface(decode_mesh(models, slat, PartOf(progress, 0, steps)), cube)
    # As soon as geometry exists, before any texture work.
    progress.preview(Stage.DECODE, render_surface(surface, size_px=PREVIEW_PX))
    if decoder is not None:
        count = len(slat.feats) * decoder.representation.num_gaussians
        if color_from == "gaussians" or count > len(surface.positions):
            views = _views(models, gaussians(), cube, PartOf(progress, 1, steps))
            surface = replace(surface, views=views)
        progress(Stage.DECODE, 1.0)
    return surface_to_bytes(surface)


def _views(
    models: "Models", gaussians: "Gaussians", cube: "UnitCube | None", progress: Progress
) -> tuple[View, ...]:
    """Pictures of the Gaussians; none if there are none."""
    from pipeline.model.gaussian_views import gaussian_views

    assert models.gaussian_decoder is not None
    if not len(gaussians):
        return ()
    return gaussian_views(
        gaussians,
        _to_space(cube),
        filter_2d=models.gaussian_decoder.representation.filter_2d,
        report=lambda fraction: progress(Stage.DECODE, fraction),
    )


def _to_space(cube: "UnitCube | None") -> NDArray[np.float64]:
    """`[4, 4]` from the unit cube, where Z is up: what `colored_surface` does to positions."""
    side_m, center = (1.0, (0.0, 0.0, 0.0)) if cube is None else (cube.side_m, cube.center)
    turned = np.array([(1, 0, 0), (0, 0, 1), (0, -1, 0)], np.float64)
    return np.block([[turned * side_m, np.array(center)[:, None]], [np.zeros((1, 3)), 1]])


def colored_surface(mesh: "ColoredMesh", cube: "UnitCube | None" = None) -> Surface:
    """Turn decoded triangles into a surface in glTF space, with a color per vertex.

    cube: where it belongs; None leaves it in the unit cube.
    """
    from pipeline.mesh.charts.vertex_normals import vertex_normals
    from pipeline.model.generate import to_gltf_space

    positions = to_gltf_space(mesh.vertices) if cube is None else cube.to_space(mesh.vertices)
    linear = linear_from_srgb(mesh.attributes[:, :3].astype(np.float64))
    colors = np.concatenate([linear, np.ones((len(linear), 1))], axis=1)
    return Surface(
        positions=positions,
        faces=mesh.faces,
        normals=vertex_normals(positions, mesh.faces, np.arange(len(positions), dtype=np.int32)),
        colors=colors.astype(np.float32),
        face_materials=np.zeros(len(mesh.faces), np.int32),
        materials=(Material(name="generated", roughness_factor=GENERATED_ROUGHNESS),),
    )


def _gaussians(models: "Models", slat: "SparseTensor", progress: Progress) -> "Gaussians":
    import torch

    decoder = models.gaussian_decoder
    assert decoder is not None  # `decode` has looked at the formats
    with torch.no_grad(), models.residency.on_device(decoder):
        return _finite(decoder.gaussians(slat, decoder(slat))[0], progress)


def _gaussian_files(
    models: "Models", gaussians: Callable[[], "Gaussians"], name: str, progress: Progress
) -> list[Artifact]:
    import torch

    from pipeline.model.gaussian_renderer import render
    from pipeline.model.ply import gaussians_to_ply

    assert models.gaussian_decoder is not None
    progress(Stage.DECODE, 0.0)
    made = gaussians()
    progress(Stage.DECODE, 0.5)
    with torch.no_grad():
        picture = render(
            made,
            _preview_camera(),
            size_px=PREVIEW_PX,
            background=_PREVIEW_BACKGROUND,
            filter_2d=models.gaussian_decoder.representation.filter_2d,
            report=lambda fraction: progress(Stage.DECODE, 0.5 + fraction / 2),
        )
    png = _png(picture.color.cpu().numpy())
    progress.preview(Stage.DECODE, png)
    progress(Stage.DECODE, 1.0)
    return [
        Artifact(
            role="gaussian",
            file_name=f"{name}.ply",
            media_type="application/octet-stream",  # IANA knows no type for PLY
            content=gaussians_to_ply(made),
        ),
        _preview_file("gaussian_preview", f"{name}.gaussian.png", png),
    ]


def _radiance_field_files(
    models: "Models", slat: "SparseTensor", name: str, progress: Progress
) -> list[Artifact]:
    import torch

    from pipeline.model.radiance_renderer import RenderOptions, render

    decoder = models.radiance_field_decoder
    assert decoder is not None  # `decode` has looked at the formats
    progress(Stage.DECODE, 0.0)
    with torch.no_grad(), models.residency.on_device(decoder):
        field = decoder.radiance_fields(slat, decoder(slat))[0]
        picture = render(
            field,
            _preview_camera(),
            RenderOptions(size_px=PREVIEW_PX, supersampling=2, background=_PREVIEW_BACKGROUND),
            lambda fraction: progress(Stage.DECODE, fraction),
        )
    png = _png(picture.rgb.cpu().numpy())
    progress.preview(Stage.DECODE, png)
    return [
        Artifact(
            role="radiance_field",
            file_name=f"{name}.radiance_field.safetensors",
            media_type="application/octet-stream",
            content=_field_bytes(field),
        ),
        _preview_file("radiance_field_preview", f"{name}.radiance_field.png", png),
    ]


def _finite(gaussians: "Gaussians", progress: Progress) -> "Gaussians":
    """Leave out what half precision has driven out of range."""
    import torch

    numbers = torch.cat([c.reshape(len(gaussians), -1) for c in vars(gaussians).values()], dim=1)
    good = numbers.isfinite().all(1)
    if bool(good.all()):
        return gaussians
    progress.warn(
        Stage.DECODE, f"{int((~good).sum())} of {len(good)} Gaussians are no numbers and left out"
    )
    return replace(gaussians, **{name: value[good] for name, value in vars(gaussians).items()})


def _field_bytes(field: "RadianceField") -> bytes:
    from pipeline.model.radiance_field import radiance_field_to_bytes

    try:
        return radiance_field_to_bytes(field)
    except InvalidInput:  # a value that float16 cannot hold
        import torch

        return radiance_field_to_bytes(field, dtype=torch.float32)


def _preview_camera() -> "Camera":
    from pipeline.model.cameras import Camera

    return Camera(yaw_deg=_PREVIEW_YAW_DEG, pitch_deg=_PREVIEW_PITCH_DEG)


def _preview_file(role: Role, file_name: str, png: bytes) -> Artifact:
    return Artifact(role=role, file_name=file_name, media_type="image/png", content=png)


def _png(rgb: FloatArray) -> bytes:
    """`[H, W, 3]` in 0..1, sRGB -> PNG."""
    file = io.BytesIO()
    Pil.fromarray((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
