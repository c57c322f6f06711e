"""What can be typed for an asset's options, and what it means."""

import pytest
import typer

from server.cli.asset_options import read_lods, read_parts, read_pivot, read_settings
from server.pb import lodsmith_pb2 as pb


def lods(text: str) -> pb.LodOptions:
    options = pb.LodOptions()
    read_lods(text, options)
    return options


def test_counts_are_budgets_and_names_are_presets() -> None:
    assert list(lods("900, 30").budgets) == [900, 30]
    assert lods("mobile").preset == pb.LOD_PRESET_MOBILE
    assert lods("auto").preset == pb.LOD_PRESET_AUTO


def test_targets_of_every_kind() -> None:
    share, deviation, coverage, count = lods("50%,2.5mm,@0.25,800").targets
    assert share == pb.LodTarget(ratio=0.5, stop=pb.STOP_AT_ALL)
    assert deviation.deviation_m == pytest.approx(0.0025)
    assert coverage.screen_coverage == 0.25
    assert count.triangles == 800
    assert lods("1cm").targets[0].deviation_m == 0.01
    assert lods("@12.5%").targets[0].screen_coverage == 0.125


def test_both_or_the_first_of_several() -> None:
    both, first = lods("20000&@1,5000|2mm").targets
    assert both == pb.LodTarget(triangles=20_000, screen_coverage=1.0, stop=pb.STOP_AT_ALL)
    assert first == pb.LodTarget(triangles=5_000, deviation_m=0.002, stop=pb.STOP_AT_ANY)


@pytest.mark.parametrize("text", ["many", "10,", "5q", "@", "%", "1&2|3", "99999999999", "5mm5"])
def test_other_lods_are_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--lods"):
        lods(text)


def test_parts_with_weights() -> None:
    options = pb.PartOptions()
    read_parts("separate,Wheel*=2,a=b=0.5", options)
    assert options.mode == pb.PART_MODE_SEPARATE
    assert [(w.name, w.weight) for w in options.weights] == [("Wheel*", 2.0), ("a=b", 0.5)]
    for text in ("both", "separate,Wheel", "separate,Wheel=x"):
        with pytest.raises(typer.BadParameter, match="--parts"):
            read_parts(text, pb.PartOptions())


def test_pivots_by_name_or_place() -> None:
    options = pb.PlaceOptions()
    read_pivot("center", options)
    assert options == pb.PlaceOptions(pivot=pb.PIVOT_CENTER)
    read_pivot("0.5,0,1", options)
    assert options.pivot == pb.PIVOT_CUSTOM
    assert options.pivot_point == pb.Point(x=0.5, y=0.0, z=1.0)
    for text in ("custom", "top", "1,2", "1,2,x"):
        with pytest.raises(typer.BadParameter, match="bottom_center"):
            read_pivot(text, options)


def test_any_option_can_be_set_by_its_path() -> None:
    options = pb.AssetOptions()
    read_settings(
        [
            "repair.remove_interior=true",
            "place.up=positive_z",
            "place.fit_m=1,2,0.5",
            "lod.max_deviation_ratio=0.01",
            "collision.max_hulls=8",
            "condition.negative_prompt=rust, moss",
        ],
        options,
    )
    assert options.repair.remove_interior
    assert options.place.up == pb.DIRECTION_POSITIVE_Z
    assert options.place.fit_m == pb.Size(x=1, y=2, z=0.5)
    assert options.lod.max_deviation_ratio == 0.01
    assert options.collision.max_hulls == 8
    assert options.condition.negative_prompt == "rust, moss"


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("lod", "must be like"),
        ("lod.budget=3", "there is no 'budget' here, only budgets"),
        ("lods.budgets=3", "there is no 'lods' here"),
        ("lod.budgets=3", "no single value"),
        ("lod=3", "no single value"),
        ("lod.impostor.x=3", "impostor has no parts"),
        ("lod.impostor=yes", "impostor is true or false, got 'yes'"),
        ("place.up=top", "up is one of positive_x"),
        ("place.fit_m=1,2", "fit_m is 3 numbers"),
        ("collision.max_hulls=1.5", "max_hulls is a whole number"),
        ("collision.max_hulls=9999999999", "out of any range"),
        ("place.height_m=tall", "height_m is a number"),
    ],
)
def test_what_cannot_be_set_is_said(setting: str, says: str) -> None:
    with pytest.raises(typer.BadParameter, match=says):
        read_settings([setting], pb.AssetOptions())
