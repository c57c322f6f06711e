from typing import get_args

import pytest

from pipeline.errors import InvalidInput
from pipeline.export.profiles import LAYOUTS, ExportOptions, Profile

ENGINES = ("unity", "unreal", "godot", "roblox")


@pytest.mark.parametrize("profile", ENGINES)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("texture_format", "webp"),
        ("texture_format", "ktx2"),
        ("compression", "quantize"),
        ("compression", "meshopt"),
    ],
)
def test_engines_get_no_packed_files(profile: Profile, option: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=f"{option} {value} needs profile web or generic"):
        ExportOptions(profile=profile, **{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("profile", get_args(Profile))
def test_auto_is_packed_for_the_web_alone(profile: Profile) -> None:
    options = ExportOptions(profile=profile)
    packed = (options.packing, options.texture_encoding)
    assert packed == (("meshopt", "webp") if profile == "web" else ("none", "auto"))


def test_generic_may_be_packed_on_request() -> None:
    options = ExportOptions(compression="meshopt", texture_format="webp")
    assert (options.packing, options.texture_encoding) == ("meshopt", "webp")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"formats": ("obj",)}, "formats must have glb"),
        ({"formats": ("glb", "glb")}, "each once"),
        ({"formats": ("glb", "fbx")}, "formats must be one of glb, obj, ply, got 'fbx'"),
        ({"texture_psnr_db": 20.0}, "texture_psnr_db must be in 25..60, got 20.0"),
        ({"texture_psnr_db": float("nan")}, "texture_psnr_db must be in 25..60"),
        ({"max_texture_size": 100}, "power of two in 64..8192, got 100"),
        ({"max_texture_size": 32}, "power of two in 64..8192, got 32"),
        ({"max_texture_size": 2048, "profile": "roblox"}, "at most 1024 for profile roblox"),
        ({"compression": "draco"}, "compression must be one of"),
    ],
)
def test_what_cannot_be_is_refused_by_name(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ExportOptions(**values)  # type: ignore[arg-type]  # the point of the test


def test_the_size_limit_is_the_profile_s_unless_asked_for_less() -> None:
    assert ExportOptions(profile="roblox").texture_size_limit == 1024
    assert ExportOptions(profile="roblox", max_texture_size=256).texture_size_limit == 256


def test_layouts_that_hide_lods_from_previews_are_told() -> None:
    shown = {profile for profile in LAYOUTS if ExportOptions(profile=profile).has_all_lods_plain}
    assert shown == {"generic", "unity", "unreal"}
