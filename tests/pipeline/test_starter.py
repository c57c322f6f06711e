"""The model that ships with the repository."""

from safetensors.torch import load_file

from pipeline import STARTER, load_models

MAX_BYTES = 40_000_000


def test_it_is_small_enough_to_ship() -> None:
    size_bytes = sum(path.stat().st_size for path in STARTER.rglob("*") if path.is_file())
    assert 0 < size_bytes <= MAX_BYTES


def test_it_loads_and_takes_text_and_pictures() -> None:
    models = load_models(STARTER, "cpu")
    assert (models.name, models.license) == ("lodsmith-starter", "MIT")
    assert models.text_encoder is not None
    assert models.image_encoder is not None


def test_every_tensor_is_float16() -> None:
    files = sorted((STARTER / "ckpts").glob("*.safetensors"))
    assert len(files) == 7
    for file in files:
        assert {str(tensor.dtype) for tensor in load_file(file).values()} == {"torch.float16"}
