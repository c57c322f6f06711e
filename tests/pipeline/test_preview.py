import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.errors import InvalidInput
from pipeline.export.glb import export_glb
from pipeline.export.parts import ExportPart
from pipeline.export.profiles import ExportOptions
from pipeline.pictures.viewpoint import Viewpoint
from pipeline.preview import preview_sheet, render_glb, render_surface
from pipeline.render import fit_camera
from pipeline.types import Image, Material, Silent, Surface, UnwrappedMesh
from tests.pipeline.samples import checkerboard, measures_of, unwrapped_cube

CUBE = unwrapped_cube(segments=2)
SIZE = 96


PLAIN = Material()
GENERIC = ExportOptions()


def glb_of(
    *lods: UnwrappedMesh, material: Material = PLAIN, options: ExportOptions = GENERIC
) -> bytes:
    measures = measures_of(lods)
    return export_glb(
        "cube", lods, measures, material, [ExportPart.whole(lods, [])], options, Silent()
    )


def pixels(png: bytes) -> NDArray[np.int64]:
    return np.asarray(PillowImage.open(io.BytesIO(png))).astype(np.int64)


def front(glb: bytes, size_px: int = SIZE) -> NDArray[np.int64]:
    return pixels(render_glb(glb, Viewpoint(size_px=size_px, yaw_deg=0.0, pitch_deg=0.0)))


def painted_front(texture: NDArray[np.uint8]) -> Material:
    """Return a material that shows `texture` on the chart of the front side."""
    atlas = np.full((texture.shape[0] * 2, texture.shape[1] * 3, 3), 128, np.uint8)
    atlas[: texture.shape[0], : texture.shape[1]] = texture
    return Material(base_color=Image(pixels=atlas))


def normal_map(x: int, y: int) -> Image:
    return Image(pixels=np.full((4, 4, 3), (128 + x, 128 + y, 220), np.uint8))


class TestRender:
    def test_fills_the_picture_and_stays_inside(self) -> None:
        picture = front(glb_of(CUBE, material=Material(base_color_factor=(1.0, 0.0, 0.0, 1.0))))
        red = picture[:, :, 0] > picture[:, :, 1] + 40
        rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
        # The front face spans 84 % of the picture, the default of `fit_camera`.
        assert np.ptp(columns) + 1 == pytest.approx(0.84 * SIZE, abs=2)
        assert columns[0] == pytest.approx(SIZE - 1 - columns[-1], abs=1)
        assert rows[0] == pytest.approx(SIZE - 1 - rows[-1], abs=1)

    def test_textures_stand_upright(self) -> None:
        picture = front(glb_of(CUBE, material=painted_front(checkerboard(16))))
        red, green = picture[30, 30], picture[30, 66]
        blue, yellow = picture[66, 30], picture[66, 66]
        assert red[0] > red[1] + 40 < red[0]
        assert green[1] > max(green[0], green[2]) + 40
        assert blue[2] > max(blue[0], blue[1]) + 40
        assert min(yellow[0], yellow[1]) > yellow[2] + 40

    def test_near_triangles_hide_far_ones(self) -> None:
        near = Material(name="near", base_color_factor=(1.0, 0.0, 0.0, 1.0))
        far = Material(name="far", base_color_factor=(0.0, 0.0, 1.0, 1.0))
        square = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
        positions = np.concatenate([square, square * 2 - np.array([0, 0, 1])]).astype(np.float32)
        faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], np.int32)
        for order in ([0, 1, 2, 3], [2, 3, 0, 1]):
            surface = Surface(
                positions=positions,
                faces=faces[order],
                normals=np.tile(np.array([0, 0, 1], np.float32), (8, 1)),
                face_materials=np.array([0, 0, 1, 1], np.int32)[order],
                materials=(near, far),
            )
            picture = pixels(render_surface(surface, SIZE))
            r, _, b = picture[SIZE // 2, SIZE // 2]
            assert r > b + 40

    def test_back_faces_show_only_where_double_sided(self) -> None:
        inside_out = replace(CUBE, faces=CUBE.faces[:12, ::-1])
        material = Material(base_color_factor=(1.0, 0.0, 0.0, 1.0))
        middle = (SIZE // 2, SIZE // 2)
        hidden = front(glb_of(inside_out, material=material))[middle]
        shown = front(glb_of(inside_out, material=replace(material, double_sided=True)))[middle]
        assert abs(hidden[0] - hidden[1]) < 10
        assert shown[0] > shown[1] + 40

    @pytest.mark.parametrize(("x", "y"), [(90, 0), (-90, 0), (0, 90), (0, -90)])
    def test_normal_maps_lean_towards_the_light_as_gltf_says(self, x: int, y: int) -> None:
        # The key light is above left of the camera: x to the left and green up are brighter.
        bare = front(glb_of(CUBE)).mean()
        bent = front(glb_of(CUBE, material=Material(normal=normal_map(x, y)))).mean()
        assert (bent > bare) == (y > 0 or x < 0)

    def test_normal_maps_without_tangents_look_the_same(self) -> None:
        material = Material(normal=normal_map(-90, 30))
        surface = Surface(
            positions=CUBE.positions,
            faces=CUBE.faces,
            normals=CUBE.normals,
            uvs=CUBE.uvs,
            face_materials=np.zeros(len(CUBE.faces), np.int32),
            materials=(material,),
        )
        from_uvs = pixels(render_surface(surface, SIZE))
        from_tangents = pixels(render_glb(glb_of(CUBE, material=material), Viewpoint(size_px=SIZE)))
        assert np.abs(from_uvs - from_tangents).max() <= 2  # rounding

    def test_masked_texels_are_holes(self) -> None:
        alpha = np.zeros((4, 4, 4), np.uint8)
        alpha[:, :, 0] = 255
        material = Material(base_color=Image(pixels=alpha), alpha_mode="MASK")
        picture = front(glb_of(CUBE, material=material))
        assert np.ptp(picture, axis=2).max() < 10  # gray ground only

    def test_vertex_colors_are_linear(self) -> None:
        # Linear 0.2 and the sRGB texel 124 are the same color.
        colored = Surface(
            positions=CUBE.positions,
            faces=CUBE.faces,
            normals=CUBE.normals,
            colors=np.tile(np.array([0.2, 0.2, 0.2, 1], np.float32), (len(CUBE.positions), 1)),
            face_materials=np.zeros(len(CUBE.faces), np.int32),
            materials=(Material(),),
        )
        texture = Image(pixels=np.full((4, 4, 3), 124, np.uint8))
        textured = glb_of(CUBE, material=Material(base_color=texture))
        a, b = (
            pixels(render_surface(colored, SIZE)),
            pixels(render_glb(textured, Viewpoint(size_px=SIZE))),
        )
        assert np.abs(a - b).max() <= 2  # 124 is rounded

    def test_the_ground_at_the_foot_is_darker(self) -> None:
        red = Material(base_color_factor=(1.0, 0.0, 0.0, 1.0))
        picture = pixels(render_glb(glb_of(CUBE, material=red), Viewpoint(size_px=SIZE)))
        rows = np.flatnonzero(picture[:, SIZE // 2, 0] > picture[:, SIZE // 2, 1] + 40)
        foot = picture[rows[-1] + 2]
        assert foot[SIZE // 2].mean() < foot[1].mean() - 10

    def test_same_input_same_picture(self) -> None:
        glb = glb_of(CUBE, material=Material(normal=normal_map(20, 20)))
        assert render_glb(glb, Viewpoint(size_px=SIZE)) == render_glb(glb, Viewpoint(size_px=SIZE))

    @pytest.mark.parametrize("size_px", [0, 100_000])
    def test_absurd_sizes_are_refused(self, size_px: int) -> None:
        with pytest.raises(InvalidInput, match=f"size_px must be from 16 to 4096, got {size_px}"):
            render_glb(glb_of(CUBE), Viewpoint(size_px=size_px))


class TestCamera:
    @pytest.mark.parametrize("yaw_deg", [0.0, 32.0, 200.0])
    @pytest.mark.parametrize("stretch", [(1, 1, 1), (20, 1, 1), (1, 1, 20)])
    def test_sees_every_point_and_touches_the_frame(
        self, yaw_deg: float, stretch: tuple[int, int, int]
    ) -> None:
        points = CUBE.positions * np.array(stretch, np.float32)
        camera = fit_camera(points, yaw_deg=yaw_deg, pitch_deg=18.0, fill_ratio=0.8)
        right, up, back = ((points - camera.eye) @ camera.axes.T).T
        reach = np.abs([right / -back, up / -back]).max(axis=1) / camera.slope
        assert (back < 0).all()
        assert reach.max() == pytest.approx(0.8, rel=1e-6)


class TestSheet:
    def test_shows_one_column_per_lod(self) -> None:
        lods = [unwrapped_cube(segments=4), unwrapped_cube(segments=2), unwrapped_cube()]
        one, three = (
            PillowImage.open(io.BytesIO(preview_sheet(glb_of(*x)))) for x in (lods[:1], lods)
        )
        assert three.width == 3 * one.width
        assert three.height == one.height

    def test_profiles_give_the_same_sheet(self) -> None:
        lods = [unwrapped_cube(segments=4), unwrapped_cube()]
        sheets = [
            preview_sheet(glb_of(*lods, options=ExportOptions(profile=profile)))
            for profile in ("generic", "unreal")
        ]
        assert sheets[0] == sheets[1]

    def test_denser_lods_have_more_wire(self) -> None:
        lods = [unwrapped_cube(segments=6), unwrapped_cube()]
        sheet = pixels(preview_sheet(glb_of(*lods)))
        wires = sheet[-sheet.shape[1] // 2 :]
        # Faces are lighter than 180, half-covered lines darker than 165.
        dark = (wires.max(axis=2) < 165).reshape(len(wires), 2, -1).sum(axis=(0, 2))
        assert dark[0] > 2 * dark[1]
