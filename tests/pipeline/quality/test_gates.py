"""What each gate reads from a report."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.quality.facts import read_report
from pipeline.quality.gates import GATES, Figures
from pipeline.quality.policy import Limits, Must, Names, default_policy
from server.cli.asset_options import read_settings
from server.pb import lodsmith_pb2 as pb
from tests.pipeline.quality.sample_report import Json, as_bytes, report


def read(gate: str, document: Json) -> Figures:
    return GATES[gate].read(read_report(as_bytes(document)))


def values(gate: str, document: Json) -> list[Any]:
    figures = read(gate, document)
    assert figures is not None
    return [figure.value for figure in figures]


WANTED: dict[str, list[float | str]] = {
    "passed": ["passed"],
    "warnings": [0],
    "lod.budget": [2000, 1000],
    "lod.triangle_count": [2000, 1000],
    "lod.deviation_max_ratio": [0.001, 0.001],  # 13 mm of a diagonal of 13 m
    "lod.deviation_mean_ratio": [0.0001, 0.0001],
    "lod.normal_deviation_deg": [2.0, 2.0],
    "lod.silhouette_px": [0.5, 0.5],
    "topology.closed": ["closed", "closed"],
    "topology.boundary_edge_count": [0, 0],
    "topology.non_manifold_edge_count": [0, 0],
    "topology.winding_conflict_count": [0, 0],
    "topology.degenerate_face_count": [0, 0],
    "topology.duplicate_face_count": [0, 0],
    "topology.component_count": [1, 1],
    "uv.coverage": [0.7],
    "uv.overlap_ratio": [0.0],
    "uv.mirrored_ratio": [0.0],
    "uv.charts_per_10k_triangles": [200, 300],
    "uv.smallest_chart_texels": [12, 12],
    "uv.gutter_texels": [4, 4],
    "uv.stretch_l2": [1.05, 1.05],
    "uv.texel_density": [100, 100],
    "uv.density_low_ratio": [0.9, 0.9],
    "uv.density_high_ratio": [1.1, 1.1],
    "bake.missed_texel_ratio": [0.001],
    "bake.seam_step": [1.0, 2.0, 2.5, 3.0, 4.0, 5.0],
    "bake.black_texel_ratio": [0.01],
    "bake.highlight_ratio": [0.01],
    "material.count": [1],
    "material.texture_size": [2048],
    "material.alpha_mode": ["OPAQUE"],
    "collision.hull_count": [1],
    "collision.over_cover": [1.5],
    "collision.protrusion_ratio": [0.01],
    "size.glb_bytes": [5_000_000],
    "size.total_bytes": [5_700_000],
    "time.total_s": [3.0],
    "time.peak_memory_bytes": [400_000_000],
    "license.weights": ["MIT"],
    "license.inputs": [],
}


def test_every_gate_is_tested_here() -> None:
    assert list(WANTED) == list(GATES)


@pytest.mark.parametrize("gate", WANTED)
def test_a_gate_reads_its_figure(gate: str) -> None:
    assert values(gate, report()) == pytest.approx(WANTED[gate])


@pytest.mark.parametrize("gate", WANTED)
def test_without_its_section_a_gate_has_no_answer(gate: str) -> None:
    bare = {"schema": "lodsmith.report/2"}
    # A report that names no model is of an uploaded mesh: there are no weights to license.
    assert read(gate, bare) == ([] if gate == "license.weights" else None)


@pytest.mark.parametrize("gate", [name for name, gate in GATES.items() if gate.per == "lod"])
def test_lods_are_named_and_counted(gate: str) -> None:
    figures = read(gate, report())
    assert figures is not None
    assert [(one.place, one.index) for one in figures] == [("LOD0", 0), ("LOD1", 1)]


def test_one_figure_that_is_missing_is_missing_alone() -> None:
    document = report()
    del document["uv"]["lods"][0]["stretch_l2"]
    assert values("uv.stretch_l2", document) == [None, 1.05]


def test_a_lod_without_a_budget_has_none_to_keep() -> None:
    document = report()
    document["lods"][1]["budget"] = 0
    assert values("lod.budget", document) == [2000]


def test_a_lod_beyond_its_budget_does_not_hold() -> None:
    document = report()
    document["lods"][1]["triangle_count"] = 1001
    figures = read("lod.budget", document)
    assert figures is not None
    assert [(one.is_met, one.limit) for one in figures] == [(True, 2000), (False, 1000)]


@pytest.mark.parametrize(
    ("source_borders", "lod_is_closed", "is_met"),
    [(0, True, True), (0, False, False), (5, False, True), (5, True, True)],
)
def test_only_lods_of_closed_meshes_have_to_be_closed(
    source_borders: int, lod_is_closed: bool, is_met: bool
) -> None:
    document = report()
    document["repair"]["after"]["boundary_edge_count"] = source_borders
    document["topology"][0]["closed"] = lod_is_closed
    figures = read("topology.closed", document)
    assert figures is not None
    assert [one.is_met for one in figures] == [is_met, True]


def test_of_an_asset_in_parts_all_have_to_be_closed_before() -> None:
    document = report()
    document["topology"][0]["closed"] = False
    closed, opened = report()["repair"], report()["repair"]
    opened["after"]["boundary_edge_count"] = 1
    for second, is_met in ((closed, False), (opened, True)):
        document["repair"] = {"Lid": closed, "Body": second}
        figures = read("topology.closed", document)
        assert figures is not None
        assert figures[0].is_met is is_met


def test_a_point_has_no_share_of_its_diagonal() -> None:
    document = report()
    document["size_m"] = [0.0, 0.0, 0.0]
    document["lods"][1]["deviation_max_m"] = 0.0
    assert values("lod.deviation_max_ratio", document) == [float("inf"), 0.0]


def test_a_body_without_volume_has_no_over_cover() -> None:
    document = report()
    document["collision"]["over_cover"] = None
    assert read("collision.over_cover", document) == []


def test_of_an_old_report_the_license_stands_in_the_recipe() -> None:
    document = report()
    del document["model"]
    assert values("license.weights", document) == ["MIT"]


def test_an_input_without_a_license_is_not_measured() -> None:
    document = report()
    document["inputs"] = [
        {"role": "picture", "sha256": "", "license": "CC-BY-4.0"},
        {"role": "shape", "sha256": "", "license": ""},
    ]
    figures = read("license.inputs", document)
    assert figures is not None
    assert [(one.place, one.value) for one in figures] == [
        ("picture", "CC-BY-4.0"),
        ("shape", None),
    ]


@pytest.mark.parametrize("name", GATES)
def test_the_advice_names_options_that_there_are(name: str) -> None:
    words = GATES[name].advice.replace(")", " ").replace(",", " ").replace(";", " ").split()
    for before, word in pairwise(words):
        if before.endswith("--set"):
            read_settings([word], pb.AssetOptions())  # raises where there is no such option


def test_the_documentation_has_every_gate_with_its_default_limits() -> None:
    pages = Path(__file__).parents[3] / "docs" / "quality.md"
    rows = [line.strip("| ").split(" | ") for line in pages.read_text().splitlines()]
    cells = {row[0].strip("`"): row[1:] for row in rows if row[0].strip("`") in GATES}
    assert list(cells) == list(GATES)
    rules = {rule.gate.name: rule.limits for rule in default_policy().rules}
    for name, gate in GATES.items():
        kind, _, *documented = cells[name]
        assert kind == gate.kind + {"asset": "", "lod": ", LOD", "mip": ", mip"}[gate.per]
        match rules.get(name):
            case None:
                assert documented == ["-", "-"]
            case Limits(warn=warn, fail=fail):
                assert [numbers(cell) for cell in documented] == [warn, fail]
            case Must(level=level):
                assert documented == {"warn": ["if not", "-"], "fail": ["-", "if not"]}[level]
            case Names(level=level):
                assert (documented[0] == "-", documented[1] == "-") == (
                    level == "fail",
                    level == "warn",
                )


def numbers(cell: str) -> tuple[float, ...]:
    if cell == "-":
        return ()
    if cell.endswith(" MiB"):
        return (float(cell.removesuffix(" MiB")) * 2**20,)
    return tuple(float(one) for one in cell.split(", "))
