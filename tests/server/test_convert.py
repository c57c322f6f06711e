"""Everything that the pipeline knows has its place in the contract."""

from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration

from pipeline import AssetOptions, Stage
from pipeline.mesh.repairing.repair import RepairOptions
from server import convert
from server.engine import WorkerKind, WorkerState
from server.jobs import JobSpec, JobState, StageState
from server.pb import lodsmith_pb2 as pb
from server.refusals import InvalidRequest


def names(enum: Any) -> list[str]:  # Any: protobuf's enum wrappers
    """Return an enum's names without prefix, unspecified left out."""
    values = enum.DESCRIPTOR.values
    prefix = values[0].name.removesuffix("UNSPECIFIED")
    return [value.name.removeprefix(prefix).lower() for value in values[1:]]


@pytest.mark.parametrize(
    ("ours", "contract"),
    [
        (Stage, pb.StageKind),
        (JobState, pb.JobState),
        (StageState, pb.StageState),
        (WorkerKind, pb.WorkerKind),
        (WorkerState, pb.WorkerState),
    ],
)
def test_enums_are_those_of_the_contract(ours: Any, contract: Any) -> None:
    assert [member.value for member in ours] == names(contract)


# Any: dataclasses of all kinds, and descriptors whose stubs disagree.
def option_types(kind: Any, message: Any, path: str) -> list[tuple[str, Any, Any]]:
    """Pair every option, however deep, with its field in the contract."""
    pairs = []
    hints = get_type_hints(kind)
    for option in fields(kind):
        where = f"{path}.{option.name}"
        assert option.name in message.fields_by_name, f"{where} is not in the contract"
        field = message.fields_by_name[option.name]
        inner = [t for t in (hints[option.name], *get_args(hints[option.name])) if is_dataclass(t)]
        if inner:
            pairs += option_types(inner[0], field.message_type, where)
        else:
            pairs.append((where, hints[option.name], field))
    foreign = set(message.fields_by_name) - {option.name for option in fields(kind)}
    assert not foreign, f"{path}: the contract has {foreign}, the options do not"
    return pairs


def test_every_option_is_in_the_contract_and_the_other_way_round() -> None:
    for where, kind, field in option_types(AssetOptions, pb.AssetOptions.DESCRIPTOR, "options"):
        literal = next(
            (t for t in (kind, *get_args(kind)) if str(get_origin(t)) == "typing.Literal"), None
        )
        if literal is not None:
            assert isinstance(field.enum_type, EnumDescriptor), where
            prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
            values = {v.name.removeprefix(prefix).lower() for v in field.enum_type.values[1:]}
            assert values == set(get_args(literal)), where
            assert field.is_repeated == (get_origin(kind) is tuple), where
        elif kind in (bool, int, float) or get_args(kind):
            assert field.type != FieldDescriptor.TYPE_STRING, where
        elif kind is str:
            assert field.type == FieldDescriptor.TYPE_STRING, where
        else:
            raise AssertionError(f"{where}: no test for {kind}")


def test_absent_options_are_the_defaults() -> None:
    options = convert.options_from(pb.AssetOptions(), is_generated=True)
    assert options == AssetOptions()


def test_options_survive_the_way_there_and_back() -> None:
    message = pb.AssetOptions(
        sparse_structure=pb.SamplerOptions(
            steps=7, guidance_strength=0.0, guidance_interval=pb.Interval(low=0.5, high=1.0)
        ),
        place=pb.PlaceOptions(height_m=2.5, pivot=pb.PIVOT_KEEP),
        repair=pb.RepairOptions(fill_hole_edges=0, flip_inside_out=False),
        remesh=pb.RemeshOptions(mode=pb.REMESH_MODE_OFF),
        lod=pb.LodOptions(budgets=[500, 40]),
        unwrap=pb.UnwrapOptions(texture_size=256),
        bake=pb.BakeOptions(ambient_occlusion=True),
        collision=pb.CollisionOptions(mode=pb.COLLISION_MODE_NONE, max_hulls=3),
        export=pb.ExportOptions(profile=pb.EXPORT_PROFILE_UNITY),
        condition=pb.ConditionOptions(
            negative_prompt="rust", multi_image=pb.MULTI_IMAGE_MULTIDIFFUSION
        ),
        decode=pb.DecodeOptions(formats=[pb.FORMAT_RADIANCE_FIELD, pb.FORMAT_MESH]),
    )
    options = convert.options_from(message, is_generated=False)
    assert options.sparse_structure.steps == 7
    assert options.sparse_structure.guidance_strength == 0.0  # given, though it is zero
    assert options.sparse_structure.guidance_interval == (0.5, 1.0)
    assert options.sparse_structure.rescale_t is None
    assert options.place.height_m == 2.5
    assert options.place.pivot == "keep"
    assert options.lod.budgets == (500, 40)
    assert options.bake.ambient_occlusion
    assert options.collision.mode == "none"
    assert options.export.profile == "unity"
    assert options.condition.negative_prompt == "rust"
    assert options.condition.multi_image == "multidiffusion"
    assert options.decode.formats == ("radiance_field", "mesh")
    assert options.unwrap.gutter_texels == AssetOptions().unwrap.gutter_texels
    back = convert.options_to(options)
    assert convert.options_from(back, is_generated=False) == options


def test_repair_defaults_suit_the_source() -> None:
    message = pb.AssetOptions(repair=pb.RepairOptions(fill_hole_edges=5))
    generated = convert.options_from(message, is_generated=True).repair
    upload = convert.options_from(message, is_generated=False).repair
    assert generated is not None
    assert upload is not None
    assert generated.drop_speck_ratio == RepairOptions.for_generated().drop_speck_ratio
    assert upload.drop_speck_ratio == RepairOptions.for_upload().drop_speck_ratio
    assert generated.fill_hole_edges == upload.fill_hole_edges == 5


def spec(**fields: Any) -> pb.JobSpec:  # Any: of the message
    return pb.JobSpec(prompt="a chair", **fields)


def test_how_a_job_runs_survives_the_way_there_and_back() -> None:
    message = spec(
        priority=-3,
        run_timeout=Duration(seconds=90),
        ignore_cache=True,
        labels={"shot": "12", "empty": ""},
    )
    read = convert.spec_from(message)
    assert (read.priority, read.run_timeout_s, read.ignore_cache) == (-3, 90.0, True)
    assert read.labels == {"shot": "12", "empty": ""}
    assert convert.spec_from(convert.spec_to(read)) == read
    absent = convert.spec_from(spec())
    assert absent == JobSpec(asset_name="", prompt="a chair")
    assert not convert.spec_to(absent).HasField("run_timeout")


def test_an_export_again_has_a_priority_of_its_own() -> None:
    earlier = JobSpec(asset_name="A", prompt="a", priority=9, labels={"a": "b"})
    read = convert.spec_again_from(pb.JobSpec(job="jobs/1", priority=2), earlier, "1")
    assert (read.priority, read.labels, read.surfaces_of) == (2, {}, "1")
    assert convert.spec_to(read).priority == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"priority": 11}, "spec.priority"),
        ({"priority": -11}, "spec.priority"),
        ({"run_timeout": Duration()}, "spec.run_timeout"),
        ({"run_timeout": Duration(seconds=-1)}, "spec.run_timeout"),
        ({"labels": {"": "x"}}, "spec.labels"),
        ({"labels": {"x": "y" * 65}}, "spec.labels"),
        ({"labels": {"x" * 65: "y"}}, "spec.labels"),
        ({"labels": {str(n): "" for n in range(17)}}, "spec.labels"),
    ],
)
def test_how_a_job_may_not_run_is_named(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        convert.spec_from(spec(**fields))
    assert refused.value.field == field


def test_stages_to_run_again_from_are_read() -> None:
    assert convert.stage_from(pb.STAGE_KIND_UNSPECIFIED, "from_stage") is None
    assert convert.stage_from(pb.STAGE_KIND_BAKE, "from_stage") is Stage.BAKE
    with pytest.raises(InvalidRequest, match="99"):
        convert.stage_from(99, "from_stage")  # type: ignore[arg-type]  # a newer client's
