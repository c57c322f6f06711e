"""Reports that `lodsmith check` judges and `verify` reads beside a GLB."""

import json
from collections.abc import Mapping
from random import Random
from xml.etree import ElementTree

from pipeline.errors import InvalidInput
from pipeline.quality.findings import check, strict, to_json
from pipeline.quality.junit import to_junit
from pipeline.quality.policy import default_policy
from pipeline.quality.sarif import to_sarif
from pipeline.quality.verify import verify_glb
from tests.fuzz.mutations.blind import blind
from tests.fuzz.mutations.json_values import Json, changed_json
from tests.pipeline.quality.sample_report import as_bytes, report
from tests.pipeline.samples import triangle_file

_POLICY = default_policy()
_GLB = triangle_file().glb()


def consume(data: bytes) -> None:
    checked = check("a.report.json", data, _POLICY)
    reports = [checked, strict(checked)]
    # Other programs read these.
    json.loads(to_json(reports).encode())
    json.loads(to_sarif(reports).encode())
    ElementTree.fromstring(to_junit(reports).encode())
    try:
        verify_glb(_GLB, file_name="a.glb", report=data)
    except InvalidInput:
        return


def mutate(data: bytes, random: Random) -> bytes:
    return blind(data, random) if random.randrange(8) == 0 else changed_json(data, random, _WORDS)


def seeds() -> Mapping[str, bytes]:
    old = {**report(), "schema": "lodsmith.report/1"}
    return {"report": as_bytes(report()), "old": as_bytes(old)}


_WORDS: Mapping[str, list[Json]] = {
    "schema": ["lodsmith.report/1", "lodsmith.report/2", "lodsmith.report/3"],
    "lods": [[], [{}]],
    "name": ["", "\0", "\ud800", "]]>", "\uffff"],
    "license": ["MIT", "GPL-3.0-only", "MIT OR ("],
    "provenance": [{}, {"content_sha256": "ab"}],
    "outputs": [{"a.glb": {"sha256": "ab"}}],
}
