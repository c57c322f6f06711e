import io
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.errors import InvalidInput
from pipeline.export.glb import export_glb
from pipeline.export.hulls import relative_hull
from pipeline.export.parts import ExportPart
from pipeline.export.profiles import LAYOUTS, ExportOptions, Profile
from pipeline.read_glb import read_glb
from pipeline.scene import assembled
from pipeline.types import (
    AlphaMode,
    Box,
    Capsule,
    Hull,
    Image,
    LodMeasure,
    Material,
    Silent,
    Sphere,
    UnwrappedMesh,
)
from tests.pipeline.samples import Json, Listener, checkerboard, unpack_glb, unwrapped_cube

LODS = [unwrapped_cube(segments=4), unwrapped_cube(segments=2), unwrapped_cube()]
COVERAGES = (0.5, 0.2, 0.01)
GENERIC = ExportOptions()
HULL = Hull(
    positions=np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32),
    faces=np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32),
)
TEXTURED = Material(
    base_color=Image(pixels=checkerboard()),
    metallic_roughness=Image(pixels=np.full((8, 8, 3), (9, 100, 200), np.uint8)),
    occlusion=Image(pixels=np.full((8, 8, 1), 50, np.uint8)),
    normal=Image(pixels=np.full((8, 8, 3), (128, 128, 255), np.uint8)),
    emissive=Image(pixels=np.full((8, 8, 3), 30, np.uint8)),
    emissive_factor=(1.0, 0.5, 0.0),
    metallic_factor=1.0,
)


def measure(lod: UnwrappedMesh, coverage: float) -> LodMeasure:
    return LodMeasure(
        triangle_count=len(lod.faces),
        budget=1000,
        deviation_max_m=0.0,
        deviation_mean_m=0.0,
        normal_deviation_deg=0.0,
        silhouette_px=0.0,
        screen_coverage=coverage,
    )


def export(
    *,
    name: str = "wooden crate",
    lods: list[UnwrappedMesh] = LODS,
    material: Material = TEXTURED,
    options: ExportOptions = GENERIC,
) -> bytes:
    measures = [measure(lod, c) for lod, c in zip(lods, COVERAGES, strict=False)]
    parts = [ExportPart.whole(lods, [HULL, HULL])]
    return export_glb(name, lods, measures, material, parts, options, Silent())


def parsed(**options: object) -> tuple[Json, bytes]:
    return unpack_glb(export(**options))  # type: ignore[arg-type]  # the same keywords


def rows(root: Json, binary: bytes, accessor: int) -> NDArray[np.generic]:
    """Read an accessor by numpy alone."""
    entry = root["accessors"][accessor]
    view = root["bufferViews"][entry["bufferView"]]
    dtype = {5126: np.float32, 5123: np.uint16, 5125: np.uint32}[entry["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[entry["type"]]
    flat = np.frombuffer(binary, dtype, entry["count"] * width, view["byteOffset"])
    return flat.reshape(-1, width)


def picture(root: Json, binary: bytes, texture: int) -> NDArray[np.uint8]:
    image = root["images"][root["textures"][texture]["source"]]
    view = root["bufferViews"][image["bufferView"]]
    start = view["byteOffset"]
    return np.asarray(PillowImage.open(io.BytesIO(binary[start : start + view["byteLength"]])))


def triangle_set(
    positions: NDArray[np.generic], faces: NDArray[np.generic]
) -> set[tuple[tuple[float, ...], ...]]:
    """Return the triangles by their corners, turned to start at the smallest."""
    found = set()
    for face in faces:
        corners = [tuple(float(x) for x in positions[i]) for i in face]
        start = corners.index(min(corners))
        found.add(tuple(corners[start:] + corners[:start]))
    return found


class TestNames:
    def test_follow_the_convention(self) -> None:
        root, _ = parsed()
        names = [f"SM_WoodenCrate_LOD{i}" for i in range(3)]
        names += ["UCX_SM_WoodenCrate_LOD0_00", "UCX_SM_WoodenCrate_LOD0_01"]
        assert [node["name"] for node in root["nodes"]] == names
        assert [mesh["name"] for mesh in root["meshes"]] == names
        assert [material["name"] for material in root["materials"]] == ["M_WoodenCrate"]
        suffixes = [image["name"].removeprefix("T_WoodenCrate_") for image in root["images"]]
        assert suffixes == ["BC", "N", "ORM", "E"]

    def test_generator_names_us(self) -> None:
        root, _ = parsed()
        assert root["asset"]["generator"].startswith("Lodsmith ")


class TestProfiles:
    def test_every_profile_has_a_layout(self) -> None:
        assert set(LAYOUTS) == set(get_args(Profile))

    @pytest.mark.parametrize("profile", ["generic", "unity"])
    def test_lods_hang_on_lod0_outside_the_scene(self, profile: Profile) -> None:
        root, _ = parsed(options=ExportOptions(profile=profile))
        assert root["scenes"][root["scene"]]["nodes"] == [0]
        assert root["nodes"][0]["extensions"]["MSFT_lod"]["ids"] == [1, 2]
        assert root["extensionsUsed"] == ["MSFT_lod"]

    def test_unreal_has_everything_in_the_scene_and_no_extension(self) -> None:
        root, _ = parsed(options=ExportOptions(profile="unreal"))
        assert root["scenes"][root["scene"]]["nodes"] == [0, 1, 2, 3, 4]
        assert "extensionsUsed" not in root
        assert "extensions" not in root["nodes"][0]

    @pytest.mark.parametrize("profile", ["godot", "roblox"])
    def test_only_lod0_is_in_the_file_where_lods_are_files(self, profile: Profile) -> None:
        root, _ = parsed(options=ExportOptions(profile=profile))
        lods = [mesh["name"] for mesh in root["meshes"] if mesh["name"].startswith("SM_")]
        assert lods == ["SM_WoodenCrate_LOD0"]
        names = ["WoodenCrate_LOD1.glb", "WoodenCrate_LOD2.glb"]
        assert root["nodes"][0]["extras"]["lod_files"] == names
        assert "extensionsUsed" not in root

    def test_godot_makes_bodies_of_hulls_by_their_names(self) -> None:
        root, _ = parsed(options=ExportOptions(profile="godot"))
        names = [root["nodes"][node]["name"] for node in root["scenes"][0]["nodes"]]
        assert names[1:] == [
            "UCX_SM_WoodenCrate_LOD0_00-convcolonly", "UCX_SM_WoodenCrate_LOD0_01-convcolonly",
        ]  # fmt: skip

    def test_roblox_has_no_hulls_and_says_so(self) -> None:
        listener = Listener()
        glb = export_glb(
            "x",
            LODS,
            [measure(lod, c) for lod, c in zip(LODS, COVERAGES, strict=True)],
            TEXTURED,
            [ExportPart.whole(LODS, [HULL])],
            ExportOptions(profile="roblox"),
            listener,
        )
        assert [node["name"] for node in unpack_glb(glb)[0]["nodes"]] == ["SM_X_LOD0"]
        assert any("1 collision shapes are left out" in warning for warning in listener.warnings)

    @pytest.mark.parametrize("profile", ["unity", "unreal"])
    def test_the_binary_chunk_is_that_of_generic(self, profile: Profile) -> None:
        assert parsed(options=ExportOptions(profile=profile))[1] == parsed()[1]

    @pytest.mark.parametrize("profile", sorted(set(get_args(Profile)) - {"web"}))
    def test_nothing_is_required(self, profile: Profile) -> None:
        root, _ = parsed(options=ExportOptions(profile=profile))
        assert "extensionsRequired" not in root

    @pytest.mark.parametrize("profile", get_args(Profile))
    def test_coverage_is_one_value_per_lod(self, profile: Profile) -> None:
        root, _ = parsed(options=ExportOptions(profile=profile))
        assert root["nodes"][0]["extras"]["MSFT_screencoverage"] == list(COVERAGES)

    def test_a_single_lod_needs_no_extension(self) -> None:
        root, _ = parsed(lods=LODS[:1])
        assert "extensionsUsed" not in root
        assert "extras" not in root["nodes"][0]


class TestMeshes:
    def test_triangles_and_attributes_survive_the_reordering(self) -> None:
        root, binary = parsed()
        for lod, mesh in zip(LODS, root["meshes"], strict=False):
            (primitive,) = mesh["primitives"]
            faces = rows(root, binary, primitive["indices"]).reshape(-1, 3)
            written = {
                name: rows(root, binary, accessor)
                for name, accessor in primitive["attributes"].items()
            }
            # All attributes side by side: a vertex is right only with all that belongs to it.
            both = [np.concatenate(list(written.values()), axis=1), _side_by_side(lod)]
            assert list(written) == ["POSITION", "NORMAL", "TANGENT", "TEXCOORD_0"]
            assert triangle_set(both[0], faces) == triangle_set(both[1], lod.faces)

    def test_vertices_come_in_order_of_first_use(self) -> None:
        root, binary = parsed()
        flat = rows(root, binary, root["meshes"][0]["primitives"][0]["indices"]).reshape(-1)
        _, first_use = np.unique(flat, return_index=True)
        assert (np.diff(first_use) > 0).all()

    def test_unused_vertices_are_not_written(self) -> None:
        lod = replace(LODS[2], faces=LODS[2].faces[:2])  # one side of the cube
        root, _ = parsed(lods=[lod])
        position = root["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
        assert root["accessors"][position]["count"] == 4

    def test_bounds_are_the_float32_values(self) -> None:
        third = np.float32(1 / 3)
        lod = unwrapped_cube(side_m=float(third))
        root, binary = parsed(lods=[lod])
        accessor = root["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
        positions = rows(root, binary, accessor)
        entry = root["accessors"][accessor]
        assert np.array(entry["min"], np.float32).tolist() == positions.min(axis=0).tolist()
        assert [np.float32(v) == v for v in entry["max"]] == [True] * 3
        assert entry["max"][1] == float(third)

    @pytest.mark.parametrize(("vertex_count", "component"), [(65535, 5123), (65536, 5125)])
    def test_indices_are_as_short_as_the_restart_value_allows(
        self, vertex_count: int, component: int
    ) -> None:
        # A strip of triangles, one new vertex each.
        first = np.arange(vertex_count - 2, dtype=np.int32)
        x = np.arange(vertex_count, dtype=np.float32)
        lod = UnwrappedMesh(
            positions=np.stack([x, x % 2, 0 * x], axis=1),
            normals=np.tile(np.array([0, 0, 1], np.float32), (vertex_count, 1)),
            tangents=np.tile(np.array([1, 0, 0, 1], np.float32), (vertex_count, 1)),
            uvs=np.zeros((vertex_count, 2), np.float32),
            faces=np.stack([first, first + 1, first + 2], axis=1),
            face_source=np.arange(len(first), dtype=np.int32),
        )
        root, binary = parsed(lods=[lod], material=Material())
        indices = root["meshes"][0]["primitives"][0]["indices"]
        assert root["accessors"][indices]["componentType"] == component
        assert rows(root, binary, indices).max() == vertex_count - 1

    def test_hulls_have_positions_only(self) -> None:
        root, binary = parsed()
        (primitive,) = root["meshes"][3]["primitives"]
        assert list(primitive["attributes"]) == ["POSITION"]
        assert "material" not in primitive
        faces = rows(root, binary, primitive["indices"]).reshape(-1, 3)
        np.testing.assert_array_equal(faces, HULL.faces)

    def test_views_are_aligned_and_say_what_they_hold(self) -> None:
        root, _ = parsed()
        assert all(view["byteOffset"] % 4 == 0 for view in root["bufferViews"])
        for mesh in root["meshes"]:
            (primitive,) = mesh["primitives"]
            for accessor, target in [
                (primitive["indices"], 34963),
                *((a, 34962) for a in primitive["attributes"].values()),
            ]:
                view = root["bufferViews"][root["accessors"][accessor]["bufferView"]]
                assert view["target"] == target


def _side_by_side(lod: UnwrappedMesh) -> NDArray[np.float32]:
    return np.concatenate([lod.positions, lod.normals, lod.tangents, lod.uvs], axis=1)


class TestMaterial:
    def test_orm_holds_occlusion_roughness_and_metallic(self) -> None:
        root, binary = parsed()
        (material,) = root["materials"]
        orm = material["occlusionTexture"]["index"]
        assert material["pbrMetallicRoughness"]["metallicRoughnessTexture"]["index"] == orm
        np.testing.assert_array_equal(picture(root, binary, orm)[0, 0], [50, 100, 200])

    def test_missing_occlusion_is_white_and_not_referenced(self) -> None:
        root, binary = parsed(material=replace(TEXTURED, occlusion=None))
        (material,) = root["materials"]
        assert "occlusionTexture" not in material
        orm = material["pbrMetallicRoughness"]["metallicRoughnessTexture"]["index"]
        np.testing.assert_array_equal(picture(root, binary, orm)[0, 0], [255, 100, 200])

    def test_occlusion_is_enlarged_to_the_size_of_the_rest(self) -> None:
        small = Image(pixels=np.full((2, 4, 3), 77, np.uint8))
        root, binary = parsed(material=replace(TEXTURED, occlusion=small))
        orm = picture(root, binary, root["materials"][0]["occlusionTexture"]["index"])
        assert orm.shape == (8, 8, 3)
        assert (orm[:, :, 0] == 77).all()

    def test_png_textures_are_lossless(self) -> None:
        root, binary = parsed()
        base = root["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["index"]
        np.testing.assert_array_equal(picture(root, binary, base), checkerboard())

    def test_jpeg_spares_the_normal_map(self) -> None:
        root, binary = parsed(options=ExportOptions(texture_format="jpeg"))
        types = {image["name"][-2:]: image["mimeType"] for image in root["images"]}
        assert types == {
            "BC": "image/jpeg",
            "_N": "image/png",
            "RM": "image/jpeg",
            "_E": "image/jpeg",
        }
        base = root["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"]["index"]
        assert np.abs(picture(root, binary, base).astype(int) - checkerboard()).mean() < 12

    @pytest.mark.parametrize(("mode", "channels"), [("OPAQUE", 3), ("MASK", 4), ("BLEND", 4)])
    def test_alpha_is_kept_where_it_shows(self, mode: AlphaMode, channels: int) -> None:
        pixels = np.full((4, 4, 4), 128, np.uint8)
        material = Material(base_color=Image(pixels=pixels), alpha_mode=mode)
        root, binary = parsed(material=material)
        assert picture(root, binary, 0).shape == (4, 4, channels)
        assert root["materials"][0].get("alphaMode", "OPAQUE") == mode

    def test_factors_are_always_written(self) -> None:
        root, _ = parsed(material=Material(metallic_factor=0.0, roughness_factor=0.25))
        metal = root["materials"][0]["pbrMetallicRoughness"]
        assert (metal["metallicFactor"], metal["roughnessFactor"]) == (0.0, 0.25)
        assert "doubleSided" not in root["materials"][0]
        assert "textures" not in root

    def test_bright_emission_goes_into_the_extension(self) -> None:
        root, _ = parsed(material=Material(emissive_factor=(4.0, 2.0, 0.0)))
        (material,) = root["materials"]
        strength = material["extensions"]["KHR_materials_emissive_strength"]["emissiveStrength"]
        assert np.multiply(material["emissiveFactor"], strength).tolist() == [4.0, 2.0, 0.0]
        assert max(material["emissiveFactor"]) <= 1
        assert "KHR_materials_emissive_strength" in root["extensionsUsed"]

    @pytest.mark.parametrize("profile", get_args(Profile))
    def test_material_and_lod0_come_back_through_our_reader(self, profile: Profile) -> None:
        material = replace(TEXTURED, double_sided=True, alpha_mode="MASK", alpha_cutoff=0.25)
        plain = ExportOptions(profile=profile, compression="none")
        glb = export(material=material, options=plain)
        surface = read_glb(glb, Silent())
        (back,) = surface.materials
        assert len(surface.faces) == len(LODS[0].faces)
        assert back.base_color is not None
        np.testing.assert_array_equal(back.base_color.pixels, checkerboard())
        for field in ("alpha_mode", "alpha_cutoff", "double_sided", "emissive_factor"):
            assert getattr(back, field) == getattr(material, field), field


class TestAsset:
    def test_extras_go_into_the_asset(self) -> None:
        measures = [measure(LODS[0], 0.1)]
        parts = [ExportPart.whole(LODS[:1], [])]
        glb = export_glb(
            "x", LODS[:1], measures, TEXTURED, parts, GENERIC, Silent(), extras={"seed": 7}
        )
        assert unpack_glb(glb)[0]["asset"]["extras"] == {"seed": 7}


class TestBytes:
    def test_same_input_same_bytes(self) -> None:
        assert export() == export()

    def test_lengths_add_up(self) -> None:
        glb = export()
        assert int.from_bytes(glb[8:12], "little") == len(glb)
        root, binary = unpack_glb(glb)
        assert (
            root["buffers"][0]["byteLength"] <= len(binary) < root["buffers"][0]["byteLength"] + 4
        )

    def test_progress_rises_to_one(self) -> None:
        listener = Listener()
        export_glb(
            "x",
            LODS[:1],
            [measure(LODS[0], 0.1)],
            TEXTURED,
            [ExportPart.whole(LODS[:1], [])],
            ExportOptions(),
            listener,
        )
        assert listener.fractions == sorted(listener.fractions)
        assert listener.fractions[-1] == 1.0


class TestRefusals:
    def test_measures_must_match_the_lods(self) -> None:
        with pytest.raises(InvalidInput, match="got 3 LODs and 1 measures"):
            export_glb(
                "x", LODS, [measure(LODS[0], 0.1)], Material(), [], ExportOptions(), Silent()
            )

    @pytest.mark.parametrize(("field", "value"), [("profile", "godot3"), ("texture_format", "gif")])
    def test_unknown_options_are_named(self, field: str, value: str) -> None:
        with pytest.raises(InvalidInput, match=f"{field} must be .* got '{value}'"):
            ExportOptions(**{field: value})  # type: ignore[arg-type]


VALIDATOR = Path(__file__).parents[3] / "benchmarks" / "validate_glb"


@pytest.mark.skipif(
    not (VALIDATOR / "node_modules").exists(), reason="npm ci in benchmarks/validate_glb first"
)
@pytest.mark.parametrize("profile", get_args(Profile))
def test_khronos_validator_finds_no_error_and_no_warning(profile: Profile, tmp_path: Path) -> None:
    glb = tmp_path / "crate.glb"
    bright = replace(TEXTURED, emissive_factor=(3.0, 1.0, 0.0), alpha_mode="BLEND")
    glb.write_bytes(export(material=bright, options=ExportOptions(profile=profile)))
    run = subprocess.run(
        ["node", str(VALIDATOR / "validate.mjs"), str(glb)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout
    assert "0 errors, 0 warnings" in run.stdout


def turned(angle: float, at: tuple[float, float, float], scale: float = 1.0) -> NDArray[np.float64]:
    """A placement turned about a slanting axis."""
    axis = np.array([1.0, 2.0, -2.0]) / 3
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    matrix = np.eye(4)
    matrix[:3, :3] = scale * (np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew)
    matrix[:3, 3] = at
    return matrix


def in_parts(lods: list[UnwrappedMesh]) -> list[ExportPart]:
    """The first half of each LOD's faces as a part that stands twice; the rest, gone from LOD1."""
    halves = [np.arange(len(lod.faces)) < len(lod.faces) // 2 for lod in lods]
    frame = turned(0.7, (1, 2, 3))
    return [
        ExportPart(
            name="Wheel",
            face_masks=tuple(halves),
            frame=frame,
            placements=np.stack([frame, turned(2.5, (-4, 0, 1), 2.0)]),
            hulls=(HULL,),
        ),
        ExportPart(
            name="Body",
            face_masks=(~halves[0], *(np.zeros(len(half), bool) for half in halves[1:])),
            frame=np.eye(4),
            placements=np.eye(4)[None],
            hulls=(),
        ),
    ]


class TestParts:
    @staticmethod
    def glb(profile: Profile) -> bytes:
        lods = [LODS[0], LODS[0]]
        measures = [measure(lods[0], 0.5), measure(lods[1], 0.1)]
        options = ExportOptions(profile=profile)
        return export_glb("car", lods, measures, TEXTURED, in_parts(lods), options, Silent())

    def test_each_copy_has_a_node_with_the_part_s_name_and_place(self) -> None:
        root, _ = unpack_glb(self.glb("generic"))
        (top,) = root["scenes"][0]["nodes"]
        assert root["nodes"][top]["name"] == "Car"
        copies = [root["nodes"][child] for child in root["nodes"][top]["children"]]
        assert [copy["name"] for copy in copies] == ["Wheel", "Wheel_2", "Body"]
        assert "rotation" not in copies[2]
        assert copies[1]["translation"] == [-4, 0, 1]
        assert copies[1]["scale"] == pytest.approx([2, 2, 2])
        names = [mesh["name"] for mesh in root["meshes"]]
        assert names == [
            "SM_Car_Wheel_LOD0", "SM_Car_Wheel_LOD1", "UCX_SM_Car_Wheel_LOD0_00",
            "SM_Car_Body_LOD0",
        ]  # fmt: skip

    def test_lods_hang_on_each_copy(self) -> None:
        root, _ = unpack_glb(self.glb("generic"))
        shown = [n for n in root["nodes"] if n.get("extensions", {}).get("MSFT_lod")]
        assert [node["name"] for node in shown] == ["SM_Car_Wheel_LOD0"] * 2
        assert all(node["extras"]["MSFT_screencoverage"] == [0.5, 0.1] for node in shown)
        body = next(n for n in root["nodes"] if n["name"] == "SM_Car_Body_LOD0")
        assert body["extras"]["MSFT_screencoverage"] == [0.5]  # it has vanished below that

    @pytest.mark.parametrize("profile", ["generic", "unreal"])
    def test_the_first_copies_are_where_the_lods_were(self, profile: Profile) -> None:
        """Read back by our own reader, node transforms and all."""
        surface = assembled(read_glb(self.glb(profile), Silent()))
        for corner in LODS[0].positions[LODS[0].faces].reshape(-1, 3):
            assert np.abs(surface.positions - corner).max(axis=1).min() < 1e-5

    def test_the_second_copy_is_moved_as_its_placement_says(self) -> None:
        glb = self.glb("generic")
        surface = read_glb(glb, Silent())
        wheel = next(part for part in surface.parts if part.name.endswith("Wheel_LOD0"))
        np.testing.assert_allclose(wheel.placements[0], turned(2.5, (-4, 0, 1), 2.0), atol=1e-6)
        np.testing.assert_allclose(wheel.placements[1], turned(0.7, (1, 2, 3)), atol=1e-6)


class TestPrimitives:
    @pytest.mark.parametrize(
        ("primitive", "prefix", "shape"),
        [
            (Box(center_m=(1, 2, 3), axes=((1, 0, 0), (0, 1, 0), (0, 0, 1)), size_m=(2, 4, 6)),
             "UBX", "box"),
            (Sphere(center_m=(1, 2, 3), radius_m=0.5), "USP", "sphere"),
            (Capsule(start_m=(0, 0, 0), end_m=(0, 2, 0), radius_m=0.5), "UCP", "capsule"),
        ],
    )  # fmt: skip
    def test_are_named_for_unreal_and_told_in_numbers(
        self, primitive: Box | Sphere | Capsule, prefix: str, shape: str
    ) -> None:
        parts = [ExportPart.whole(LODS[:1], [replace(HULL, primitive=primitive)])]
        measures = [measure(LODS[0], 0.1)]
        glb = export_glb("x", LODS[:1], measures, TEXTURED, parts, ExportOptions(), Silent())
        node = unpack_glb(glb)[0]["nodes"][1]
        assert node["name"] == f"{prefix}_SM_X_LOD0_00"
        assert node["extras"]["collision"]["shape"] == shape

    def test_turn_with_the_frame_of_their_part(self) -> None:
        frame = turned(0.7, (1, 2, 3))
        axes = tuple(tuple(float(v) for v in row) for row in np.eye(3))
        box = Box(center_m=(1, 2, 3), axes=axes, size_m=(2, 4, 6))  # type: ignore[arg-type]
        moved = relative_hull(replace(HULL, primitive=box), frame)
        assert isinstance(moved.primitive, Box)
        assert moved.primitive.center_m == pytest.approx((0, 0, 0))
        np.testing.assert_allclose(np.array(moved.primitive.axes), frame[:3, :3], atol=1e-9)
        back = moved.positions @ frame[:3, :3].T + frame[:3, 3]
        np.testing.assert_allclose(back, HULL.positions, atol=1e-5)
