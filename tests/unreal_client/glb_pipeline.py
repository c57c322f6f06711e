"""A pipeline for a test's server: takes a GLB that the real one made and returns it as the asset.

It takes as many steps of 10 ms as the asset's name says: "Steps30". Anything else is as in the fake
pipeline of the server's tests.
"""

import json
import re
import struct
import time
from dataclasses import replace
from typing import Any

from pipeline import Build, BuildRequest, Stage, StageMeter
from tests.server import fake_pipeline
from tests.server.fake_pipeline import generate, load_models, surface_from_glb

__all__ = ["build_asset", "generate", "load_models", "surface_from_glb"]


def build_asset(request: BuildRequest, meter: StageMeter) -> Build:
    """Return the surface as the model, and a report that fits it."""
    found = re.fullmatch(r"Steps(\d+)", request.name)
    count = int(found[1]) if found else 1
    for step in range(count):
        meter(Stage.BAKE, step / count)
        time.sleep(0.01)
    build = fake_pipeline.build_asset(request, meter)
    if not request.surface.startswith(b"glTF"):
        return build
    meter.preview(Stage.BAKE, fake_pipeline.PREVIEW)
    files = []
    for artifact in build.artifacts:
        if artifact.role == "model":
            artifact = replace(artifact, content=_named(request.surface, request.name))
        elif artifact.role == "report":
            report = json.loads(artifact.content)
            report.update(_facts(_read(request.surface)[0]))
            artifact = replace(artifact, content=json.dumps(report).encode())
        files.append(artifact)
    return replace(build, artifacts=tuple(files))


def _read(glb: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack_from("<I", glb, 12)
    return json.loads(glb[20 : 20 + length]), glb[20 + length :]


def _named(glb: bytes, name: str) -> bytes:
    """Give everything in the file the asset's name; it is made of `Cone`s."""
    document, rest = _read(glb)
    text = json.dumps(document).replace("_Cone", f"_{name}").encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sII", b"glTF", 2, 20 + len(text) + len(rest))
    return head + struct.pack("<I4s", len(text), b"JSON") + text + rest


def _facts(document: dict[str, Any]) -> dict[str, Any]:
    names = [mesh["name"] for mesh in document["meshes"]]
    counts = [
        sum(document["accessors"][part["indices"]]["count"] // 3 for part in mesh["primitives"])
        for mesh in document["meshes"]
        if mesh["name"].startswith("SM_")
    ]
    hull_count = sum(name.startswith("UCX_") for name in names)
    return {
        "lods": [
            {
                "triangle_count": count,
                "budget": count,
                "deviation_max_m": 0.002,
                "deviation_mean_m": 0.001,
                "screen_coverage": 0.5**index,
            }
            for index, count in enumerate(counts, 1)
        ],
        "collision": {
            "kind": "decompose",
            "hull_count": hull_count,
            "over_cover": 1.2,
            "protrusion_m": 0.01,
        },
    }
