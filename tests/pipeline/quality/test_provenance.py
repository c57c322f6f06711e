"""The record of how an asset was made, and sealing a GLB with it."""

import hashlib
import json
from typing import Any

import pytest

from pipeline.errors import InvalidInput
from pipeline.quality.provenance import (
    Input,
    ProvenanceOptions,
    inputs_of,
    provenance_record,
    read_record,
    sealed,
    told_recipe,
)
from pipeline.quality.verify import Verdict, verify_glb
from tests.pipeline.samples import pack_glb, triangle_file, unpack_glb

RECIPE: dict[str, Any] = {  # Any: JSON
    "prompt": "a stone well",
    "seed": 2**62 + 1,
    "model": {
        "name": "starter", "digest": "ab" * 32, "license": "MIT", "takes": ["prompt"],
        "formats": ["mesh"], "runs_on": "cpu",
    },
    "shape_sha256": "5a" * 32,
    "adapter_sha256": "ad" * 32,
    "adapter_strength": 0.5,
    "slat_sha256": "51" * 32,
    "surface_sha256": "50" * 32,
    "options": {"lod": {"budgets": (2000, 1000)}, "condition": {"negative_prompt": "rust"}},
    "versions": {"lodsmith": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6", "xatlas": ""},
}  # fmt: skip
UPLOAD: dict[str, Any] = {
    "input_sha256": "1a" * 32,
    "surface_sha256": "50" * 32,
    "options": {},
    "versions": {"lodsmith": "0.1.0", "torch": "2.13.0", "numpy": "2.4.6"},
}


def record_of(recipe: dict[str, Any], options: ProvenanceOptions | None = None) -> dict[str, Any]:
    options = options or ProvenanceOptions()
    return provenance_record(recipe, inputs_of(recipe, options), options)


def test_a_generated_asset_says_by_what_from_what_and_how() -> None:
    assert record_of(RECIPE) == {
        "schema": "lodsmith.provenance/1",
        "generator": "Lodsmith 0.1.0",
        "digital_source_type":
            "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "model": {
            "name": "starter", "digest": "ab" * 32, "license": "MIT", "runs_on": "cpu",
        },
        "prompt_sha256": hashlib.sha256(b"a stone well").hexdigest(),
        "seed": 2**62 + 1,
        "adapter_strength": 0.5,
        "slat_sha256": "51" * 32,
        "surface_sha256": "50" * 32,
        "inputs": [
            {"role": "shape", "sha256": "5a" * 32, "license": ""},
            {"role": "adapter", "sha256": "ad" * 32, "license": ""},
        ],
        "options_sha256": hashlib.sha256(
            b'{"condition":{"negative_prompt":"rust"},"lod":{"budgets":[2000,1000]}}'
        ).hexdigest(),
        "libraries": {"torch": "2.13.0", "numpy": "2.4.6"},
        "human_edits": [],
    }  # fmt: skip


def test_an_uploaded_mesh_is_not_called_generated() -> None:
    record = record_of(UPLOAD)
    assert not {"digital_source_type", "model", "seed", "prompt_sha256"} & set(record)
    assert record["inputs"] == [{"role": "mesh", "sha256": "1a" * 32, "license": ""}]


def test_the_record_of_an_uploaded_mesh_does_not_depend_on_torch() -> None:
    other = UPLOAD | {"versions": UPLOAD["versions"] | {"torch": "3.0"}}
    assert record_of(UPLOAD) == record_of(other)
    assert record_of(RECIPE) != record_of(RECIPE | {"versions": other["versions"]})


@pytest.mark.parametrize(
    ("policy", "keys"), [("text", {"prompt"}), ("sha256", {"prompt_sha256"}), ("omit", set())]
)
def test_of_the_prompt_only_what_the_policy_allows_is_told(policy: Any, keys: set[str]) -> None:
    record = record_of(RECIPE, ProvenanceOptions(prompt=policy))
    assert {key for key in record if key.startswith("prompt")} == keys
    assert ("stone" in json.dumps(record)) == (policy == "text")
    assert "rust" not in json.dumps(record)  # the negative prompt stands in the options


def test_an_unknown_policy_on_prompts_is_refused() -> None:
    with pytest.raises(InvalidInput, match="text, sha256 or omit, got 'hide'"):
        ProvenanceOptions(prompt="hide")  # type: ignore[arg-type]


def test_pictures_are_inputs_in_order() -> None:
    recipe: dict[str, Any] = {
        "input_sha256": "a" * 64,
        "more_input_sha256": ["b" * 64],
        "model": {},
    }
    assert inputs_of(recipe, ProvenanceOptions()) == (
        Input(role="picture", sha256="a" * 64, license=""),
        Input(role="picture", sha256="b" * 64, license=""),
    )


def test_inputs_have_the_licenses_that_were_given() -> None:
    recipe: dict[str, Any] = {"input_sha256": "a" * 64, "shape_sha256": "b" * 64, "model": {}}
    options = ProvenanceOptions(picture_license="CC-BY-4.0", mesh_license="CC0-1.0")
    licenses = {one.role: one.license for one in inputs_of(recipe, options)}
    assert licenses == {"picture": "CC-BY-4.0", "shape": ""}


@pytest.mark.parametrize("license_name", ["x" * 101, "CC0-1.0\n"])
def test_licenses_are_one_short_line(license_name: str) -> None:
    with pytest.raises(InvalidInput, match="mesh_license must be one line of at most 100"):
        ProvenanceOptions(mesh_license=license_name)


# ---------------------------------------------------------------------------------------- sealing


def test_sealing_adds_the_record_and_changes_nothing_else() -> None:
    glb = triangle_file().glb()
    root, binary = unpack_glb(glb)
    after, same_binary = unpack_glb(sealed(glb, record_of(RECIPE)))
    record = after["asset"]["extras"].pop("lodsmith")
    assert after["asset"].pop("extras") == {}
    assert (after, same_binary) == (root, binary)
    assert list(after) == list(root)
    assert {key: record[key] for key in record_of(RECIPE)} == record_of(RECIPE)


def test_the_hashes_are_those_of_the_definition() -> None:
    # Integers, and keys that are ASCII: here the canonical form is what Python writes sorted.
    def canonical(value: object) -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    root = {"scene": 0, "asset": {"version": "2.0", "extras": {"mine": 1}}}
    glb = pack_glb(json.dumps(root).encode(), b"1234")
    record = read_record(sealed(glb, {"schema": "lodsmith.provenance/1"}))
    assert record is not None
    rest = glb[20 + int.from_bytes(glb[12:16], "little") :]
    assert record["content_sha256"] == hashlib.sha256(canonical(root) + rest).hexdigest()
    own_hash = record.pop("record_sha256")
    assert own_hash == hashlib.sha256(canonical(record)).hexdigest()


def test_the_same_asset_is_sealed_to_the_same_bytes() -> None:
    glb = triangle_file().glb()
    once = sealed(glb, record_of(RECIPE))
    assert once == sealed(glb, record_of(RECIPE))
    assert once == sealed(once, record_of(RECIPE))  # a record that is there is replaced


def test_other_extras_stay_and_are_covered() -> None:
    file = triangle_file()
    file.json["asset"]["extras"] = {"studio": {"id": 7}}
    glb = sealed(file.glb(), record_of(RECIPE))
    root, binary = unpack_glb(glb)
    assert root["asset"]["extras"]["studio"] == {"id": 7}
    root["asset"]["extras"]["studio"]["id"] = 8
    changed = pack_glb(json.dumps(root).encode(), binary)
    assert verify_glb(changed).verdict is Verdict.EDITED


@pytest.mark.parametrize("extras", [None, {}])
def test_an_empty_place_for_the_record_makes_no_difference(extras: object) -> None:
    file = triangle_file()
    plain = read_record(sealed(file.glb(), record_of(RECIPE)))
    if extras is not None:
        file.json["asset"]["extras"] = extras
    assert read_record(sealed(file.glb(), record_of(RECIPE))) == plain


def test_a_file_without_a_place_for_the_record_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has no asset"):
        sealed(pack_glb(b"{}", b""), record_of(RECIPE))
    with pytest.raises(InvalidInput, match="is no object"):
        sealed(pack_glb(b'{"asset": {"version": "2.0", "extras": [1]}}', b""), record_of(RECIPE))


@pytest.mark.parametrize(
    "text", [b"{}", b'{"asset": 1}', b'{"asset": {"extras": 1}}', b'{"asset": {"extras": {}}}',
             b'{"asset": {"extras": {"lodsmith": "x"}}}']
)  # fmt: skip
def test_a_file_without_a_record_has_none(text: bytes) -> None:
    assert read_record(pack_glb(text, b"")) is None


def test_where_no_prompt_may_be_told_the_recipe_has_none() -> None:
    recipe = {
        "prompt": "a secret",
        "seed": 1,
        "options": {"condition": {"negative_prompt": "another", "multi_image": "stochastic"}},
    }
    told = told_recipe(recipe, ProvenanceOptions(prompt="omit"))
    assert told == {"seed": 1, "options": {"condition": {"multi_image": "stochastic"}}}
    assert told_recipe(recipe, ProvenanceOptions()) == recipe
