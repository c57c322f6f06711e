"""The main job with everything real: starter weights, worker processes, gRPC, the command."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from pygltflib import GLTF2

from pipeline.read_glb import read_glb
from pipeline.types import Silent

BUDGETS = [3000, 1000, 300]
SMALL = ["--lods", ",".join(map(str, BUDGETS)), "--texture-size", "512"]


def lodsmith(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lodsmith")
    return subprocess.run(
        [str(command), *arguments], capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, object]]]:
    """The folder and the events of one generated asset."""
    out = tmp_path_factory.mktemp("out")
    run = lodsmith(
        "generate", "a wooden barrel", "--out", str(out), "--seed", "1", "--json", *SMALL
    )
    assert run.returncode == 0, run.stderr
    return out, [json.loads(line) for line in run.stdout.splitlines()]


def only(folder: Path, ending: str) -> Path:
    (path,) = folder.glob(f"*{ending}")
    return path


def test_leaves_three_files_and_nothing_else(made: tuple[Path, object]) -> None:
    names = sorted(path.name for path in made[0].iterdir())
    stem = names[0].removesuffix(".glb")
    assert names == [f"{stem}.glb", f"{stem}.preview.png", f"{stem}.report.json"]


def test_no_lod_is_over_its_budget(made: tuple[Path, object]) -> None:
    """Counted by a second library from the file itself."""
    glb = GLTF2.load(str(only(made[0], ".glb")))
    lods = [m for m in glb.meshes if m.name.startswith("SM_")]
    counts = [glb.accessors[m.primitives[0].indices].count // 3 for m in lods]
    assert len(counts) == len(BUDGETS)
    assert all(count <= budget for count, budget in zip(counts, BUDGETS, strict=True))
    assert all(m.name.endswith(f"_LOD{i}") for i, m in enumerate(lods))
    report = json.loads(only(made[0], ".report.json").read_text())
    assert [lod["triangle_count"] for lod in report["lods"]] == counts


def test_has_one_material_with_color_and_normals(made: tuple[Path, object]) -> None:
    surface = read_glb(only(made[0], ".glb").read_bytes(), Silent())
    (material,) = surface.materials
    assert material.base_color is not None
    assert material.base_color.pixels.shape[:2] == (512, 512)
    assert material.normal is not None
    assert material.metallic_factor == 0


def test_report_names_what_made_the_asset(made: tuple[Path, object]) -> None:
    report = json.loads(only(made[0], ".report.json").read_text())
    recipe = report["recipe"]
    assert recipe["prompt"] == "a wooden barrel"
    assert recipe["seed"] == 1
    assert recipe["model"]["name"] == "lodsmith-starter"
    assert recipe["options"]["lod"]["budgets"] == BUDGETS
    assert recipe["options"]["repair"]["weld_distance_ratio"] is not None
    assert report["passed"] is True
    stages = [entry["stage"] for entry in report["stages"]]
    assert stages[0] == "preprocess"
    assert stages[-1] == "export"
    assert all(entry["peak_memory_bytes"] > 0 for entry in report["stages"])
    glb = only(made[0], ".glb")
    digest = hashlib.sha256(glb.read_bytes()).hexdigest()
    assert report["outputs"][glb.name]["sha256"] == digest


def test_preview_shows_every_lod(made: tuple[Path, object]) -> None:
    with Image.open(only(made[0], ".preview.png")) as preview:
        assert preview.width >= 3 * preview.height / 3
        assert len(preview.convert("RGB").getcolors(1 << 24) or []) > 1000


def test_every_event_is_json_and_the_last_is_success(
    made: tuple[Path, list[dict[str, object]]],
) -> None:
    events = made[1]
    assert len(events) > 10
    assert "SUCCEEDED" in json.dumps(events[-1]) or "SUCCEEDED" in json.dumps(events[-2])


def test_second_run_gives_the_same_bytes(made: tuple[Path, object], tmp_path: Path) -> None:
    run = lodsmith("generate", "a wooden barrel", "--out", str(tmp_path), "--seed", "1", *SMALL)
    assert run.returncode == 0, run.stderr
    assert only(tmp_path, ".glb").read_bytes() == only(made[0], ".glb").read_bytes()


def test_own_glb_goes_through_lod_export(made: tuple[Path, object], tmp_path: Path) -> None:
    glb = only(made[0], ".glb")
    run = lodsmith(
        "lod", str(glb), "--out", str(tmp_path), "--lods", "500", "--texture-size", "256"
    )
    assert run.returncode == 0, run.stderr
    report = json.loads(only(tmp_path, ".report.json").read_text())
    assert report["lods"][0]["triangle_count"] <= 500
