"""Parts of a build that are kept: the same bytes, the same warnings, less work."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipeline import AssetOptions, Build, BuildRequest, StageMeter, build_asset, kept_keys
from pipeline.export.profiles import ExportOptions
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.mesh.hulls.collision import CollisionOptions
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.mesh.remeshing.remesh import RemeshOptions
from pipeline.mesh.repairing.repair import RepairOptions
from pipeline.place import PlaceOptions
from pipeline.scene import PartOptions
from pipeline.stored_surface import surface_to_bytes
from pipeline.types import Image, Material, Part, Silent, Stage, Surface, View
from tests.pipeline.mesh.shapes import cube, sphere, together

BUDGETS, OTHER_BUDGETS = LodOptions(budgets=(300, 80)), LodOptions(budgets=(200, 60))
OPTIONS = AssetOptions(
    lod=BUDGETS,
    unwrap=UnwrapOptions(texture_size=64),
    parts=PartOptions(mode="separate"),
    place=PlaceOptions(height_m=2.0, up="positive_z", forward="positive_x"),
)
SURFACE_SHA256 = "ab" * 32


def scene() -> bytes:
    """A ball with a dent's worth of dust and two copies of a textured crate, seen by a picture."""
    ball, dust, crate = sphere(16), cube(0.001, center=(3, 0, 0)), cube(0.5, center=(0, 0, 2))
    mesh = together(ball, dust, crate)
    places = np.stack([np.eye(4), np.eye(4)])
    places[1, 0, 3] = 2.0
    of_crate = np.arange(len(mesh.faces)) >= len(ball.faces) + len(dust.faces)
    pixels = np.full((4, 4, 4), (200, 90, 30, 255), np.uint8)
    surface = Surface(
        positions=mesh.positions,
        faces=mesh.faces,
        normals=np.tile(np.float32([0, 0, 1]), (len(mesh.positions), 1)),
        uvs=np.zeros((len(mesh.positions), 2), np.float32),
        face_materials=of_crate.astype(np.int32),
        materials=(Material(name="clay"), Material(name="wood", base_color=Image(pixels=pixels))),
        parts=(
            Part(name="ball", placements=np.eye(4)[None]),
            Part(name="crate", placements=places),
        ),
        face_parts=of_crate.astype(np.int32),
        views=(View(pixels=pixels, projection=np.eye(3, 4)),),
    )
    return surface_to_bytes(surface)


class Listener(Silent):
    """A `Progress` that keeps what it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[Stage, float]] = []
        self.warnings: list[tuple[Stage, str]] = []

    def __call__(self, stage: Stage, fraction: float) -> None:
        self.stages.append((stage, fraction))

    def warn(self, stage: Stage, message: str) -> None:
        self.warnings.append((stage, message))


def build(
    kept: Mapping[str, bytes],
    *,
    lod: LodOptions = BUDGETS,
    progress: Silent | None = None,
    options: AssetOptions = OPTIONS,
) -> Build:
    request = BuildRequest(
        name="ball and crates",
        surface=scene(),
        options=replace(options, lod=lod),
        generated=True,
        has_size=True,
        recipe={},
        kept=kept,
    )
    return build_asset(request, StageMeter(progress or Silent(), time.monotonic))


def report(built: Build) -> dict[str, Any]:
    (content,) = (each.content for each in built.artifacts if each.role == "report")
    document: dict[str, Any] = json.loads(content)
    return document


def files(built: Build) -> dict[str, bytes]:
    return {each.file_name: each.content for each in built.artifacts if each.role != "report"}


@pytest.fixture(scope="module")
def first() -> Build:
    return build({})


def test_both_parts_are_made_where_nothing_was_kept(first: Build) -> None:
    assert set(first.kept) == {"repaired", "hulls"}
    assert build({}).kept == first.kept


@pytest.mark.parametrize("names", [("repaired",), ("hulls",), ("repaired", "hulls")])
def test_the_bytes_are_the_same_whether_a_part_was_kept_or_made(
    first: Build, names: tuple[str, ...]
) -> None:
    again = build({name: first.kept[name] for name in names})
    assert files(again) == files(first)
    assert set(again.kept) == set(first.kept) - set(names)
    with_times = {"stages", "outputs"}
    told = [{k: v for k, v in report(b).items() if k not in with_times} for b in (first, again)]
    assert told[0] == told[1]


def test_parts_serve_an_export_with_other_budgets(first: Build) -> None:
    anew = build({}, lod=OTHER_BUDGETS)
    assert anew.kept == first.kept
    assert files(build(first.kept, lod=OTHER_BUDGETS)) == files(anew)


def test_what_did_not_run_is_told_as_reused_and_ends_at_once(first: Build) -> None:
    listener = Listener()
    stages = report(build(first.kept, progress=listener))["stages"]
    reused = {"repair", "remesh", "collision"}
    assert {stage["stage"] for stage in stages if stage["reused"]} == reused
    assert {stage["stage"] for stage in report(first)["stages"] if stage["reused"]} == set()
    for stage in reused:
        told = [fraction for each, fraction in listener.stages if each == stage]
        assert told in ([0.0, 1.0], [0.0, 0.0, 1.0], [1.0])


def test_warnings_come_with_the_part() -> None:
    tight = replace(
        OPTIONS,
        collision=CollisionOptions(max_hulls=1, max_over_cover=1.0, max_protrusion_ratio=0.0),
    )
    told, again = Listener(), Listener()
    built = build({}, options=tight, progress=told)
    build(built.kept, options=tight, progress=again)
    assert Stage.COLLISION in {stage for stage, _ in told.warnings}
    assert again.warnings == told.warnings


@pytest.mark.parametrize(
    "damaged",
    [
        lambda content: b"",
        lambda content: b"nothing of that kind",
        lambda content: content[:-10],
        lambda content: content.replace(b'"warnings', b'"warmings'),
        lambda content: content.replace(b'"I32"', b'"F32"'),
    ],
)
@pytest.mark.parametrize("name", ["repaired", "hulls"])
def test_a_part_that_cannot_be_read_is_made_anew(
    first: Build, name: str, damaged: Callable[[bytes], bytes]
) -> None:
    again = build({**first.kept, name: damaged(first.kept[name])})
    assert files(again) == files(first)
    assert again.kept == {name: first.kept[name]}


def test_keys_change_with_what_decides_a_part_and_with_nothing_else() -> None:
    def keys(options: AssetOptions = OPTIONS, **changes: Any) -> tuple[str, str]:
        given = {"generated": True, "has_size": True, **changes}
        sha256 = given.pop("surface_sha256", SURFACE_SHA256)
        named = kept_keys(sha256, options, **given)
        assert set(named) == {"repaired", "hulls"}
        return named["repaired"], named["hulls"]

    before = keys()
    indifferent = [
        replace(OPTIONS, lod=OTHER_BUDGETS),
        replace(OPTIONS, unwrap=UnwrapOptions(texture_size=128)),
        replace(OPTIONS, export=ExportOptions(profile="godot")),
        replace(OPTIONS, parts=PartOptions(mode="separate", share="area")),
        replace(OPTIONS, repair=RepairOptions.for_generated()),  # what fits it anyway
    ]
    assert {keys(options) for options in indifferent} == {before}
    assert keys(has_size=False) == before  # a height is asked for
    decisive = [
        keys(replace(OPTIONS, repair=RepairOptions.for_upload())),
        keys(replace(OPTIONS, remesh=RemeshOptions(mode="isotropic"))),
        keys(replace(OPTIONS, place=PlaceOptions())),
        keys(replace(OPTIONS, parts=PartOptions())),
        keys(surface_sha256="cd" * 32),
        keys(replace(OPTIONS, place=PlaceOptions()), has_size=False),
    ]
    assert len({key for pair in [before, *decisive] for key in pair}) == 2 * (1 + len(decisive))
    assert keys(generated=False) == decisive[0]
    hulls = keys(replace(OPTIONS, collision=CollisionOptions(max_hulls=4)))
    assert hulls[0] == before[0]
    assert hulls[1] != before[1]
