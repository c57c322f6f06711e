"""The `lodsmith` command: its exit codes, its output, and what it leaves behind."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from server.cli.commands import app
from server.config import ServerConfig
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer

RUN = [sys.executable, "-c", "from server.cli import main; main()"]


def lodsmith(*arguments: str | Path):  # type: ignore[no-untyped-def]  # click's own result type
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def environment(config: ServerConfig) -> dict[str, str]:
    return os.environ | {
        "LODSMITH_MODELS": config.models[0],
        "LODSMITH_PIPELINE": config.pipeline,
        "LODSMITH_DEVICE": "cpu",
        "LODSMITH_MIN_FREE_DISK_BYTES": "0",
        "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path),
    }


def test_generate_leaves_the_three_files(server: Peer, tmp_path: Path) -> None:
    result = lodsmith("generate", "a wooden barrel", "-o", tmp_path, "--server", server.address)
    assert result.exit_code == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "WoodenBarrel.glb",
        "WoodenBarrel.preview.png",
        "WoodenBarrel.report.json",
    ]
    assert "LOD3" in result.stdout
    assert "succeeded" not in result.stderr
    assert "export (" in result.stderr  # progress, as lines, away from stdout


def test_options_reach_the_job(server: Peer, tmp_path: Path) -> None:
    result = lodsmith(
        "generate", "a chair", "-o", tmp_path, "--server", server.address, "--name", "My seat",
        "--seed", "5", "--lods", "900,30", "--texture-size", "512", "--profile", "unreal",
        "--collision", "hull", "--height", "1.5", "--remesh", "watertight", "--ambient-occlusion",
        "--quiet",
    )  # fmt: skip
    assert (result.exit_code, result.output) == (0, "")
    spec = server.jobs.ListJobs(pb.ListJobsRequest(page_size=1)).jobs[0].spec
    assert (spec.asset_name, spec.seed) == ("MySeat", 5)
    assert list(spec.options.lod.budgets) == [900, 30]
    assert spec.options.unwrap.texture_size == 512
    assert spec.options.export.profile == pb.EXPORT_PROFILE_UNREAL
    assert spec.options.collision.mode == pb.COLLISION_MODE_HULL
    assert spec.options.place.height_m == 1.5
    assert spec.options.remesh.mode == pb.REMESH_MODE_WATERTIGHT
    assert spec.options.bake.ambient_occlusion


def test_reexport_goes_on_from_a_job_that_was_kept(server: Peer, tmp_path: Path) -> None:
    first = lodsmith("generate", "a chair", "-o", tmp_path / "1", "--server", server.address)
    hint = first.stdout.splitlines()[-1]
    job = hint.removeprefix("again with other options: lodsmith reexport ").split()[0]
    again = lodsmith(
        "reexport", job, "-o", tmp_path / "2", "--server", server.address, "--lods", "900,30"
    )
    assert again.exit_code == 0
    assert "LOD1" in again.stdout
    assert "LOD2" not in again.stdout
    assert (tmp_path / "2" / "Chair.glb").exists()


def test_reexport_needs_to_know_where_the_job_is(tmp_path: Path) -> None:
    result = lodsmith("reexport", "jobs/1", "-o", tmp_path)
    assert result.exit_code == 2
    assert "--data-dir" in result.output


def test_options_of_the_generator_reach_the_job(server: Peer, tmp_path: Path) -> None:
    files = {}
    for name in ("front.png", "side.png", "crate.glb", "studio.safetensors"):
        files[name] = tmp_path / name
        files[name].write_text(name)
    result = lodsmith(
        "generate", "--image", files["front.png"], "--image", files["side.png"],
        "-o", tmp_path / "out", "--server", server.address, "--seed", "3", "--variants", "2",
        "--formats", "gaussian,mesh", "--shape", files["crate.glb"], "--multi-image",
        "multidiffusion", "--model", "fake", "--lora", files["studio.safetensors"],
        "--lora-strength", "0.5", "--structure", "steps=12,guidance=7.5",
        "--slat", "interval=0.5:0.95,rescale=2,guidance=0", "--negative", "rust",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    spec = server.jobs.ListJobs(pb.ListJobsRequest(page_size=1)).jobs[0].spec
    assert (spec.seed, spec.variant_count, spec.model) == (3, 2, "fake")
    assert spec.WhichOneof("source") == "image"
    assert len(spec.more_images) == 1
    assert spec.more_images[0].sha256 != spec.image.sha256
    assert spec.HasField("shape")
    assert spec.HasField("adapter")
    assert spec.adapter_strength == 0.5
    assert list(spec.options.decode.formats) == [pb.FORMAT_GAUSSIAN, pb.FORMAT_MESH]
    assert spec.options.condition.multi_image == pb.MULTI_IMAGE_MULTIDIFFUSION
    assert spec.options.condition.negative_prompt == "rust"
    structure, slat = spec.options.sparse_structure, spec.options.slat
    assert (structure.steps, structure.guidance_strength) == (12, 7.5)
    assert not structure.HasField("rescale_t")
    assert (slat.guidance_interval.low, slat.guidance_interval.high) == (0.5, 0.95)
    assert (slat.rescale_t, slat.guidance_strength) == (2.0, 0.0)
    assert "seed 3" in result.stdout
    assert "seed 4" in result.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"FrontV1.glb", "FrontV2.glb", "FrontV1.report.json"} <= names


def test_json_prints_one_object_per_event(server: Peer, tmp_path: Path) -> None:
    mesh = tmp_path / "crate.glb"
    mesh.write_bytes(b"a crate")
    result = lodsmith("lod", mesh, "-o", tmp_path / "out", "--server", server.address, "--json")
    assert result.exit_code == 0
    *events, files = [json.loads(line) for line in result.stdout.splitlines()]
    assert "snapshot" in events[0]
    assert events[-1]["finished"]["state"] == "JOB_STATE_SUCCEEDED"
    assert Path(files["files"][0]).name == "Crate.glb"


@pytest.fixture
def broken_glb(tmp_path: Path) -> Path:
    path = tmp_path / "broken.glb"
    path.write_bytes(b"fail because it is cut short")
    return path


BAD = {
    "empty prompt": (["generate", ""], 2, "spec.prompt is empty"),
    "long prompt": (["generate", "x" * 10_000], 2, "at most 1,000 characters, got 10,000"),
    "prompt and picture": (["generate", "a chair", "--image", __file__], 2, "not both"),
    "no such picture": (["generate", "--image", "no.png"], 2, "no.png"),
    "no such mesh": (["lod", "no.glb"], 2, "no.glb"),
    "folder as mesh": (["lod", "."], 2, "is a directory"),
    "unknown profile": (["generate", "a", "--profile", "cryengine"], 2, "godot"),
    "rising budgets": (["generate", "a", "--lods", "10,20"], 2, "fall from LOD to LOD"),
    "budgets that are no numbers": (["generate", "a", "--lods", "many"], 2, "whole numbers"),
    "budget out of any range": (["generate", "a", "--lods", "99999999999"], 2, "out of any range"),
    "texture size": (["generate", "a", "--texture-size", "1000"], 2, "power of two"),
    "negative seed": (["generate", "a", "--seed", "-1"], 2, "--seed"),
    "seed too large": (["generate", "a", "--seed", str(2**63)], 2, "2^63"),
    "unknown format": (["generate", "a", "--formats", "voxels"], 2, "got 'voxels'"),
    "format named twice": (["generate", "a", "--formats", "mesh,mesh"], 2, "each one once"),
    "sampler without value": (["generate", "a", "--slat", "steps"], 2, "--slat must be like"),
    "sampler of no kind": (["generate", "a", "--structure", "speed=1"], 2, "got 'speed=1'"),
    "too many variants": (["generate", "a", "--variants", "99"], 2, "variant_count must be in"),
    "strength without adapter": (["generate", "a", "--lora-strength", "1"], 2, "needs --lora"),
    "height": (["generate", "a", "--height", "-1"], 2, "height_m must be"),
    "remote host": (["serve", "--host", "0.0.0.0"], 2, "--insecure-allow-remote"),
    "unknown option": (["generate", "a", "--colour", "red"], 2, "--colour"),
    "models of another server": (["generate", "a", "--models", "."], 2, "--models"),
    "job that fails on bad input": (["generate", "fail"], 2, "sparse structure failed"),
    "job that fails": (["generate", "bug"], 1, "[INTERNAL]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error(server: Peer, tmp_path: Path, case: str) -> None:
    arguments, code, message = BAD[case]
    out = tmp_path / "out"
    if arguments[0] != "serve":
        arguments = [*arguments, "-o", str(out), "--server", server.address]
    result = lodsmith(*arguments)
    assert result.exit_code == code, result.output
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert not out.exists()


def test_a_broken_mesh_names_the_stage(server: Peer, broken_glb: Path, tmp_path: Path) -> None:
    result = lodsmith("lod", broken_glb, "-o", tmp_path / "out", "--server", server.address)
    assert result.exit_code == 2
    assert "preprocess failed" in result.stderr
    assert "[INVALID_INPUT]" in result.stderr


def test_a_large_file_is_refused_before_it_is_read(server: Peer, tmp_path: Path) -> None:
    huge = tmp_path / "huge.glb"
    with huge.open("wb") as file:
        file.truncate(5 << 30)  # a hole: takes no disk, and would take seconds to hash
    result = lodsmith("lod", huge, "--server", server.address)
    assert result.exit_code == 2
    assert "5,368,709,120 bytes; the server takes at most 1,073,741,824" in result.stderr


def test_an_absent_server_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.cli.connection._PATIENCE_S", 0.1)
    arguments = ["generate", "a chair", "-o", str(tmp_path), "--server", "127.0.0.1:1"]
    result = lodsmith(*arguments)
    assert result.exit_code == 1
    assert "there is no server at 127.0.0.1:1" in result.stderr


def test_an_out_folder_that_cannot_be_made_is_an_error(server: Peer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = lodsmith(
        "generate", "a chair", "-o", tmp_path / "file" / "out", "--server", server.address
    )
    assert result.exit_code == 1
    assert "choose another folder with --out" in result.stderr


def test_a_command_brings_its_own_server(config: ServerConfig, tmp_path: Path) -> None:
    mesh = tmp_path / "crate.glb"
    mesh.write_bytes(b"a crate")
    result = subprocess.run(
        [*RUN, "lod", str(mesh), "-o", str(tmp_path / "out")],
        env=environment(config) | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (result.returncode, result.stderr.count("Traceback")) == (0, 0), result.stderr
    assert (tmp_path / "out" / "Crate.glb").exists()
    assert not list(tmp_path.glob("lodsmith-*"))  # its folder went with it


def test_a_folder_of_the_user_s_is_not_taken_for_ours(config: ServerConfig, tmp_path: Path) -> None:
    for name in ("server", "pipeline"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not ours')")
    mesh = tmp_path / "crate.glb"
    mesh.write_bytes(b"a crate")
    paths = [path for path in sys.path if path] + [str(Path(__file__).parents[2])]
    result = subprocess.run(
        [sys.executable, "-P", *RUN[1:], "lod", str(mesh), "-o", str(tmp_path / "out")],
        env=environment(config) | {"PYTHONPATH": os.pathsep.join(paths)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_a_command_that_is_ended_leaves_nothing_behind(
    config: ServerConfig, tmp_path: Path
) -> None:
    mesh = tmp_path / "slow.glb"
    mesh.write_bytes(b"slow crate")
    command = subprocess.Popen(
        [*RUN, "lod", mesh, "-o", tmp_path / "out", "--json"],
        env=environment(config) | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    for line in command.stdout:
        if "PREPROCESS" in line:
            break
    command.send_signal(signal.SIGTERM)
    _, errors = command.communicate(timeout=20)
    assert (command.returncode, errors) == (130, "lodsmith: interrupted\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["slow.glb"]


def test_ctrl_c_cancels_the_job_and_exits_130(server: Peer, tmp_path: Path) -> None:
    command = subprocess.Popen(
        [
            *RUN,
            "generate",
            "slow chair",
            "-o",
            tmp_path / "out",
            "--json",
            "--server",
            server.address,
        ],
        env=environment(server.config),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background of a script hands on SIGINT as ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert command.stdout is not None
    for line in command.stdout:
        if "SPARSE_STRUCTURE" in line:
            break
    name = server.jobs.ListJobs(pb.ListJobsRequest(page_size=1)).jobs[0].name
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=20)
    assert command.returncode == 130
    assert "Traceback" not in errors
    job = server.jobs.GetJob(pb.GetJobRequest(name=name)).job
    assert job.state == pb.JOB_STATE_CANCELLED
    assert not (tmp_path / "out").exists()


def test_doctor_finds_everything_or_says_what_is_missing(
    config: ServerConfig, server: Peer, tmp_path: Path
) -> None:
    result = lodsmith("doctor", "--server", server.address, "--json")
    document = json.loads(result.stdout)
    missing = [p for p in document["problems"] if "is not installed" not in p]
    assert missing == []
    assert document["model"]["digest"] == "00" * 32
    broken = subprocess.run(
        [*RUN, "doctor", "--models", str(tmp_path / "nowhere")],
        env=environment(config),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert broken.returncode == 1
    assert f"missing      there is no model '{tmp_path / 'nowhere'}'" in broken.stdout
    for limit in ("project 2,000 watches", "1,000 calls at once", "16 calls of /v1/infer"):
        assert limit in broken.stdout


def test_help_is_instant(config: ServerConfig) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = (
        "import sys; sys.argv = ['lodsmith', '--help']\n"
        "from server.cli import main\n"
        "try: main()\n"
        "finally: print(sorted({'grpc', 'numpy', 'torch', 'rich', 'asyncio'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(config),
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.stdout.splitlines()[-1] == "[]"
    for command in ("serve", "generate", "lod", "doctor"):
        assert command in result.stdout
    # CPU time: the machine may be busy with something else.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3
