import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.export.name import asset_name


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
