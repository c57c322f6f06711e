"""GLBs that `lodsmith verify` and `record-edit` are given."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.errors import InvalidInput
from pipeline.quality.provenance import (
    ProvenanceOptions,
    inputs_of,
    provenance_record,
    read_record,
    sealed,
)
from pipeline.quality.verify import Verdict, verify_glb, with_edit
from tests.fuzz.mutations.glb import changed_glb
from tests.pipeline.samples import pack_glb, triangle_file, unpack_glb


def consume(data: bytes) -> None:
    try:
        verify_glb(data, file_name="a.glb", report=None)
        record = read_record(data)
        edited = with_edit(data, "smoothed", "somebody", lost=record)
    except InvalidInput:
        return
    assert verify_glb(edited).verdict is Verdict.INTACT


mutate = changed_glb


def seeds() -> Mapping[str, bytes]:
    plain = triangle_file().glb()
    made = sealed(
        plain,
        provenance_record(_RECIPE, inputs_of(_RECIPE, ProvenanceOptions()), ProvenanceOptions()),
    )
    root, binary = unpack_glb(made)
    root["nodes"][0]["name"] = "Renamed"
    edited = pack_glb(json.dumps(root).encode(), binary)
    return {
        "plain": plain,
        "sealed": made,
        "edited": edited,
        "recorded": with_edit(edited, "renamed", "somebody"),
    }


_RECIPE: dict[str, Any] = {  # Any: JSON
    "prompt": "a stone well",
    "seed": 1,
    "model": {"name": "starter", "digest": "ab" * 32, "license": "MIT"},
    "options": {},
    "versions": {"lodsmith": "0.1.0"},
}
