"""The farm's script on the fake engine: manifests, JSON lines, exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lodsmith import manifest
from lodsmith.form import GenerateForm, to_document
from lodsmith.manifest import BadManifest, read_manifest

from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer
from tests.server.transport.conftest import free_port
from tests.unreal_client.conftest import FAKE, PYTHON, ROOT, Made, address_of
from tests.unreal_client.test_jobs import StartServer, asset, glb  # noqa: F401  # a fixture


class Farm:
    """`farm.py` in a process of its own, as the engine's commandlet runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "lines.jsonl"
        self.project = folder / "project"

    def command(self, document: Any) -> list[str]:
        path = self.folder / "manifest.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        script = str(PYTHON / "lodsmith" / "farm.py")
        return [sys.executable, script, "--manifest", str(path), "--out", str(self.out)]

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(FAKE),  # the script finds the plugin by itself
            "UNREAL_FAKE_PROJECT": str(self.project),
            "HOME": str(self.folder),
        }

    def run(self, document: Any, timeout_s: float = 120.0) -> int:
        return subprocess.run(
            self.command(document), env=self.environment(), cwd=self.folder, timeout=timeout_s
        ).returncode

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def assets(self) -> set[str]:
        content = self.project / "Content"
        return {path.stem for path in content.rglob("*") if path.is_file()}


@pytest.fixture
def farm(tmp_path: Path) -> Farm:
    return Farm(tmp_path)


def test_a_manifest_is_made(farm: Farm, glb_server: StartServer, glb: str) -> None:  # noqa: F811
    with glb_server() as peer:
        assets = [
            {"name": "Steps5", "mesh": glb, "folder": "/Game/Farm/{name}"},
            {"name": "Steps6", "mesh": glb, "fileName": "{name}_Low", "nanite": True},
        ]
        assert farm.run({"server": address_of(peer), "assets": assets}) == 0
    assert farm.assets() == asset("Steps5") | asset("Steps6_Low")
    lines = farm.lines()
    assert {line["asset"] for line in lines} == {0, 1}
    states = list(dict.fromkeys(line["state"] for line in lines if line["asset"] == 0))
    order = ["pending", "creating", "running", "downloading", "importing", "imported"]
    assert [one for one in order if one in states] == states
    last = [line for line in lines if line["asset"] == 0][-1]
    assert last["meshes"] == ["/Game/Farm/Steps5/SM_Steps5"]
    assert (last["state"], last["fraction"], last["warnings"]) == ("imported", 1.0, [])


def test_a_job_that_fails_is_one(farm: Farm, glb_server: StartServer, glb: str) -> None:  # noqa: F811
    with glb_server() as peer:
        assets = [{"prompt": "fail barrel"}, {"name": "Steps1", "mesh": glb}]
        assert farm.run({"server": address_of(peer), "assets": assets}) == 1
    assert farm.assets() == asset("Steps1")
    failed = [line for line in farm.lines() if line["asset"] == 0][-1]
    assert failed["state"] == "failed"
    assert "[sparse structure, INVALID_INPUT]" in failed["message"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "cannot be read"),
        ([], "must be like"),
        ({"assets": []}, "names no assets"),
        ({"assets": [{"prompt": "a"}], "sever": "x"}, "there is no sever"),
        ({"assets": [{"promt": "a"}]}, "assets[0]: there is no promt"),
        ({"assets": [{"prompt": "a"}, {}]}, "assets[1]: Nothing to start from"),
        ({"server": "nonsense", "assets": [{"prompt": "a"}]}, "a server's address is like"),
    ],
)
def test_a_wrong_manifest_is_two(farm: Farm, document: Any, message: str) -> None:
    assert farm.run(document) == 2
    (line,) = farm.lines()
    assert (line["asset"], line["state"]) == (-1, "refused")
    assert message in line["message"]


def test_wrong_usage_is_two(farm: Farm) -> None:
    command = farm.command({})[:2]
    result = subprocess.run(command, env=farm.environment(), capture_output=True)
    assert result.returncode == 2


def test_no_server_is_three(farm: Farm) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    assert farm.run({"server": address, "assets": [{"prompt": "a"}]}) == 3
    assert "there is no server" in farm.lines()[0]["message"]


def test_a_run_that_was_cut_is_gone_on_with(
    farm: Farm,
    glb_server: StartServer,
    glb: str,  # noqa: F811
) -> None:
    with glb_server() as peer:
        document = {"server": address_of(peer), "assets": [{"name": "Steps200", "mesh": glb}]}
        with subprocess.Popen(farm.command(document), env=farm.environment()) as process:
            while not farm.out.exists() or '"running"' not in farm.out.read_text():
                assert process.poll() is None
            process.kill()
        assert farm.run(document) == 0
        jobs = peer.jobs.ListJobs(pb.ListJobsRequest()).jobs
        assert len(jobs) == 1
    assert farm.assets() == asset("Steps200")


def test_meshes_of_the_project_get_lods(farm: Farm, pipeline_server: Peer, made: Made) -> None:
    """Two runs: the first imports, the second exports what it finds and sets its LODs."""
    source = farm.folder / "cone.glb"
    source.write_bytes(made.glb)
    server = address_of(pipeline_server)
    sizes = {"budgets": [12], "textureSize": 64}
    first = {"name": "Box", "mesh": str(source), "budgets": [200, 100], "textureSize": 64}
    assert farm.run({"server": server, "assets": [first]}) == 0
    mesh = "/Game/Lodsmith/Box/SM_Box"
    again = {"staticMesh": mesh, "replaces": mesh, **sizes}
    assert farm.run({"server": server, "assets": [again]}) == 0
    saved = json.loads((farm.project / "Content/Game/Lodsmith/Box/SM_Box.uasset").read_text())
    assert [lod["triangles"] for lod in saved["lods"]] == [12]


def test_the_manifest_is_that_of_the_unity_client() -> None:
    """Field by field: what `JsonUtility` reads there is read here."""
    form = ROOT / "unity_client" / "Editor" / "GenerateForm.cs"
    text = form.read_text().partition("public static readonly")[0]
    keys = re.findall(r"^        public [\w\[\]]+ (\w+)(?: = .*)?;", text, re.MULTILINE)
    ours = set(vars(GenerateForm()))
    assert set(keys) <= ours
    assert ours - set(keys) == {"staticMesh", "nanite"}
    assert to_document(GenerateForm()) == {}


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match=r"nothing\.json cannot be read"):
        read_manifest(tmp_path / "nothing.json")
    assert manifest.EXIT_BAD_INPUT == 2
