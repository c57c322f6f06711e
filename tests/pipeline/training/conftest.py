"""Two small samples, their conditions, and model sizes that train in a second."""

from dataclasses import replace

import pytest
import torch

from pipeline.training import configs
from pipeline.training.conditions import Conditions, encode_conditions
from pipeline.training.dataset import PropSample, make_sample
from tests.pipeline.model.tiny_model import LetterEncoder

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def chair() -> PropSample:
    """Sample 5 of the training set."""
    return make_sample(5, seed=1)


@pytest.fixture(scope="session")
def samples(chair: PropSample) -> list[PropSample]:
    """Two neighbouring parts of the chair, of unequal size."""
    return [
        replace(
            chair,
            coords=chair.coords[rows],
            sdf=chair.sdf[rows],
            color=chair.color[rows],
            captions=captions,
        )
        for rows, captions in ((slice(0, 90), ("a chair", "a seat")), (slice(90, 150), ("a leg",)))
    ]


@pytest.fixture(scope="session")
def conditions(samples: list[PropSample]) -> Conditions:
    return encode_conditions(samples, LetterEncoder())


@pytest.fixture
def _small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The starter's architecture with narrow layers."""
    narrow = {
        "STRUCTURE_ENCODER": {"channels": [2, 4, 8]},
        "STRUCTURE_DECODER": {"channels": [8, 4, 2]},
        "STRUCTURE_FLOW": {"model_channels": 16, "num_blocks": 1, "num_heads": 2},
        "SLAT_ENCODER": {"model_channels": 16, "num_heads": 2},
        "MESH_DECODER": {"model_channels": 16, "num_blocks": 2, "num_heads": 2, "norm_groups": 2},
        "SLAT_FLOW": {"model_channels": 16, "num_blocks": 1, "num_heads": 2,
                      "io_block_channels": [8]},
        "IMAGE_ENCODER": {"model_channels": 16, "num_blocks": 1, "num_heads": 2},
        "GAUSSIAN_DECODER": {"model_channels": 24, "num_blocks": 1, "num_heads": 2},
    }  # fmt: skip
    for name, changes in narrow.items():
        monkeypatch.setattr(configs, name, {**getattr(configs, name), **changes})
