import io
import json
import struct
from typing import get_args

import numpy as np
import pytest
from PIL import Image as PillowImage

from pipeline.errors import Cancelled, InvalidInput, ProfileViolation
from pipeline.export.asset import ExportedFile, export_asset, preview_glb
from pipeline.export.parts import Billboard, ExportPart
from pipeline.export.profiles import ExportOptions, Profile
from pipeline.preview import preview_sheet
from pipeline.types import Hull, Image, Material, Silent, Stage
from tests.pipeline.export.assets import LODS, TETRAHEDRON, TEXTURED, exported, measures, smooth
from tests.pipeline.samples import Listener, unpack_glb, unwrapped_cube

BILLBOARD = Billboard(
    quad=unwrapped_cube(),
    material=Material(base_color=Image(pixels=smooth(32))),
    screen_coverage=0.001,
    extras={"frames": 8},
)


def lod_names(content: bytes) -> list[str]:
    return [mesh["name"] for mesh in unpack_glb(content)[0]["meshes"]]


def with_billboard(options: ExportOptions) -> dict[str, ExportedFile]:
    parts = [ExportPart.whole(LODS, [TETRAHEDRON])]
    files = export_asset(
        "crate", LODS, measures(), TEXTURED, parts, options, Silent(), billboard=BILLBOARD
    )
    return {file.file_name: file for file in files}


def texture_size(content: bytes, suffix: str) -> int:
    root, binary = unpack_glb(content)
    image = next(image for image in root["images"] if image["name"].endswith(suffix))
    view = root["bufferViews"][image["bufferView"]]
    start = view["byteOffset"]
    picture = PillowImage.open(io.BytesIO(binary[start : start + view["byteLength"]]))
    return picture.width


class TestFiles:
    @pytest.mark.parametrize("profile", ["generic", "unity", "unreal", "web"])
    def test_one_file_unless_asked_to_split(self, profile: Profile) -> None:
        assert list(exported(ExportOptions(profile=profile))) == ["Crate.glb"]
        assert list(exported(ExportOptions(profile=profile, split=True))) == [
            "Crate.glb", "Crate_LOD0.glb", "Crate_LOD1.glb", "Crate_LOD2.glb",
        ]  # fmt: skip

    @pytest.mark.parametrize("profile", ["godot", "roblox"])
    def test_lods_are_files_where_the_engine_takes_one(self, profile: Profile) -> None:
        files = exported(ExportOptions(profile=profile))
        glbs = [name for name in files if name.endswith(".glb")]
        assert glbs == ["Crate.glb", "Crate_LOD1.glb", "Crate_LOD2.glb"]
        extras = unpack_glb(files["Crate.glb"].content)[0]["nodes"][0]["extras"]
        assert extras["lod_files"] == glbs[1:]
        for level in (1, 2):
            content = files[f"Crate_LOD{level}.glb"].content
            assert lod_names(content) == [f"SM_Crate_LOD{level}"]
            found = unpack_glb(content)[0]["nodes"][0]["extras"]
            assert found == {"lod": level, "screen_coverage": measures()[level].screen_coverage}

    def test_roblox_gets_a_map_per_property(self) -> None:
        files = exported(ExportOptions(profile="roblox"))
        pictures = {name for name, file in files.items() if file.role == "texture"}
        assert pictures == {
            f"T_Crate_{map_}.png" for map_ in ("Color", "Normal", "Metalness", "Roughness")
        }

    def test_obj_brings_its_library_and_what_it_names(self) -> None:
        files = exported(ExportOptions(formats=("glb", "obj")))
        assert f"mtllib {'Crate.mtl'}\n" in files["Crate.obj"].content.decode()
        named = [
            line.split()[-1]
            for line in files["Crate.mtl"].content.decode().splitlines()
            if line.endswith(".png")
        ]
        assert named
        assert set(named) <= set(files)

    def test_all_lods_in_all_formats_when_split(self) -> None:
        files = exported(ExportOptions(split=True, formats=("glb", "obj", "ply")))
        for level, lod in enumerate(LODS):
            stem = "Crate" if level == 0 else f"Crate_LOD{level}"
            assert f"element face {len(lod.faces)}\n".encode() in files[f"{stem}.ply"].content
            assert files[f"{stem}.obj"].content.count(b"\nf ") == len(lod.faces)

    def test_types_and_roles_fit_the_names(self) -> None:
        files = exported(ExportOptions(split=True, formats=("glb", "obj", "ply")))
        found = {(f.file_name.rsplit(".")[-1], f.media_type, f.role) for f in files.values()}
        assert found == {
            ("glb", "model/gltf-binary", "model"),
            ("glb", "model/gltf-binary", "model_lod"),
            ("obj", "model/obj", "obj"),
            ("mtl", "model/mtl", "mtl"),
            ("ply", "application/octet-stream", "ply"),
            ("png", "image/png", "texture"),
        }

    def test_copies_stand_where_their_placements_are(self) -> None:
        there = np.eye(4)
        there[:3, 3] = (5, 0, 0)
        part = ExportPart(
            name="Wheel",
            face_masks=(np.ones(len(LODS[2].faces), bool),),
            frame=np.eye(4),
            placements=np.stack([np.eye(4), there]),
            hulls=(),
        )
        options = ExportOptions(formats=("glb", "obj"))
        files = export_asset("car", LODS[2:], measures((0.1,)), TEXTURED, [part], options, Silent())
        obj = next(file for file in files if file.role == "obj").content.decode()
        assert [line for line in obj.splitlines() if line.startswith("o ")] == [
            "o SM_Car_Wheel_LOD0", "o SM_Car_Wheel_LOD0_2",
        ]  # fmt: skip
        x = [float(line.split()[1]) for line in obj.splitlines() if line.startswith("v ")]
        assert (min(x), max(x)) == (-0.5, 5.5)


class TestTextureSizes:
    def test_shrink_where_a_lod_is_only_seen_small(self) -> None:
        """LOD1 begins at 0.4 of the view, LOD2 at 0.1: half, and a quarter as the most."""
        files = exported(ExportOptions(split=True))
        sizes = [texture_size(files[f"Crate_LOD{i}.glb"].content, "_N") for i in range(3)]
        assert sizes == [64, 32, 16]

    def test_are_the_profile_s_at_most_with_a_warning(self) -> None:
        large = Material(base_color=Image(pixels=np.zeros((2048, 2048, 3), np.uint8)))
        listener = Listener()
        files = exported(
            ExportOptions(profile="roblox"), material=large, hulls=(), progress=listener
        )
        sizes = [
            texture_size(file.content, "_BC") for file in files.values() if "model" in file.role
        ]
        assert sizes == [1024, 512, 256]
        (warning,) = listener.warnings
        assert "reduced from 2048 to 1024" in warning

    def test_asked_for_are_no_surprise(self) -> None:
        listener = Listener()
        files = exported(ExportOptions(max_texture_size=64), progress=listener)
        assert texture_size(files["Crate.glb"].content, "_N") == 64
        assert listener.warnings == []


class TestBillboard:
    @pytest.mark.parametrize("profile", get_args(Profile))
    def test_is_the_last_lod_with_a_material_of_its_own(self, profile: Profile) -> None:
        files = with_billboard(ExportOptions(profile=profile))
        in_file = profile in ("godot", "roblox")
        content = files["Crate_LOD3.glb" if in_file else "Crate.glb"].content
        root, _ = unpack_glb(content)
        node = next(node for node in root["nodes"] if node["name"] == "SM_Crate_LOD3")
        assert node["extras"]["impostor"] == {"frames": 8}
        (primitive,) = root["meshes"][node["mesh"]]["primitives"]
        assert root["materials"][primitive["material"]]["name"] == "M_Crate_Billboard"
        first = unpack_glb(files["Crate.glb"].content)[0]["nodes"][0]["extras"]
        assert first["MSFT_screencoverage"] == [0.4, 0.1, 0.01, 0.001]


class TestPromises:
    @pytest.mark.parametrize("profile", get_args(Profile))
    def test_same_input_same_bytes(self, profile: Profile) -> None:
        options = ExportOptions(profile=profile, split=True, formats=("glb", "obj", "ply"))
        assert exported(options) == exported(options)

    def test_extras_are_in_every_glb(self) -> None:
        files = export_asset(
            "crate",
            LODS,
            measures(),
            TEXTURED,
            [ExportPart.whole(LODS, [])],
            ExportOptions(split=True),
            Silent(),
            extras={"seed": 7},
        )
        for file in files:
            assert unpack_glb(file.content)[0]["asset"]["extras"] == {"seed": 7}

    def test_progress_rises_to_one(self) -> None:
        listener = Listener()
        options = ExportOptions(profile="roblox", split=True, formats=("glb", "obj", "ply"))
        exported(options, progress=listener)
        assert listener.fractions == sorted(listener.fractions)
        assert listener.fractions[-1] == 1.0

    def test_cancelling_gets_through(self) -> None:
        class Stop(Silent):
            def __call__(self, stage: Stage, fraction: float) -> None:
                raise Cancelled("enough")

        with pytest.raises(Cancelled):
            exported(ExportOptions(), progress=Stop())

    def test_a_file_that_breaks_a_rule_is_not_delivered(self) -> None:
        inside_out = Hull(positions=TETRAHEDRON.positions, faces=TETRAHEDRON.faces[:, ::-1])
        with pytest.raises(ProfileViolation, match="rule hull_convex"):
            exported(ExportOptions(), hulls=(inside_out,))

    def test_godot_is_spared_names_on_which_it_acts(self) -> None:
        with pytest.raises(ProfileViolation, match="choose another name") as caught:
            exported(ExportOptions(profile="godot"), name="alpha")
        assert caught.value.rule == "godot_suffix"
        assert "Alpha.glb" in exported(ExportOptions(profile="unity"), name="alpha")

    def test_measures_must_match_the_lods(self) -> None:
        with pytest.raises(InvalidInput, match="got 3 LODs and 1 measures"):
            export_asset("x", LODS, measures((0.1,)), TEXTURED, [], ExportOptions(), Silent())


def test_a_preview_shows_all_lods_of_a_file_that_does_not() -> None:
    parts = [ExportPart.whole(LODS, [TETRAHEDRON])]
    glb = preview_glb("crate", LODS, measures(), TEXTURED, parts, Silent())
    with PillowImage.open(io.BytesIO(preview_sheet(glb))) as sheet:
        assert sheet.width == 3 * 384


def test_file_is_a_glb_of_the_length_it_says() -> None:
    content = exported(ExportOptions(profile="web"))["Crate.glb"].content
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    json.loads(content[20 : 20 + struct.unpack_from("<I", content, 12)[0]])


OWN = [
    Material(base_color=Image(pixels=smooth(size)), metallic_factor=0.0) for size in (128, 64, 32)
]


class TestOneMaterialPerLod:
    def files(self, options: ExportOptions, billboard: Billboard | None = None) -> dict[str, bytes]:
        parts = [ExportPart.whole(LODS, [TETRAHEDRON])]
        made = export_asset(
            "crate", LODS, measures(), OWN, parts, options, Silent(), billboard=billboard
        )
        return {file.file_name: file.content for file in made}

    def materials_by_mesh(self, content: bytes) -> dict[str, str]:
        root = unpack_glb(content)[0]
        return {
            mesh["name"]: root["materials"][mesh["primitives"][0]["material"]]["name"]
            for mesh in root["meshes"]
            if "material" in mesh["primitives"][0]
        }

    def test_each_lod_has_its_own_textures(self) -> None:
        (content,) = self.files(ExportOptions(texture_format="png")).values()
        assert self.materials_by_mesh(content) == {
            f"SM_Crate_LOD{k}": f"M_Crate_LOD{k}" for k in range(3)
        }
        sizes = [texture_size(content, f"LOD{k}_BC") for k in range(3)]
        assert sizes == [128, 64, 32]

    def test_a_billboard_comes_after_them(self) -> None:
        (content,) = self.files(ExportOptions(), BILLBOARD).values()
        assert self.materials_by_mesh(content)["SM_Crate_LOD3"] == "M_Crate_Billboard"

    def test_a_file_per_lod_has_only_its_own(self) -> None:
        files = self.files(ExportOptions(split=True))
        for level in range(3):
            found = self.materials_by_mesh(files[f"Crate_LOD{level}.glb"])
            assert set(found.values()) == {f"M_Crate_LOD{level}"}
            assert len(unpack_glb(files[f"Crate_LOD{level}.glb"])[0]["materials"]) == 1

    def test_one_or_one_per_lod_and_nothing_between(self) -> None:
        parts = [ExportPart.whole(LODS, [])]
        with pytest.raises(InvalidInput, match="one material, or one per LOD, got 2 for 3 LODs"):
            export_asset("x", LODS, measures(), OWN[:2], parts, ExportOptions(), Silent())
