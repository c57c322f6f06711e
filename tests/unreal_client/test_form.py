"""Forms, names, what is shown of a job, settings: all without an engine."""

import json
import os
import stat
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from lodsmith import naming
from lodsmith.facts import AssetFacts
from lodsmith.form import BadForm, GenerateForm, budgets_of, from_document, to_document
from lodsmith.schema import CollisionMode, Direction, ExportProfile, JobState, Pivot, StageKind
from lodsmith.settings import (
    BadSettings,
    Settings,
    TokenStore,
    read_settings,
    write_settings,
)
from lodsmith.view import JobView, server_summary, stage_name
from lodsmith.wire import Message

from server.pb import lodsmith_pb2 as pb

DIGEST = Message("Digest", sha256=b"x" * 32, size_bytes=7)
OTHER = Message("Digest", sha256=b"y" * 32, size_bytes=8)
FACTS = AssetFacts("Barrel", 7, DIGEST, [2000, 500], [0.5, 0.1], 3)


def spec_of(form: GenerateForm, *uploads: Message) -> pb.JobSpec:
    """The spec, as the real protobuf reads it."""
    return pb.JobSpec.FromString(form.spec(uploads).to_bytes())


def test_a_prompt_becomes_a_spec() -> None:
    form = GenerateForm(
        name="Barrel", prompt=" a barrel ", seed=5, variants=3, budgets=[900, 300],
        textureSize=1024, height=1.5, pivot="center", collision="hull",
    )  # fmt: skip
    spec = spec_of(form)
    assert (spec.asset_name, spec.prompt, spec.seed, spec.variant_count) == (
        "Barrel", "a barrel", 5, 3,
    )  # fmt: skip
    options = spec.options
    assert list(options.lod.budgets) == [900, 300]
    assert options.unwrap.texture_size == 1024
    assert (options.place.height_m, options.place.pivot) == (1.5, Pivot.CENTER)
    assert options.collision.mode == CollisionMode.HULL
    assert options.export.profile == ExportProfile.UNREAL


def test_what_is_not_given_is_left_to_the_server() -> None:
    spec = spec_of(GenerateForm(prompt="a barrel"))
    options = {field.name for field, _ in spec.options.ListFields()}
    assert options == {"export"}
    assert {field.name for field, _ in spec.ListFields()} == {"prompt", "options"}


def test_pictures_meshes_and_jobs_become_specs() -> None:
    spec = spec_of(GenerateForm(images=["a.png", "b.png"], seed=2), DIGEST, OTHER)
    assert (spec.image.size_bytes, spec.more_images[0].size_bytes, spec.seed) == (7, 8, 2)
    spec = spec_of(GenerateForm(mesh="a.glb", seed=2), DIGEST)
    assert (spec.mesh.size_bytes, spec.seed) == (7, 0)
    spec = spec_of(GenerateForm(job="jobs/1", budgets=[9]))
    assert (spec.WhichOneof("source"), spec.job) == ("job", "jobs/1")


def test_what_the_engine_exports_faces_x() -> None:
    place = spec_of(GenerateForm(staticMesh="/Game/SM_A"), DIGEST).options.place
    assert (place.forward, place.pivot) == (Direction.POSITIVE_X, Pivot.KEEP)
    place = spec_of(GenerateForm(staticMesh="/Game/SM_A", pivot="center"), DIGEST).options.place
    assert place.pivot == Pivot.CENTER


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        (GenerateForm(), "Nothing to start from"),
        (GenerateForm(prompt="  "), "Nothing to start from"),
        (GenerateForm(prompt="a", job="jobs/1"), "Give either a prompt"),
        (GenerateForm(mesh="/no/such.glb"), "no file /no/such.glb"),
        (GenerateForm(mesh=__file__), "is no GLB"),
        (GenerateForm(prompt="a", pivot="top"), 'pivot must be one of .* got "top"'),
        (GenerateForm(prompt="a", collision="none "), "collision must be one of"),
        (GenerateForm(prompt="a", replaces="/Game/A", variants=2), "Only one variant"),
        (GenerateForm(prompt="a", folder="Props"), "folder must begin with /Game/"),
        (GenerateForm(prompt="a", folder="/Game/a b"), "folder may only have"),
        (GenerateForm(prompt="a", folder="/Game/{sed}"), r"no token \{sed\}; there are \{name\}"),
        (GenerateForm(prompt="a", fileName="a/b"), "fileName may only have"),
    ],
)
def test_problems_say_the_way_out(form: GenerateForm, problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(form.problem())


def test_a_good_form_has_no_problem() -> None:
    assert GenerateForm(prompt="a", folder="/Game/{name}/x", fileName="{seed}").problem() == ""


def test_half_of_an_asset_keeps_what_was_asked() -> None:
    form = GenerateForm(
        prompt="a", name="A", seed=9, budgets=[9], textureSize=512, height=2, pivot="center",
        folder="/Game/X", place=True,
    )  # fmt: skip
    half = form.at_half("jobs/1", [2000, 9, 6])
    assert half == GenerateForm(job="jobs/1", budgets=[1000, 4], folder="/Game/X", place=True)


def test_recipes_are_manifests() -> None:
    form = GenerateForm(prompt="a", budgets=[5, 4], height=2.5, nanite=True)
    document = json.loads(json.dumps(to_document(form)))
    assert document == {"prompt": "a", "budgets": [5, 4], "height": 2.5, "nanite": True}
    assert from_document(document) == form
    assert from_document({"prompt": "a", "height": 2}).height == 2


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "an asset must be an object"),
        ({"promt": "a"}, "there is no promt; keys are name, prompt"),
        ({"prompt": 3}, "prompt must be like ''"),
        ({"seed": True}, "seed must be like 0"),
        ({"budgets": [1.5]}, "budgets must be like"),
        ({"budgets": "1, 2"}, "budgets must be like"),
        ({"images": [1]}, "images must be like"),
        ({"height": "2"}, "height must be like 0.0"),
        ({"place": 1}, "place must be like False"),
    ],
)
def test_what_is_no_form_is_named(document: object, message: str) -> None:
    with pytest.raises(BadForm, match=message):
        from_document(document)


def test_budgets_are_read() -> None:
    assert budgets_of("") == budgets_of("  ") == []
    assert budgets_of("20 000, 10000,4000") == [20000, 10000, 4000]
    for text in ("a", "1,,2", "-1", "1.5", "\u0661"):
        with pytest.raises(BadForm, match="LOD triangles must be like"):
            budgets_of(text)


def test_tokens_are_replaced() -> None:
    now = datetime(2026, 11, 29, 9, 5, 7)
    pattern = "/Game/{name}/{seed}_{lod0}/{date}_{time}"
    assert naming.expand(pattern, FACTS, now) == "/Game/Barrel/7_2000/2026-11-29_090507"


def test_assets_are_renamed_by_the_scheme() -> None:
    names = ["SM_Barrel_LOD0", "M_Barrel", "T_Barrel_BC", "T_Barrel_ORM", "Other"]
    renamed = [naming.renamed(name, FACTS, "Tun") for name in names]
    assert renamed == ["SM_Tun", "M_Tun", "T_Tun_BC", "T_Tun_ORM", "Tun_Other"]
    assert all(naming.is_of(name, "Tun") for name in renamed)
    assert not any(naming.is_of(name, "Tu") for name in renamed)


def test_names_are_made_unique() -> None:
    assert naming.unique("A", lambda name: name not in ("A", "A_2")) == "A_3"


def event(**kind: object) -> Message:
    return Message("JobEvent", sequence=1, **kind)


def progress(stage: int, fraction: float, state: int, **fields: object) -> Message:
    return event(
        progress=Message("StageProgress", stage=stage, fraction=fraction, state=state, **fields)
    )


def test_events_become_what_is_shown() -> None:
    view = JobView()
    queued = Message("Job", state=JobState.QUEUED, queue_position=2)
    assert view.apply(event(snapshot=queued)) is None
    assert view.status == "waits, 2 before it"
    view.apply(event(heartbeat=Message("Heartbeat", queue_position=0)))
    assert view.status == "waits, is next"
    left = Message("Duration", seconds=12, nanos=300_000_000)
    view.apply(progress(StageKind.SPARSE_STRUCTURE, 0.5, 1, job_fraction=0.2,
                        estimated_remaining=left))  # fmt: skip
    assert (view.status, view.step) == ("sparse structure 50%, 13 s left", "sparse structure")
    assert (view.fraction, view.queue_position) == (0.2, None)
    view.apply(progress(StageKind.SPARSE_STRUCTURE, 1.0, 2, job_fraction=0.4))
    assert view.status == "runs"
    view.apply(event(preview=Message("Preview", stage=StageKind.DECODE, image=DIGEST)))
    assert view.stages[1].preview is DIGEST
    view.apply(event(warning=Message("JobWarning", message="poor")))
    assert view.warnings == ["poor"]
    view.apply(event(state=JobState.CANCELLING))
    assert view.status == "stops"
    done = Message("Job", state=JobState.SUCCEEDED, stages=[
        Message("StageStatus", stage=StageKind.DECODE, fraction=1.0, preview=OTHER)
    ])  # fmt: skip
    assert view.apply(event(finished=done)) is OTHER
    assert [row.label for row in view.stages] == ["decode"]


def test_events_of_later_servers_are_skipped() -> None:
    view = JobView()
    view.apply(Message.parse("JobEvent", bytes.fromhex("0807fa060178")))
    view.apply(progress(99, 0.5, 99))
    assert view.stages[0].label == "99"


def test_stages_have_the_words_of_the_command() -> None:
    from server.cli.display import stage_name as of_command

    for stage in StageKind:
        if stage:
            assert stage_name(stage).lower() == of_command(stage)
    assert stage_name(StageKind.SLAT) == "SLAT"


def test_a_server_is_told_in_a_line() -> None:
    info = pb.GetServerInfoResponse(
        version="1.2", queued_job_count=3, running_job_count=1,
        models=[pb.Model(name="starter")], workers=[pb.Worker(device="cpu, 2 threads")],
    )  # fmt: skip
    read = Message.parse("GetServerInfoResponse", info.SerializeToString())
    assert server_summary(read) == ("Lodsmith 1.2, starter on cpu, 2 threads, 3 waiting, 1 running")
    info.models[0].problem = "no files"
    read = Message.parse("GetServerInfoResponse", info.SerializeToString())
    assert server_summary(read).endswith("1 running. Problem: no files")


def test_settings_come_back(tmp_path: Path) -> None:
    path = tmp_path / "Config" / "Lodsmith.json"
    assert read_settings(path) == Settings()
    settings = replace(Settings(), server="http://10.0.0.1:1", presets={"a": {"budgets": [9]}})
    write_settings(path, settings)
    assert read_settings(path) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ('{"port": 1}', "cannot be read"),
        ('{"server": 1}', "server must be like"),
        ('{"folder": "Props"}', "folder must begin with /Game/"),
        ('{"fileName": "{x}"}', "no token {x}"),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "Lodsmith.json"
    path.write_text(text)
    with pytest.raises(BadSettings, match=message):
        read_settings(path)


def test_tokens_are_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LODSMITH_TOKEN", raising=False)
    path = tmp_path / "home" / "tokens.json"
    store = TokenStore(path)
    assert store.read("http://a") == ""
    store.write("http://a", "secret")
    store.write("http://b", "other")
    assert (store.read("http://a"), store.read("http://b")) == ("secret", "other")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    store.write("http://a", "")
    assert "secret" not in path.read_text()
    monkeypatch.setenv("LODSMITH_TOKEN", "of the environment")
    assert store.read("http://b") == "of the environment"
