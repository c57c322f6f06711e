"""A pipeline that does as it is told, as `tests.server.fake_pipeline`, and leaves real GLBs.

The GLBs are cubes in the profile that is asked for, with as many LODs as the options have and two
hulls, so that a client can import them. An asset named "Lacking..." reports a hull that its GLB
does not have.
"""

import json
from dataclasses import replace

import numpy as np

from pipeline import Build, BuildRequest, StageMeter
from pipeline.export.glb import export_glb
from pipeline.export.parts import ExportPart
from pipeline.types import Hull, Image, Material, Silent
from tests.pipeline.samples import measures_of, unwrapped_cube
from tests.server import fake_pipeline
from tests.server.fake_pipeline import generate, load_models, surface_from_glb

__all__ = ["build_asset", "generate", "load_models", "surface_from_glb"]

HULL_COUNT = 2

_HULL = Hull(
    positions=np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32),
    faces=np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32),
)
_PREVIEW = bytes.fromhex("89504e470d0a1a0a") + b" a picture"


def build_asset(request: BuildRequest, meter: StageMeter) -> Build:
    """As the fake's, with a GLB that can be imported and a report that fits it."""
    build = fake_pipeline.build_asset(request, meter)
    count = len(request.options.lod.chain)
    lods = [unwrapped_cube(segments=count - level) for level in range(count)]
    measures = measures_of(lods)
    is_lacking = request.name.startswith("Lacking")
    hulls = [_HULL] * (HULL_COUNT - is_lacking)
    white = Material(base_color=Image(pixels=np.full((4, 4, 3), 255, np.uint8)))
    glb = export_glb(
        request.name,
        lods,
        measures,
        white,
        [ExportPart.whole(lods, hulls)],
        request.options.export,
        Silent(),
    )
    contents = {"model": glb, "preview": _PREVIEW}
    artifacts = []
    for artifact in build.artifacts:
        content = contents.get(artifact.role, artifact.content)
        if artifact.role == "report":
            report = json.loads(content)
            for entry, measure in zip(report["lods"], measures, strict=True):
                entry["triangle_count"] = measure.triangle_count
                entry["screen_coverage"] = measure.screen_coverage
            report["collision"] = {**report["collision"], "kind": "decompose", "hull_count": 2}
            content = json.dumps(report).encode()
        artifacts.append(replace(artifact, content=content))
    return replace(build, artifacts=tuple(artifacts))
