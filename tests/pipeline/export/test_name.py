import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.export.name import asset_name, variant_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a wooden barrel", "WoodenBarrel"),
        ("my_barrel-02", "MyBarrel02"),
        ("TV stand", "TVStand"),
        ("Crème brûlée.glb", "CremeBrulee"),
        ("SM_Barrel_LOD0.glb", "Barrel"),
        ("../../etc/passwd", "EtcPasswd"),
        ("the king's chair", "KingsChair"),
    ],
)
def test_words_become_pascal_case(text: str, name: str) -> None:
    assert asset_name(text) == name


def test_long_prompts_end_at_a_word() -> None:
    name = asset_name("a weathered wooden barrel with iron hoops standing in a field")
    assert name == "WeatheredWoodenBarrelWithIronHoops"


def test_texts_without_latin_letters_keep_different_names() -> None:
    assert asset_name("红色的桶") != asset_name("蓝色的桶")


@pytest.mark.parametrize("text", ["con", "NUL", "com1"])
def test_names_that_windows_reserves_are_avoided(text: str) -> None:
    assert asset_name(text).lower() != text.lower()


@given(st.text())
def test_names_are_safe_short_and_stable(text: str) -> None:
    name = asset_name(text)
    assert re.fullmatch(r"[A-Z0-9][A-Za-z0-9]{0,39}", name)
    assert asset_name(name) == name


def test_one_of_several_variants_has_its_number() -> None:
    assert variant_name("Barrel", 0, 1) == "Barrel"
    assert [variant_name("Barrel", n, 2) for n in (0, 1)] == ["BarrelV1", "BarrelV2"]


@pytest.mark.parametrize("name", ["Barrel", "x" * 40, "A1"])
def test_a_variants_name_is_a_name(name: str) -> None:
    names = [variant_name(asset_name(name), number, 12) for number in range(12)]
    assert len(set(names)) == 12
    assert [asset_name(one) for one in names] == names
