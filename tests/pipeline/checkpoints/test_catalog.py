"""The catalog's data against the released files' sizes and an independent table of their keys."""

import math
import re
from pathlib import Path

import pytest

from pipeline.checkpoints.catalog import (
    CHECKPOINTS,
    CONDITIONERS,
    PERMISSIVE,
    PUBLISHED,
    Checkpoint,
    checkpoint,
    published,
)
from pipeline.checkpoints.manifest import expected_tensors
from tests.pipeline.checkpoints.published_folders import entry, write_checkpoint
from tests.pipeline.model import published as independent


@pytest.mark.parametrize("one", CHECKPOINTS, ids=lambda c: c.name)
def test_arguments_give_the_released_counts(one: Checkpoint) -> None:
    tensors = expected_tensors(one.kind, one.args).values()
    assert len(tensors) == one.key_count
    assert sum(math.prod(t.shape) for t in tensors) == one.parameters + one.buffers
    assert sum(t.size_bytes for t in tensors) == one.tensor_bytes


def test_fourteen_checkpoints_have_4383_tensors() -> None:
    assert len(CHECKPOINTS) == 14
    assert sum(one.key_count for one in CHECKPOINTS) == 4383


@pytest.mark.parametrize("one", independent.CHECKPOINTS, ids=lambda c: c.name)
def test_the_manifest_is_the_independent_table(one: independent.Checkpoint) -> None:
    known = checkpoint(f"{one.name}_fp16")
    assert known is not None
    tensors = expected_tensors(known.kind, known.args)
    found = {key: (facts.shape, facts.dtype.lower()) for key, facts in tensors.items()}
    assert found == one.keys
    assert known.kind == one.kind.__name__
    counts = (one.key_count, one.parameters, one.buffers, one.size_bytes)
    assert counts == (known.key_count, known.parameters, known.buffers, known.tensor_bytes)


@pytest.mark.parametrize(
    "path",
    [f.path for f in entry("TRELLIS-image-large").files if f.path.endswith(".safetensors")],
)
def test_a_written_file_has_the_size_of_the_released_one(path: str, tmp_path: Path) -> None:
    """Names, shapes, types and their order all show in the length of the header: the released
    file's size, which the hub lists, is met to the byte."""
    write_checkpoint(tmp_path / path.removesuffix(".safetensors"))
    released = next(f for f in entry("TRELLIS-image-large").files if f.path == path)
    assert (tmp_path / path).stat().st_size == released.size_bytes


def test_every_pipeline_names_its_six_models_and_where_they_lie() -> None:
    pipelines = [one for one in PUBLISHED if one.pipeline is not None]
    assert len(pipelines) == 4
    for one in pipelines:
        assert one.pipeline is not None
        assert len(one.pipeline.models.keys() | one.pipeline.borrowed.keys()) == 6
        files = {file.path for file in one.files}
        for stem in one.pipeline.models.values():
            assert {f"{stem}.json", f"{stem}.safetensors"} <= files
            assert checkpoint(stem) is not None
        for path in one.pipeline.borrowed.values():
            owner, name, stem = path.split("/", 2)
            holder = published(f"{owner}/{name}")
            assert holder is not None
            assert f"{stem}.safetensors" in {file.path for file in holder.files}
        assert one.pipeline.conditioner[1] in CONDITIONERS


def test_pins_are_commits_and_hashes() -> None:
    for one in PUBLISHED:
        assert bool(one.repository) != bool(one.url)
        assert re.fullmatch("[0-9a-f]{40}", one.revision) or one.url
        assert one.license in PERMISSIVE
        assert one.optional <= {file.path for file in one.files}
        for file in one.files:
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TRELLIS-image-large", "TRELLIS-image-large"),
        ("trellis-IMAGE-large", "TRELLIS-image-large"),
        ("microsoft/TRELLIS-image-large", "TRELLIS-image-large"),
        ("JeffreyXiang/TRELLIS-text-base", "TRELLIS-text-base"),
        ("clip-vit-large-patch14", "clip"),
        ("dinov2-with-registers-large", "dinov2"),
        ("someone/TRELLIS-image-large", None),
        ("", None),
    ],
)
def test_a_model_is_found_by_every_name_it_goes_by(name: str, expected: str | None) -> None:
    found = published(name)
    assert (found.name if found else None) == expected
