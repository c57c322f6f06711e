"""Each rule on a file that breaks it, made by changing the JSON or the bytes of a good one."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from PIL import Image as PillowImage

from pipeline.errors import ProfileViolation
from pipeline.export.profiles import ExportOptions, Profile
from pipeline.export.rules import check_glb
from pipeline.types import Hull, Image, Material, UnwrappedMesh
from tests.pipeline.export.assets import TETRAHEDRON, exported, smooth
from tests.pipeline.samples import Json, pack_glb, unpack_glb, unwrapped_cube

Change = Callable[[Json], None]


def good(profile: Profile, *, compression: str = "none") -> bytes:
    options = ExportOptions(profile=profile, compression=compression)  # type: ignore[arg-type]
    return exported(options)["Crate.glb"].content


def broken(profile: Profile, change: Change) -> ProfileViolation:
    root, binary = unpack_glb(good(profile))
    change(root)
    with pytest.raises(ProfileViolation) as caught:
        check_glb(pack_glb(json.dumps(root).encode(), binary), profile)
    assert caught.value.profile == profile
    return caught.value


@pytest.mark.parametrize("profile", get_args(Profile))
def test_good_files_keep_every_rule(profile: Profile) -> None:
    assert check_glb(good(profile), profile) == ()


@pytest.mark.parametrize("compression", ["quantize", "meshopt"])
def test_packed_files_are_looked_into(compression: str) -> None:
    assert check_glb(good("web", compression=compression), "web") == ()
    with pytest.raises(ProfileViolation, match="rule extensions_required"):
        check_glb(good("web", compression=compression), "unity")


def rename(kind: str, index: int, name: str) -> Change:
    def change(root: Json) -> None:
        root[kind][index]["name"] = name

    return change


def drop_factor(root: Json) -> None:
    del root["materials"][0]["pbrMetallicRoughness"]["metallicFactor"]


def drop_material(root: Json) -> None:
    del root["meshes"][0]["primitives"][0]["material"]


def require(root: Json) -> None:
    root["extensionsUsed"] = root["extensionsRequired"] = ["KHR_draco_mesh_compression"]


def widen_bounds(root: Json) -> None:
    position = root["meshes"][0]["primitives"][0]["attributes"]["POSITION"]
    root["accessors"][position]["max"][0] += 1.0


def shorten_coverage(root: Json) -> None:
    root["nodes"][0]["extras"]["MSFT_screencoverage"].pop()


def raise_coverage(root: Json) -> None:
    root["nodes"][0]["extras"]["MSFT_screencoverage"][2] = 0.3


def swap_lods(root: Json) -> None:
    root["nodes"][0]["extensions"]["MSFT_lod"]["ids"].reverse()


def swap_meshes(root: Json) -> None:
    first, last = root["meshes"][0], root["meshes"][2]
    first["primitives"], last["primitives"] = last["primitives"], first["primitives"]


def show_all(root: Json) -> None:
    root["scenes"][0]["nodes"] = list(range(len(root["nodes"])))


def show_lods(root: Json) -> None:
    root["nodes"][0].pop("extensions")
    root["scenes"][0]["nodes"] = [0, 1, 2]


def hide_hulls(root: Json) -> None:
    root["scenes"][0]["nodes"] = [0, 1, 2]


def declare_png_as_jpeg(root: Json) -> None:
    normal = next(image for image in root["images"] if image["name"].endswith("_N"))
    normal["mimeType"] = "image/jpeg"


def add_lods(root: Json) -> None:
    for level in range(3, 9):
        node = dict(root["nodes"][2], name=f"SM_Crate_LOD{level}")
        root["scenes"][0]["nodes"].append(len(root["nodes"]))
        root["nodes"].append(node)
    coverages = root["nodes"][0]["extras"]["MSFT_screencoverage"]
    coverages += [0.009 / level for level in range(3, 9)]


@pytest.mark.parametrize(
    ("profile", "change", "rule"),
    [
        ("generic", rename("nodes", 0, "Crate"), "names"),
        ("godot", rename("nodes", 1, "UCX_SM_Crate_LOD0_00"), "names"),
        ("generic", rename("meshes", 1, "SM_Crate_LOD0"), "unique_names"),
        ("generic", rename("images", 1, "T_Crate_BC"), "unique_names"),
        ("godot", rename("materials", 0, "M_Alpha"), "godot_suffix"),
        ("godot", rename("meshes", 0, "SM-NoImp"), "godot_suffix"),
        ("unity", drop_factor, "factors"),
        ("unity", drop_material, "material"),
        ("unreal", require, "extensions_required"),
        ("web", require, "extensions_required"),
        ("unity", widen_bounds, "bounds"),
        ("unity", shorten_coverage, "screen_coverage"),
        ("unity", raise_coverage, "screen_coverage"),
        ("unity", swap_lods, "lod_names"),
        ("unity", swap_meshes, "lod_order"),
        ("unity", show_all, "scene"),
        ("unity", show_lods, "scene"),
        ("unreal", hide_hulls, "scene"),
        ("unreal", add_lods, "lod_count"),
        ("unity", declare_png_as_jpeg, "texture_format"),
    ],
)
def test_a_broken_rule_is_named(profile: Profile, change: Change, rule: str) -> None:
    violation = broken(profile, change)
    assert violation.rule == rule
    assert f"rule {rule}: found {violation.found}, allowed is {violation.allowed}; " in str(
        violation
    )


def overwrite(profile: Profile, mesh: int, attribute: str, value: float) -> bytes:
    """The good file with the first number of an attribute changed, bounds and all."""
    root, binary = unpack_glb(good(profile))
    accessor = root["accessors"][root["meshes"][mesh]["primitives"][0]["attributes"][attribute]]
    view = root["bufferViews"][accessor["bufferView"]]
    changed = bytearray(binary)
    changed[view["byteOffset"] : view["byteOffset"] + 4] = np.float32(value).tobytes()
    if "min" in accessor:
        width = {"VEC3": 3, "VEC2": 2}[accessor["type"]]
        count = accessor["count"] * width
        rows = np.frombuffer(bytes(changed), "<f4", count, view["byteOffset"]).reshape(-1, width)
        accessor["min"] = rows.min(axis=0).astype(float).tolist()
        accessor["max"] = rows.max(axis=0).astype(float).tolist()
    return pack_glb(json.dumps(root).encode(), bytes(changed))


@pytest.mark.parametrize(
    ("mesh", "attribute", "value", "rule"),
    [
        (0, "TEXCOORD_0", 1.5, "numbers"),
        (0, "TEXCOORD_0", float("nan"), "numbers"),
        (0, "POSITION", float("inf"), "numbers"),
    ],
)
def test_numbers_are_checked_in_the_bytes(
    mesh: int, attribute: str, value: float, rule: str
) -> None:
    with pytest.raises(ProfileViolation) as caught:
        check_glb(overwrite("unity", mesh, attribute, value), "unity")
    assert caught.value.rule == rule


def test_roblox_takes_20000_triangles_and_not_one_more() -> None:
    cube = unwrapped_cube(segments=41)  # 20,172
    options = ExportOptions(profile="roblox")
    with pytest.raises(ProfileViolation, match=r"20,172 triangles, allowed is at most 20,000") as c:
        exported(options, lods=[cube], hulls=())
    assert c.value.rule == "mesh_triangles"
    most = _first_faces(cube, 20_000)
    assert "Crate.glb" in exported(options, lods=[most], hulls=())


def _first_faces(mesh: UnwrappedMesh, count: int) -> UnwrappedMesh:
    return replace(mesh, faces=mesh.faces[:count], face_source=mesh.face_source[:count])


def test_textures_beyond_the_limit_are_a_violation_where_they_get_in() -> None:
    root, binary = unpack_glb(good("roblox"))
    large = io.BytesIO()
    PillowImage.new("RGB", (2048, 8)).save(large, "PNG")
    image = next(image for image in root["images"] if image["mimeType"] == "image/png")
    view = root["bufferViews"][image["bufferView"]]
    view["byteOffset"], view["byteLength"] = len(binary), len(large.getvalue())
    with pytest.raises(ProfileViolation, match="2048 x 8 texels, allowed is at most 1024"):
        check_glb(pack_glb(json.dumps(root).encode(), binary + large.getvalue()), "roblox")


class TestHulls:
    def test_of_256_vertices_are_too_many(self) -> None:
        hull = ball(vertices=256)
        with pytest.raises(ProfileViolation, match="256 vertices") as caught:
            exported(ExportOptions(profile="unity"), hulls=(hull,))
        assert caught.value.rule == "hull_vertices"

    def test_with_a_dent_are_not_convex(self) -> None:
        dent = TETRAHEDRON.positions.copy()
        dented = Hull(
            positions=np.concatenate([dent, np.array([[0.2, 0.2, 0.2]], np.float32)]),
            faces=np.array(
                [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 4], [2, 3, 4], [3, 1, 4]], np.int32
            ),
        )
        with pytest.raises(ProfileViolation) as caught:
            exported(ExportOptions(profile="godot"), hulls=(dented,))
        assert caught.value.rule == "hull_convex"


def ball(vertices: int) -> Hull:
    from scipy.spatial import ConvexHull

    points = np.random.default_rng(0).normal(size=(vertices, 3))
    positions = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    hull = ConvexHull(positions)
    faces = hull.simplices.astype(np.int32)
    a, b, c = (positions[faces[:, corner]] for corner in range(3))
    inward = (np.cross(b - a, c - a) * hull.equations[:, :3]).sum(axis=1) < 0
    faces[inward] = faces[inward][:, ::-1]
    return Hull(positions=positions, faces=faces)


def test_unreal_is_warned_of_textures_that_it_cannot_stream() -> None:
    odd = Material(base_color=Image(pixels=smooth(48)))
    glb = exported(ExportOptions(profile="unreal"), material=odd)["Crate.glb"].content
    (warning,) = check_glb(glb, "unreal")
    assert "48 x 48" in warning
    assert check_glb(exported(ExportOptions(), material=odd)["Crate.glb"].content, "generic") == ()
