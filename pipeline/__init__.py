"""A request in, artifacts out: the front door of the pipeline.

Importing it does not import torch; `load_models` does.
"""

from pipeline.build import Build, BuildRequest, build_asset
from pipeline.checkpoints.library import STARTER_NAME
from pipeline.errors import PipelineError
from pipeline.kept import kept_keys
from pipeline.model.load_options import LoadOptions
from pipeline.options import AssetOptions
from pipeline.report import StageMeter, StageRecord
from pipeline.run import (
    GenerateRequest,
    Generation,
    Variant,
    generate,
    load_models,
    surface_from_glb,
)
from pipeline.types import Artifact, ModelFacts, Progress, Stage

__all__ = [
    "STARTER_NAME",
    "Artifact",
    "AssetOptions",
    "Build",
    "BuildRequest",
    "GenerateRequest",
    "Generation",
    "LoadOptions",
    "ModelFacts",
    "PipelineError",
    "Progress",
    "Stage",
    "StageMeter",
    "StageRecord",
    "Variant",
    "build_asset",
    "generate",
    "kept_keys",
    "load_models",
    "surface_from_glb",
]
