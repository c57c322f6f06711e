"""A request in, artifacts out: the front door of the pipeline.

Importing it does not import torch; `load_models` does.
"""

from pipeline.errors import PipelineError
from pipeline.options import AssetOptions
from pipeline.report import StageMeter, StageRecord
from pipeline.run import (
    STARTER,
    BuildRequest,
    GenerateRequest,
    build_asset,
    generate,
    load_models,
    surface_from_glb,
)
from pipeline.types import Artifact, Progress, Stage

__all__ = [
    "STARTER",
    "Artifact",
    "AssetOptions",
    "BuildRequest",
    "GenerateRequest",
    "PipelineError",
    "Progress",
    "Stage",
    "StageMeter",
    "StageRecord",
    "build_asset",
    "generate",
    "load_models",
    "surface_from_glb",
]
