"""A given shape, another prompt: what variants of an existing asset stand on."""

import pytest
import torch

from pipeline.checkpoints.library import STARTER_NAME
from pipeline.encode.encode import coarse_shape
from pipeline.encode.field_features import field_shape
from pipeline.load import load_models
from pipeline.model.condition.options import ConditionOptions
from pipeline.model.generate import condition_on_text, decode_mesh, sample_slat
from pipeline.model.load_options import LoadOptions
from pipeline.model.models import Models
from pipeline.model.sampler import SamplerOptions
from pipeline.types import Mesh, Silent
from tests.pipeline.encode.shapes import post


@pytest.fixture(scope="module")
def starter() -> Models:
    loaded = load_models(LoadOptions(models=(STARTER_NAME,), home="", device="cpu"))
    return loaded.models[0]


def test_a_new_prompt_keeps_the_voxels_it_is_given(starter: Models) -> None:
    shape = coarse_shape(starter, post(), Silent())
    condition = condition_on_text(starter, "a blue post", ConditionOptions(), Silent())
    (slat,) = sample_slat(
        starter,
        condition,
        [shape.coords[:, 1:]],
        SamplerOptions(steps=4),
        "stochastic",
        [torch.Generator().manual_seed(0)],
        Silent(),
    )
    mesh = decode_mesh(starter, slat, Silent())
    made = field_shape(
        Mesh(positions=mesh.vertices, faces=mesh.faces), 32, lambda: None, pytest.fail
    )
    given, found = (
        set(map(tuple, voxels.tolist())) for voxels in (shape.coords[:, 1:], made.coords)
    )
    assert len(given & found) / len(given | found) > 0.85
