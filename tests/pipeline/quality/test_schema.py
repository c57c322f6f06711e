"""The published schema: it is one, it explains itself, and our own reports keep it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types

from pipeline.build import BuildRequest, build_asset
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.options import AssetOptions
from pipeline.quality.materials import material_facts
from pipeline.quality.provenance import (
    ProvenanceOptions,
    inputs_of,
    provenance_record,
    read_record,
    sealed,
)
from pipeline.quality.schema import report_schema_text
from pipeline.report import StageMeter, StageRecord, library_versions, report_json
from pipeline.stored_surface import surface_to_bytes
from pipeline.types import Material, Silent, Stage, Surface
from tests.pipeline.quality.sample_report import Json, report
from tests.pipeline.samples import triangle_file, unwrapped_cube

SCHEMA: Json = json.loads(report_schema_text())
VALIDATOR = Draft202012Validator(SCHEMA)
RECIPE: dict[str, Any] = {  # Any: JSON
    "prompt": "a crate",
    "seed": 1,
    "model": {"name": "starter", "digest": "ab" * 32, "license": "MIT", "runs_on": "cpu"},
    "input_sha256": "cd" * 32,
    "surface_sha256": "ef" * 32,
    "options": asdict(AssetOptions()),
    "versions": library_versions(),
}
RECORDS = [StageRecord(stage=Stage.BAKE, seconds=1.5, peak_memory_bytes=1000)]


def complaints(document: Json) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def properties(schema: Json, place: str = "") -> Iterator[tuple[str, Json]]:
    for name, inner in schema.get("properties", {}).items():
        yield f"{place}.{name}", inner
    for key, inner in schema.items():
        if isinstance(inner, dict):
            yield from properties(inner, f"{place}.{key}")


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_every_field_is_described_in_a_sentence() -> None:
    fields = list(properties(SCHEMA))
    assert len(fields) > 100
    assert [
        place for place, inner in fields if not inner.get("description", "").endswith(".")
    ] == []


def test_what_we_do_not_know_yet_is_allowed() -> None:
    assert '"additionalProperties": false' not in report_schema_text()
    document = report()
    document["bake"]["of_tomorrow"] = 1
    assert complaints(document) == []


def test_the_report_of_a_real_asset_keeps_it() -> None:
    cube = unwrapped_cube()
    surface = Surface(
        positions=cube.positions,
        faces=cube.faces,
        normals=cube.normals,
        face_materials=np.zeros(len(cube.faces), np.int32),
        materials=(Material(),),
    )
    request = BuildRequest(
        name="Crate",
        surface=surface_to_bytes(surface),
        options=AssetOptions(unwrap=UnwrapOptions(texture_size=64)),
        generated=False,
        has_size=True,
        recipe=RECIPE,
    )
    build = build_asset(request, StageMeter(Silent(), lambda: 0.0))
    made = {a.role: a.content for a in build.artifacts}
    document = json.loads(made["report"])
    assert complaints(document) == []
    assert set(document) == set(SCHEMA["properties"])
    assert document["provenance"] == read_record(made["model"])


def test_the_report_of_an_asset_without_a_mesh_keeps_it() -> None:
    content = report_json(
        name="Crate",
        recipe=RECIPE,
        records=RECORDS,
        outputs={"Crate.ply": b"ply"},
        warnings=[],
        sections={},
    )
    assert complaints(json.loads(content)) == []


def test_the_sections_that_are_made_here_keep_it() -> None:
    record = provenance_record(RECIPE, inputs_of(RECIPE, ProvenanceOptions()), ProvenanceOptions())
    glb = sealed(triangle_file().glb(), record)
    document = report() | {
        "inputs": [vars(one) for one in inputs_of(RECIPE, ProvenanceOptions())],
        "materials": material_facts(glb),
        "provenance": read_record(glb),
    }
    assert complaints(document) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("lods", 0, "triangle_count"), -1),
        (("lods", 0, "screen_coverage"), 0),
        (("uv", "coverage"), 1.5),
        (("topology", 0, "closed"), "yes"),
        (("topology", 0, "vertex_count"), 1.5),
        (("outputs", "Well.glb", "sha256"), "abc"),
        (("materials", 0, "alpha_mode"), "CUTOUT"),
        (("repair",), {"Lid": {"before": {}}}),
        (("schema",), "lodsmith.report/3"),
        (("provenance",), {"schema": "lodsmith.provenance/1"}),
    ],
)
def test_what_is_wrong_does_not_keep_it(path: tuple[Any, ...], value: object) -> None:
    document: Any = report()
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert complaints(document) != []
