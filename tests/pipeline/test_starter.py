"""The model that ships with the repository."""

from pathlib import Path

from safetensors.torch import load_file

from pipeline import STARTER_NAME, LoadOptions, load_models
from pipeline.checkpoints.library import STARTER

MAX_BYTES = 40_000_000


def test_it_is_small_enough_to_ship() -> None:
    size_bytes = sum(path.stat().st_size for path in STARTER.rglob("*") if path.is_file())
    assert 0 < size_bytes <= MAX_BYTES


def test_it_loads_and_takes_all_and_makes_all(tmp_path: Path) -> None:
    options = LoadOptions(models=(STARTER_NAME,), home=str(tmp_path), device="cpu")
    (facts,) = load_models(options).facts
    assert (facts.name, facts.license) == ("lodsmith-starter", "MIT")
    assert facts.takes == ("prompt", "image")
    assert facts.formats == ("mesh", "gaussian", "radiance_field")


def test_every_tensor_is_float16() -> None:
    files = sorted((STARTER / "ckpts").glob("*.safetensors"))
    assert len(files) == 9
    for file in files:
        assert {str(tensor.dtype) for tensor in load_file(file).values()} == {"torch.float16"}
