"""The whole way on a CPU: prompt or picture -> surface -> asset, with a tiny random model.

The weights are random, so what comes out is a dented block; see `tests/pipeline/model/tiny_model`.
"""

import hashlib
import json
import subprocess
import sys
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from torch import nn

from pipeline import (
    Artifact,
    AssetOptions,
    BuildRequest,
    GenerateRequest,
    Progress,
    StageMeter,
    StageRecord,
    Variant,
    build_asset,
    surface_from_glb,
)
from pipeline import generate as run_generate
from pipeline.decode import colored_surface, decode
from pipeline.encode.unit_cube import fit_cube
from pipeline.errors import Cancelled, EmptyResult, InvalidInput, OutOfMemory
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.mesh.lods.lod import LodOptions
from pipeline.model.condition.options import ConditionOptions
from pipeline.model.flexicubes import ColoredMesh
from pipeline.model.formats import DecodeOptions, Format
from pipeline.model.models import Models
from pipeline.model.radiance_field import radiance_field_from_bytes
from pipeline.model.sampler import SamplerOptions
from pipeline.place import PlaceOptions
from pipeline.stored_slat import slat_from_bytes, slat_to_bytes
from pipeline.stored_surface import surface_from_bytes
from pipeline.types import Silent, Stage, Surface
from tests.pipeline.model.tiny_model import PICTURE_PX, load_tiny, only, write_tiny_model
from tests.pipeline.samples import GltfFile, encoded, unpack_glb, unwrapped_cube

OPTIONS = AssetOptions(lod=LodOptions(budgets=(300, 80)), unwrap=UnwrapOptions(texture_size=64))
PROMPT = GenerateRequest(prompt="a barrel", seeds=(7,), options=OPTIONS)
BUILD_STAGES = [Stage.REPAIR, Stage.REMESH, Stage.SIMPLIFY, Stage.UNWRAP, Stage.BAKE, Stage.LODS,
                Stage.COLLISION, Stage.EXPORT]  # fmt: skip


class Listener(Silent):
    """A `Progress` that keeps what it is told, and stops the work after `calls_left` calls."""

    def __init__(self, calls_left: int = 1_000_000) -> None:
        self.calls: list[tuple[Stage, float]] = []
        self.previews: list[tuple[Stage, bytes]] = []
        self._calls_left = calls_left

    def __call__(self, stage: Stage, fraction: float) -> None:
        if len(self.calls) == self._calls_left:
            raise Cancelled("stopped by the test")
        self.calls.append((stage, fraction))

    def preview(self, stage: Stage, png: bytes) -> None:
        self.previews.append((stage, png))


class StopAt(Silent):
    """A `Progress` that stops the work when it first hears of a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __call__(self, stage: Stage, fraction: float) -> None:
        if stage is self._stage:
            raise Cancelled("stopped by the test")


def picture() -> bytes:
    pixels = np.zeros((60, 60, 4), np.uint8)
    pixels[10:50, 20:40] = (200, 100, 0, 255)
    return encoded(pixels)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    torch.set_num_threads(1)
    folder = write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    return load_tiny(folder)


def generated(
    request: GenerateRequest, models: Models, progress: Progress | None = None
) -> tuple[Variant, ...]:
    meter = StageMeter(progress or Silent(), time.monotonic)
    return run_generate(request, only(models), meter).variants


def generate(request: GenerateRequest, models: Models, progress: Progress) -> bytes:
    """The stored surface of a request with one variant."""
    (variant,) = generated(request, models, progress)
    assert variant.surface is not None
    return variant.surface


@pytest.fixture(scope="module")
def stored(models: Models) -> bytes:
    return generate(PROMPT, models, Silent())


def build(stored: bytes, progress: Silent, **changes: Any) -> tuple[Artifact, ...]:
    request = BuildRequest(
        name="a wooden barrel",
        surface=stored,
        options=OPTIONS,
        generated=True,
        has_size=False,
        recipe={"prompt": "a wooden barrel", "seed": 7},
    )
    return build_asset(replace(request, **changes), StageMeter(progress, time.monotonic)).artifacts


@pytest.fixture(scope="module")
def build_listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def artifacts(stored: bytes, build_listener: Listener) -> tuple[Artifact, ...]:
    return build(
        stored,
        build_listener,
        earlier=(StageRecord(stage=Stage.SLAT, seconds=3.0, peak_memory_bytes=5),),
        earlier_warnings=("slat: random weights",),
    )


@pytest.fixture(scope="module")
def report(artifacts: tuple[Artifact, ...]) -> Any:
    return json.loads(artifacts[1].content)


def test_importing_the_pipeline_loads_neither_torch_nor_grpc() -> None:
    heavy = {"torch", "grpc", "numba", "transformers", "igl", "server"}
    script = f"import pipeline, sys; print(sorted({heavy!r} & sys.modules.keys()))"
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("prompt", "images"), [(None, ()), ("a barrel", (b"picture",)), ("", (b"picture",))]
)
def test_a_request_has_either_a_prompt_or_images(
    prompt: str | None, images: tuple[bytes, ...]
) -> None:
    with pytest.raises(InvalidInput, match="either a prompt or images"):
        GenerateRequest(prompt=prompt, images=images)


@pytest.mark.parametrize("prompt", ["", "  ", "\n\t"])
def test_an_empty_prompt_is_refused(prompt: str) -> None:
    with pytest.raises(InvalidInput, match=r"prompt is empty.*for example"):
        GenerateRequest(prompt=prompt)


def check_surface(surface: Surface) -> None:
    assert np.abs(surface.positions).max() < 0.5  # the unit cube
    np.testing.assert_allclose(np.linalg.norm(surface.normals, axis=1), 1, atol=1e-5)
    outward = surface.positions - surface.positions.mean(0)
    assert ((outward * surface.normals).sum(1) > 0).mean() > 0.95
    assert surface.colors is not None
    assert surface.colors.min() >= 0
    assert surface.colors.max() <= 1
    assert (surface.colors[:, 3] == 1).all()
    assert len(surface.materials) == 1
    assert not surface.face_materials.any()


def test_a_prompt_becomes_a_colored_surface(stored: bytes) -> None:
    check_surface(surface_from_bytes(stored))


def test_a_picture_becomes_a_colored_surface(models: Models) -> None:
    request = GenerateRequest(images=(picture(),), seeds=(7,), options=OPTIONS)
    one = generate(request, models, Silent())
    check_surface(surface_from_bytes(one))
    assert generate(request, models, Silent()) == one


def test_the_same_seed_gives_the_same_bytes(models: Models, stored: bytes) -> None:
    assert generate(PROMPT, models, Silent()) == stored


def test_another_seed_or_prompt_gives_other_bytes(models: Models, stored: bytes) -> None:
    assert generate(replace(PROMPT, seeds=(8,)), models, Silent()) != stored
    assert generate(replace(PROMPT, prompt="a sword"), models, Silent()) != stored


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_any_seed_of_the_contract_is_taken(models: Models, seed: int) -> None:
    assert generate(replace(PROMPT, seeds=(seed,)), models, Silent())


def test_sampler_options_reach_their_stages(models: Models) -> None:
    options = replace(
        OPTIONS, sparse_structure=SamplerOptions(steps=2), slat=SamplerOptions(steps=5)
    )
    listener = Listener()
    generate(replace(PROMPT, options=options), models, listener)
    stages = [stage for stage, _ in listener.calls]
    assert stages.count(Stage.SPARSE_STRUCTURE) == 3
    assert stages.count(Stage.SLAT) == 6


def test_generating_reports_its_stages_in_order_and_shows_the_surface(models: Models) -> None:
    listener = Listener()
    generate(PROMPT, models, listener)
    stages = [stage for stage, _ in listener.calls]
    assert sorted(stages, key=list(Stage).index) == stages
    assert set(stages) == {Stage.PREPROCESS, Stage.CONDITION, Stage.SPARSE_STRUCTURE, Stage.SLAT,
                           Stage.DECODE}  # fmt: skip
    ((stage, png),) = listener.previews
    assert stage is Stage.DECODE
    assert png.startswith(b"\x89PNG")


def test_generating_can_be_stopped_at_every_report(models: Models) -> None:
    for request in (PROMPT, GenerateRequest(images=(picture(),), options=OPTIONS)):
        listener = Listener()
        generate(request, models, listener)
        for calls_left in range(len(listener.calls)):
            with pytest.raises(Cancelled):
                generate(request, models, Listener(calls_left))


def test_a_model_that_leaves_nothing_is_an_empty_result(tmp_path: Path) -> None:
    nothing = load_tiny(write_tiny_model(tmp_path / "nothing", active=False))
    request = GenerateRequest(images=(picture(),), options=OPTIONS)
    with pytest.raises(EmptyResult, match="another seed"):
        generate(request, nothing, Silent())


def test_a_bad_picture_is_refused_before_sampling(models: Models) -> None:
    listener = Listener()
    with pytest.raises(InvalidInput, match="not a readable"):
        generate(GenerateRequest(images=(b"picture",)), models, listener)
    assert {stage for stage, _ in listener.calls} == {Stage.PREPROCESS}


def with_formats(*formats: Format) -> AssetOptions:
    return replace(OPTIONS, decode=DecodeOptions(formats=formats))


def test_other_formats_are_files_with_pictures_of_them(models: Models) -> None:
    request = replace(PROMPT, options=with_formats("gaussian", "radiance_field"), name="Barrel")
    listener = Listener()
    (variant,) = generated(request, models, listener)
    assert variant.surface is None
    assert [(a.role, a.file_name) for a in variant.artifacts] == [
        ("gaussian", "Barrel.ply"),
        ("gaussian_preview", "Barrel.gaussian.png"),
        ("radiance_field", "Barrel.radiance_field.safetensors"),
        ("radiance_field_preview", "Barrel.radiance_field.png"),
        ("report", "Barrel.report.json"),
    ]
    ply, shown, field, also_shown, report = (a.content for a in variant.artifacts)
    assert ply.startswith(b"ply\nformat binary_little_endian 1.0\n")
    assert b"element vertex 32\n" in ply  # eight voxels of four Gaussians
    assert shown.startswith(b"\x89PNG")
    assert [png for _, png in listener.previews] == [shown, also_shown]
    assert radiance_field_from_bytes(field).coords.shape == (8, 3)
    document = json.loads(report)
    assert document["recipe"]["seed"] == 7
    assert document["recipe"]["model"]["name"] == "tiny-random"
    assert document["outputs"]["Barrel.ply"]["sha256"] == hashlib.sha256(ply).hexdigest()


def test_formats_do_not_change_each_other(models: Models, stored: bytes) -> None:
    request = replace(PROMPT, options=with_formats("radiance_field", "mesh", "gaussian"))
    (variant,) = generated(request, models)
    assert variant.surface == stored
    assert [a.role for a in variant.artifacts] == [
        "radiance_field", "radiance_field_preview", "gaussian", "gaussian_preview",
    ]  # fmt: skip


def test_a_format_that_the_model_cannot_make_is_refused(models: Models) -> None:
    poor = replace(models, facts=replace(models.facts, formats=("mesh",)))
    with pytest.raises(
        InvalidInput, match="makes gaussian from one prompt: tiny-random makes mesh"
    ):
        generated(replace(PROMPT, options=with_formats("gaussian")), poor)


def test_variants_have_names_and_seeds_of_their_own(models: Models) -> None:
    request = replace(PROMPT, seeds=(7, 8), name="Barrel", options=with_formats("gaussian"))
    variants = generated(request, models)
    assert [variant.seed for variant in variants] == [7, 8]
    assert [v.artifacts[0].file_name for v in variants] == ["BarrelV1.ply", "BarrelV2.ply"]
    reports = [json.loads(v.artifacts[-1].content) for v in variants]
    assert [report["name"] for report in reports] == ["BarrelV1", "BarrelV2"]
    stages = [entry["stage"] for entry in reports[0]["stages"]]
    assert len(set(stages)) == len(stages)  # each once, for all variants together
    assert variants[0].artifacts[0].content != variants[1].artifacts[0].content


def test_a_variant_without_a_surface_is_left_out(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def fail_first(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise EmptyResult("the model left no surface for this prompt; try another seed")
        return decode(*arguments)

    monkeypatch.setattr("pipeline.decode.decode", fail_first)
    request = replace(PROMPT, seeds=(7, 8), name="Barrel", options=with_formats("gaussian"))
    meter = StageMeter(Silent(), time.monotonic)
    (variant,) = run_generate(request, only(models), meter).variants
    assert variant.seed == 8
    assert variant.artifacts[0].file_name == "BarrelV1.ply"
    assert any("seed 7 is left out" in warning for warning in meter.warnings)
    calls.clear()
    with pytest.raises(EmptyResult):
        generated(replace(request, seeds=(7,)), models)


def test_every_stage_of_several_parts_runs_from_zero_to_one_once(models: Models) -> None:
    listener = Listener()
    request = GenerateRequest(
        images=(picture(), picture()), seeds=(1, 2), options=with_formats("mesh", "gaussian")
    )
    generated(request, models, listener)
    for stage in (Stage.PREPROCESS, Stage.CONDITION, Stage.SPARSE_STRUCTURE, Stage.SLAT,
                  Stage.DECODE):  # fmt: skip
        fractions = [fraction for at, fraction in listener.calls if at is stage]
        assert fractions == sorted(fractions), stage
        assert fractions[-1] == 1.0


def test_a_stored_slat_comes_back(models: Models) -> None:
    (variant,) = generated(PROMPT, models)
    slat = slat_from_bytes(variant.slat)
    assert slat.coords.shape == (8, 4)
    again = slat_to_bytes(slat, models.facts.digest)
    assert again == variant.slat
    with pytest.raises(InvalidInput, match="not a stored SLAT"):
        slat_from_bytes(b"something else")


def test_a_coarse_shape_is_kept(models: Models) -> None:
    cube = unwrapped_cube(segments=2, side_m=6.0)
    flat = (cube.positions * (1, 0.2, 1) + 10).astype(np.float32)
    file = GltfFile()
    file.mesh({"POSITION": flat}, cube.faces.astype(np.uint32))
    shape = surface_from_glb(file.glb(), 1_000, Silent())
    request = replace(PROMPT, shape=shape, seeds=(1, 2), options=with_formats("gaussian"))
    one, two = (slat_from_bytes(variant.slat) for variant in generated(request, models))
    assert one.coords.equal(two.coords)
    assert not one.feats.equal(two.feats)
    heights = set(one.coords[:, 3].tolist())
    assert heights == {1, 2}  # of four: a fifth of the height, in the middle
    assert set(one.coords[:, 1].tolist()) == {0, 1, 2, 3}


def test_a_kept_shape_gets_its_place_and_size_back(models: Models, stored: bytes) -> None:
    mesh = ColoredMesh(
        vertices=np.array([[-0.5, -0.5, -0.5], [0.5, 0.5, 0.5], [0.5, 0, 0]], np.float32),
        faces=np.array([[0, 1, 2]], np.int32),
        attributes=np.full((3, 6), 0.5, np.float32),
    )
    where = surface_from_bytes(stored)
    larger = replace(where, positions=where.positions * 6 + np.float32(10))
    placed = colored_surface(mesh, fit_cube(larger, 1.0)).positions
    middle = (larger.positions.min(0) + larger.positions.max(0)) / 2
    longest = np.ptp(larger.positions, axis=0).max()
    assert (placed[0] + placed[1]) / 2 == pytest.approx(middle, abs=1e-4)
    assert np.abs(placed[1] - placed[0]) == pytest.approx([longest] * 3, rel=1e-5)


def test_a_negative_prompt_with_a_picture_is_a_warning(models: Models) -> None:
    options = replace(OPTIONS, condition=ConditionOptions(negative_prompt="rust"))
    meter = StageMeter(Silent(), time.monotonic)
    run_generate(GenerateRequest(images=(picture(),), options=options), only(models), meter)
    assert any("negative prompt is not used" in warning for warning in meter.warnings)


def test_memory_that_runs_out_is_tried_once_more_with_less(models: Models, stored: bytes) -> None:
    tries = []

    def fail_at_first(module: nn.Module, inputs: object) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    watched = models.slat_flow.register_forward_pre_hook(fail_at_first)
    meter = StageMeter(Silent(), time.monotonic)
    (variant,) = run_generate(PROMPT, only(models), meter).variants
    watched.remove()
    assert variant.surface is not None
    assert len(surface_from_bytes(variant.surface).faces) > 0
    assert any("memory ran out" in warning for warning in meter.warnings)


def test_memory_that_runs_out_twice_is_a_failure_with_a_way_out(models: Models) -> None:
    def fail(module: nn.Module, inputs: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    watched = models.slat_flow.register_forward_pre_hook(fail)
    with pytest.raises(OutOfMemory, match="fewer variants"):
        generated(PROMPT, models)
    watched.remove()


@pytest.mark.parametrize(
    ("fitting", "message"),
    [(0, "sampling the structure needs"), (1, "sampling 8 voxels"), (2, "decoding 8 voxels")],
)
def test_what_cannot_fit_is_refused_before_it_is_computed(
    models: Models, monkeypatch: pytest.MonkeyPatch, fitting: int, message: str
) -> None:
    answers = iter([1 << 40] * fitting)
    monkeypatch.setattr("pipeline.model.memory._free_bytes", lambda device: next(answers, 1000))
    called: list[nn.Module] = []
    networks = [models.structure_flow, models.slat_flow, models.mesh_decoder]
    watched = [
        network.register_forward_pre_hook(lambda module, inputs: called.append(module))
        for network in networks
    ]
    meter = StageMeter(Silent(), time.monotonic)
    with pytest.raises(OutOfMemory, match="fewer variants") as failed:
        run_generate(PROMPT, only(models), meter)
    for watch in watched:
        watch.remove()
    assert "GB are free" in str(failed.value.__cause__)
    assert not set(networks[fitting:]) & set(called)
    first = f"memory ran out ({message}"
    assert any(first in warning for warning in meter.warnings)


def test_an_asset_is_a_model_a_report_and_a_preview(artifacts: tuple[Artifact, ...]) -> None:
    assert [(a.role, a.file_name, a.media_type) for a in artifacts] == [
        ("model", "WoodenBarrel.glb", "model/gltf-binary"),
        ("report", "WoodenBarrel.report.json", "application/json"),
        ("preview", "WoodenBarrel.preview.png", "image/png"),
    ]
    assert artifacts[2].content.startswith(b"\x89PNG")


def test_the_glb_keeps_every_budget(artifacts: tuple[Artifact, ...], report: Any) -> None:
    gltf, _ = unpack_glb(artifacts[0].content)
    counts = {}
    for node in gltf["nodes"]:
        if "mesh" in node and "_LOD" in node["name"] and node["name"].startswith("SM_"):
            (primitive,) = gltf["meshes"][node["mesh"]]["primitives"]
            counts[node["name"]] = gltf["accessors"][primitive["indices"]]["count"] // 3
    assert list(counts) == ["SM_WoodenBarrel_LOD0", "SM_WoodenBarrel_LOD1"]
    assert counts["SM_WoodenBarrel_LOD0"] <= 300
    assert counts["SM_WoodenBarrel_LOD1"] <= 80
    assert [lod["triangle_count"] for lod in report["lods"]] == list(counts.values())
    assert report["passed"] is True


def test_a_generated_asset_is_a_metre_long_and_stands_on_the_ground(
    artifacts: tuple[Artifact, ...], report: Any
) -> None:
    assert max(report["size_m"]) == pytest.approx(1.0, abs=1e-3)
    gltf, _ = unpack_glb(artifacts[0].content)
    (primitive,) = gltf["meshes"][0]["primitives"]
    bounds = gltf["accessors"][primitive["attributes"]["POSITION"]]
    # Simplifying moves vertices by about the deviation that the report states.
    slack = report["lods"][0]["deviation_max_m"] + 1e-6
    assert bounds["min"][1] == pytest.approx(0, abs=slack)
    for axis in (0, 2):
        assert bounds["min"][axis] == pytest.approx(-bounds["max"][axis], abs=2 * slack)


def test_the_report_holds_recipe_stages_and_hashes(
    artifacts: tuple[Artifact, ...], report: Any
) -> None:
    model, _, preview = artifacts
    assert report["name"] == "WoodenBarrel"
    assert report["recipe"]["seed"] == 7
    assert report["recipe"]["prompt"] == "a wooden barrel"
    assert report["stages"][0]["stage"] == "slat"
    assert {s["stage"] for s in report["stages"]} == {"slat", *BUILD_STAGES}
    assert report["warnings"][0] == "slat: random weights"
    assert report["outputs"] == {
        artifact.file_name: {
            "sha256": hashlib.sha256(artifact.content).hexdigest(),
            "size_bytes": len(artifact.content),
        }
        for artifact in (model, preview)
    }


def test_building_reports_its_stages_in_order(
    artifacts: tuple[Artifact, ...], build_listener: Listener
) -> None:
    first_calls = list(dict.fromkeys(stage for stage, _ in build_listener.calls))
    assert first_calls == BUILD_STAGES
    assert all(0 <= fraction <= 1 for _, fraction in build_listener.calls)
    assert build_listener.calls[-1] == (Stage.EXPORT, 1.0)
    # Shape as soon as there is one, its LODs and its textures, each before the next work begins.
    shown = [stage for stage, _ in build_listener.previews]
    assert shown == [Stage.REMESH, Stage.SIMPLIFY, Stage.BAKE, Stage.EXPORT]
    assert build_listener.previews[-1][1] == artifacts[2].content
    widths = [PillowImage.open(BytesIO(png)).width for _, png in build_listener.previews[:3]]
    assert widths == [256, 2 * 256, 256]


def test_the_same_surface_gives_the_same_model_and_preview(
    stored: bytes, artifacts: tuple[Artifact, ...]
) -> None:
    again = build(stored, Silent())
    assert again[0].content == artifacts[0].content
    assert again[2].content == artifacts[2].content


@pytest.mark.parametrize("stage", BUILD_STAGES)
def test_building_can_be_stopped_in_every_stage(stored: bytes, stage: Stage) -> None:
    with pytest.raises(Cancelled):
        build(stored, StopAt(stage))


def test_an_upload_keeps_its_size_and_pivot_where_asked() -> None:
    cube = unwrapped_cube(segments=2, side_m=3.0)
    file = GltfFile()
    file.mesh(
        {"POSITION": cube.positions, "NORMAL": cube.normals, "TEXCOORD_0": cube.uvs},
        cube.faces.astype(np.uint32),
    )
    listener = Listener()
    stored = surface_from_glb(file.glb(), 1_000, listener)
    assert [stage for stage, _ in listener.previews] == [Stage.PREPROCESS]
    options = replace(OPTIONS, place=PlaceOptions(pivot="keep"), lod=LodOptions(budgets=(48,)))
    artifacts = build(stored, Silent(), options=options, generated=False, has_size=True)
    assert json.loads(artifacts[1].content)["size_m"] == pytest.approx([3.0, 3.0, 3.0], abs=1e-4)
    gltf, _ = unpack_glb(artifacts[0].content)
    (primitive,) = gltf["meshes"][0]["primitives"]
    bounds = gltf["accessors"][primitive["attributes"]["POSITION"]]
    assert bounds["min"] == pytest.approx([-1.5, 0, -1.5], abs=1e-4)


def test_an_upload_can_be_stopped() -> None:
    file = GltfFile()
    cube = unwrapped_cube()
    file.mesh({"POSITION": cube.positions}, cube.faces.astype(np.uint32))
    with pytest.raises(Cancelled):
        surface_from_glb(file.glb(), 1_000, StopAt(Stage.PREPROCESS))


def test_pictures_are_prepared_at_the_encoders_size(models: Models) -> None:
    sizes = []
    assert isinstance(models.image_encoder, nn.Module)
    watched = models.image_encoder.register_forward_pre_hook(
        lambda module, inputs: sizes.append(tuple(inputs[0].shape))
    )
    generate(GenerateRequest(images=(picture(),), options=OPTIONS), models, Silent())
    watched.remove()
    assert sizes == [(1, 3, PICTURE_PX, PICTURE_PX)]
