"""AssetOptions is the list of all stages' options."""

import inspect
import json
from dataclasses import FrozenInstanceError, asdict, fields, is_dataclass

import pytest

from pipeline import atlas, build, repaired, run
from pipeline.options import AssetOptions


def test_every_stage_can_be_left_at_its_defaults() -> None:
    options = AssetOptions()
    assert options == AssetOptions()
    for field in fields(AssetOptions):
        value = getattr(options, field.name)
        if field.name == "repair":  # what fits depends on where the mesh comes from
            assert value is None
        else:
            assert is_dataclass(value)


def test_no_options_are_shared_between_requests() -> None:
    one, other = AssetOptions(), AssetOptions()
    with pytest.raises(FrozenInstanceError):
        one.lod = other.lod  # type: ignore[misc]
    for field in fields(AssetOptions):
        value = getattr(one, field.name)
        if value is not None:
            assert type(value).__dataclass_params__.frozen


def test_run_uses_every_option() -> None:
    source = "".join(inspect.getsource(module) for module in (run, build, repaired, atlas))
    unused = [f.name for f in fields(AssetOptions) if f"options.{f.name}" not in source]
    assert unused == []


def test_options_can_be_written_into_a_report() -> None:
    written = json.loads(json.dumps(asdict(AssetOptions())))
    assert written.keys() == {field.name for field in fields(AssetOptions)}
