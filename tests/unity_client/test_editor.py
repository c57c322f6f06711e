"""The Unity client's editor part, on a behaving fake of Unity, against live servers.

Nothing here runs in Unity. What the fake stands for is listed in `Headless~/MEMBERS.md`.
"""

import json
import math
import os
import random
import re
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from server.config import ServerConfig
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer, serving
from tests.server.transport.conftest import http_port_of
from tests.unity_client.conftest import CORE, ROOT, compile_csharp, needs_mono, sources_in

UNITY = ROOT / "unity_client"
EDITOR = UNITY / "Editor"
HEADLESS = UNITY / "Headless~"
TESTS = UNITY / "Tests" / "Editor"
FORM = EDITOR / "GenerateForm.cs"
RELOAD_TRIES = int(os.environ.get("TESTS_RELOAD_TRIES", "12"))

IMPORTED, FAILED, CANCELLED = 5, 6, 7  # of `RecordState`

# Members that code uses without their name: of delegates, and an attribute's own.
IMPLIED = frozenset({"Invoke", "TooltipAttribute"})

Json = dict[str, Any]  # records and prefabs are free-form here


@dataclass(frozen=True, kw_only=True)
class Programs:
    """What mcs made."""

    folder: Path

    @property
    def headless(self) -> Path:
        """The simulated editor."""
        return self.folder / "headless.exe"

    @property
    def editor(self) -> Path:
        """The package's editor part."""
        return self.folder / "Lodsmith.Editor.dll"

    @property
    def tests(self) -> Path:
        """Its EditMode tests, and what drives sessions."""
        return self.folder / "Lodsmith.Editor.Tests.dll"

    def run(
        self, project: Path, *arguments: str | Path, timeout_s: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the simulated editor in a project."""
        return subprocess.run(
            ["mono", "--debug", str(self.headless), *map(str, arguments)],
            cwd=project,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment of a simulated editor."""
        return {**os.environ, "LODSMITH_PACKAGE": str(UNITY), **changes}


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The core, the fake, the editor part, its tests and the runner, compiled."""
    needs_mono()
    folder = tmp_path_factory.mktemp("editor")
    core, fake = folder / "Lodsmith.Core.dll", folder / "UnityFake.dll"
    library = "-target:library"
    net = ["-r:System.Core.dll", "-r:System.Xml.dll"]
    compile_csharp(core, sources_in(CORE), library)
    # Fields and events that only Unity itself reads.
    compile_csharp(
        fake, sources_in(HEADLESS / "Fake"), library, *net, "-nowarn:0649,0414,0067,0108"
    )
    made = Programs(folder=folder)
    seen = [library, *net, f"-r:{core}", f"-r:{fake}"]
    compile_csharp(made.editor, sources_in(EDITOR), *seen, "-nowarn:0649")
    compile_csharp(made.tests, sources_in(TESTS, HEADLESS / "Scripts"), *seen, f"-r:{made.editor}")
    compile_csharp(made.headless, sources_in(HEADLESS / "Runner"), *net, f"-r:{fake}")
    return made


@pytest.fixture(scope="session")
def scripted_config(server_config: ServerConfig, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Servers here make cubes, as they are told."""
    return replace(
        server_config,
        pipeline="tests.unity_client.scripted_pipeline",
        data_dir=tmp_path_factory.mktemp("scripted"),
    )


@pytest.fixture(scope="session")
def scripted(scripted_config: ServerConfig) -> Iterator[Peer]:
    """One server that makes cubes."""
    with serving(scripted_config) as peer:
        yield peer


def address_of(peer: Peer) -> str:
    """The address that a designer types."""
    return f"http://127.0.0.1:{http_port_of(peer)}"


class Editor:
    """A simulated editor that is told what to do."""

    def __init__(self, programs: Programs, project: Path, **environment: str) -> None:
        project.mkdir(exist_ok=True)
        self.project = project
        self._programs = programs
        self._environment = environment
        self.open()

    def open(self) -> None:
        """Start the editor."""
        programs = self._programs
        self._process = subprocess.Popen(
            ["mono", programs.headless, "session", programs.editor, programs.tests],
            cwd=self.project,
            env=programs.environment(**self._environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, *words: str | int) -> str:
        """Give a command and return its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\t".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().rstrip("\n")
        if not answer:
            raise EOFError("the editor is gone")
        assert answer.startswith("="), answer
        return answer[2:]

    def submit(self, **form: object) -> str:
        """Ask for an asset; returns the record's id."""
        return self.do("call", "Submit", json.dumps(form))

    def finished(self, record: str, timeout_s: float = 60) -> Json:
        """Run the editor's loop until nothing is left to do, and return a record."""
        assert self.do("until", int(1000 * timeout_s), "HasEnded") == "done", self.record(record)
        return self.record(record)

    def record(self, record: str) -> Json:
        """A record as it is."""
        return json.loads(self.do("call", "Record", record))

    def log(self, prefix: str) -> list[str]:
        """What happened in this process and begins so."""
        text = self.do("log", prefix)
        return text.split("\t") if text else []

    def files(self, folder: str = "Assets") -> list[str]:
        """All files and folders that the project's folder has, without metas."""
        found = (self.project / folder).rglob("*")
        return sorted(str(one.relative_to(self.project)) for one in found if one.suffix != ".meta")

    def prefab(self, path: str) -> Json:
        """A saved prefab."""
        return json.loads((self.project / path).read_text())

    def restart(self) -> None:
        """Kill the process as a crash does, and start the editor again."""
        self._process.send_signal(signal.SIGKILL)
        self.has_died()

    def has_died(self) -> None:
        """Wait for the end of a process that was killed, and start the editor again."""
        self._process.wait(timeout=30)
        self.open()

    def close(self) -> None:
        """End the editor."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


OpenEditor = Callable[..., AbstractContextManager[Editor]]


@pytest.fixture
def open_editor(programs: Programs, tmp_path: Path) -> OpenEditor:
    """Open a simulated editor on a new project: `with open_editor(peer) as editor`."""

    @contextmanager
    def open_(peer: Peer, **environment: str) -> Iterator[Editor]:
        editor = Editor(programs, tmp_path / "project", **environment)
        try:
            editor.do("call", "UseServer", address_of(peer))
            yield editor
        finally:
            editor.close()

    return open_


def jobs_of(peer: Peer, prompt: str) -> list[pb.Job]:
    """The server's jobs with this prompt."""
    jobs = peer.jobs.ListJobs(pb.ListJobsRequest(page_size=500)).jobs
    return [job for job in jobs if job.spec.prompt == prompt]


def components(part: Json, kind: str) -> list[Json]:
    """All components of a kind in a prefab."""
    own = [one for one in part["components"] if one["type"] == kind]
    return own + [one for child in part["children"] for one in components(child, kind)]


PREFAB = "Assets/A/Thing.prefab"
ASSET = ["Assets/A", "Assets/A/Source", "Assets/A/Source/Thing.glb", PREFAB]


def test_edit_mode_tests_on_the_fake(programs: Programs, tmp_path: Path) -> None:
    result = programs.run(tmp_path, "tests", programs.tests)
    assert result.returncode == 0, result.stdout + result.stderr
    outcomes = [line.split(" ", 1)[0] for line in result.stdout.splitlines()]
    assert outcomes.count("ok") >= 55
    assert outcomes.count("ignored") == 1, "only the test that needs a server"


def test_the_runner_sees_a_failure(programs: Programs, tmp_path: Path) -> None:
    source = tmp_path / "Bad.cs"
    source.write_text(
        "using NUnit.Framework; public class Bad { [Test] public void Fails()"
        " { Assert.AreEqual(1, 2); } [Test] public void Throws() { throw new System.Exception(); }"
        " [Test] public void Holds() { Assert.AreEqual(1, 1); } }"
    )
    bad = programs.folder / "Bad.dll"
    compile_csharp(bad, [source], "-target:library", f"-r:{programs.folder / 'UnityFake.dll'}")
    result = programs.run(tmp_path, "tests", bad)
    assert result.returncode == 2
    assert "failed Bad.Fails" in result.stdout
    assert "ok Bad.Holds" in result.stdout


def test_from_the_prompt_to_the_prefab(
    programs: Programs, server_config: ServerConfig, tmp_path: Path
) -> None:
    """The starter model makes what is typed into the window; the prefab is what the report says."""
    own = replace(
        server_config, pipeline="pipeline", models=("starter",), data_dir=tmp_path / "data"
    )
    project = tmp_path / "project"
    project.mkdir()
    with serving(own) as peer:
        result = programs.run(
            project,
            "tests",
            programs.tests,
            "FromThePromptToThePrefab",
            timeout_s=600,
            LODSMITH_TEST_SERVER=address_of(peer),
        )
        assert "ok WindowTests.FromThePromptToThePrefab" in result.stdout, result.stdout
        line = next(one for one in result.stdout.splitlines() if one.startswith("made "))
        name, *heights, _, hulls, _, size = line.split(" ")[1:]
        job = peer.jobs.GetJob(pb.GetJobRequest(name=name)).job
        digest = next(one.digest for one in job.result.artifacts if one.role == "report")
        report = json.loads(peer.content(digest))
    lods = report["lods"]
    assert len(heights) == len(lods) == 3
    assert int(hulls) == report["collision"]["hull_count"] > 0
    # The group's size is that of the box around all LODs, of which coarse ones stand out a little.
    longest, diagonal = max(report["size_m"]), math.hypot(*report["size_m"])
    assert longest * 0.99 <= float(size) <= longest * 1.05
    scale = float(size) / diagonal
    for height, lod in zip(map(float, heights), lods, strict=True):
        assert height == pytest.approx(lod["screen_coverage"] * scale, rel=0.01)


def test_a_job_becomes_a_prefab(scripted: Peer, open_editor: OpenEditor) -> None:
    with open_editor(scripted) as editor:
        record = editor.submit(prompt="a thing", folder="Assets/A", budgets=[90, 50, 20])
        made = editor.finished(record)
        assert editor.files() == ASSET
        assert made["assets"][0]["triangles"] == [108, 48, 12]
        prefab = editor.prefab(PREFAB)
        assert [one["mesh"]["name"] for one in components(prefab, "MeshCollider")] == [
            "UCX_SM_Thing_LOD0_00",
            "UCX_SM_Thing_LOD0_01",
        ]
        assert len(components(prefab, "LODGroup")[0]["lods"]) == 3
        assert not list((editor.project / "Library/Lodsmith").glob("*.glb*"))
        progress = editor.log("progress 1")
        assert "Unmanaged" in progress[0]
        assert progress[-1] == "progress 1 finish Succeeded"


def test_variants_each_become_a_prefab(scripted: Peer, open_editor: OpenEditor) -> None:
    with open_editor(scripted) as editor:
        record = editor.submit(prompt="a thing", folder="Assets/A", variants=2)
        made = editor.finished(record)
        assert [asset["seed"] for asset in made["assets"]] == [0, 1]
        assert [Path(asset["prefab"]).name for asset in made["assets"]] == [
            "ThingV1.prefab",
            "ThingV2.prefab",
        ]


def test_importing_again_replaces(scripted: Peer, open_editor: OpenEditor) -> None:
    with open_editor(scripted) as editor:
        record = editor.submit(prompt="a thing", folder="Assets/A")
        first = editor.finished(record)
        meta = (editor.project / f"{PREFAB}.meta").read_text()
        again = editor.do("call", "Reimport", record)
        assert editor.finished(again)["assets"] == first["assets"]
        assert editor.files() == ASSET
        assert (editor.project / f"{PREFAB}.meta").read_text() == meta


def test_half_the_triangles(scripted: Peer, open_editor: OpenEditor) -> None:
    with open_editor(scripted) as editor:
        record = editor.submit(prompt="a thing", folder="Assets/A", budgets=[900, 500, 200])
        first = editor.finished(record)
        half = editor.finished(editor.do("call", "Half", record))
        assert half["state"] == IMPORTED, half["message"]
        spec = scripted.jobs.GetJob(pb.GetJobRequest(name=half["jobName"])).job.spec
        assert spec.job == first["jobName"]
        triangles = first["assets"][0]["triangles"]
        assert list(spec.options.lod.budgets) == [count // 2 for count in triangles]
        assert half["assets"][0]["prefab"] == "Assets/A/Thing 1.prefab"


@pytest.mark.parametrize(
    ("field", "names"), [("images", ["front.png", "back.png"]), ("mesh", ["thing.glb"])]
)
def test_files_are_uploaded(
    scripted: Peer, open_editor: OpenEditor, tmp_path: Path, field: str, names: list[str]
) -> None:
    for name in names:
        (tmp_path / name).write_text(f"steps3 {name}")
    paths = [str(tmp_path / name) for name in names]
    with open_editor(scripted) as editor:
        form = {field: paths if field == "images" else paths[0]}
        made = editor.finished(editor.submit(name="Thing", folder="Assets/A", **form))
        assert made["state"] == IMPORTED, made["message"]
        spec = scripted.jobs.GetJob(pb.GetJobRequest(name=made["jobName"])).job.spec
        digests = [spec.image, *spec.more_images] if field == "images" else [spec.mesh]
        assert [scripted.content(one).decode() for one in digests] == [f"steps3 {n}" for n in names]


def test_pictures_of_stages_are_shown(scripted: Peer, open_editor: OpenEditor) -> None:
    with open_editor(scripted) as editor:
        made = editor.finished(editor.submit(prompt="warn me", folder="Assets/A"))
        assert (editor.project / made["thumbnail"]).read_bytes().startswith(b"\x89PNG")
        assert len(list((editor.project / "Library/Lodsmith").glob("*.png"))) == 2


def test_equal_jobs_at_the_same_time(scripted: Peer, open_editor: OpenEditor) -> None:
    with open_editor(scripted) as editor:
        records = [editor.submit(prompt="a thing", folder="Assets/A") for _ in range(3)]
        made = [editor.finished(record) for record in records]
        assert [one["message"] for one in made] == [""] * 3
        assert {one["assets"][0]["prefab"] for one in made} == {
            "Assets/A/Thing.prefab",
            "Assets/A/Thing 1.prefab",
            "Assets/A/Thing 2.prefab",
        }
        assert editor.log("console warning") == []


def test_play_mode_is_waited_for(scripted: Peer, open_editor: OpenEditor) -> None:
    with open_editor(scripted) as editor:
        editor.do("play", "yes")
        record = editor.submit(prompt="a thing", folder="Assets/A", place=True)
        assert editor.do("until", 2000, "HasEnded") == "time is up"
        assert editor.files() == []
        assert editor.record(record)["message"] == "Waits for the end of Play mode"
        editor.do("play", "no")
        assert editor.finished(record)["state"] == IMPORTED
        assert editor.log("scene place") == [f"scene place {PREFAB}"]


class TestReload:
    def test_loses_nothing(self, scripted: Peer, open_editor: OpenEditor) -> None:
        """A domain reload or the editor's death, up to three times at random points of each job."""
        chance = random.Random(7)
        with open_editor(scripted) as editor:
            whole_ms = self._duration_ms(editor)
            wrong: list[tuple[object, ...]] = []
            placed: list[str] = []
            states: dict[int, int] = {}
            for number in range(RELOAD_TRIES):
                prompt = f"steps9 number {number}"
                folder = f"Assets/T{number}"
                record = editor.submit(prompt=prompt, folder=folder, fileName="Thing", place=True)
                for _ in range(chance.randint(1, 3)):
                    editor.do("tick", int(chance.uniform(0, whole_ms)))
                    state = editor.record(record)["state"]
                    states[state] = states.get(state, 0) + 1
                    if chance.random() < 0.2:
                        placed += editor.log("scene place")
                        editor.restart()
                    else:
                        editor.do("reload")
                made = editor.finished(record)
                prefab = f"{folder}/Thing.prefab"
                is_right = (
                    made["state"] == IMPORTED
                    and editor.files(folder)
                    == [f"{folder}/Source", f"{folder}/Source/Thing.glb", prefab]
                    and [*placed, *editor.log("scene place")].count("scene place " + prefab) == 1
                    and len(jobs_of(scripted, prompt)) == 1
                )
                if not is_right:
                    wrong.append((number, made, editor.files(folder)))
            assert wrong == []
            cut = sum(count for state, count in states.items() if state < IMPORTED)
            assert cut >= RELOAD_TRIES, f"jobs were over before they were cut: {states}"
            print(f"{RELOAD_TRIES} jobs, cut {cut} times; states when cut: {states}")

    @staticmethod
    def _duration_ms(editor: Editor) -> float:
        """How long a job takes that nobody cuts, without the time of loading."""
        editor.finished(editor.submit(prompt="steps9 warms up", folder="Assets/Once"))
        start_s = time.monotonic()
        editor.finished(editor.submit(prompt="steps9 once", folder="Assets/Once"))
        return 1000 * (time.monotonic() - start_s)


@pytest.mark.parametrize(
    "step",
    [
        "create Assets/A",
        "create Assets/A/Source",
        "import Assets/A/Source/Thing.glb",
        "save Assets/A/Thing.prefab",
        "import Assets/A/Thing.prefab",
    ],
)
class TestImport:
    def test_killed_in_the_middle_is_done_once(
        self, scripted: Peer, open_editor: OpenEditor, step: str
    ) -> None:
        with open_editor(scripted) as editor:
            record = editor.submit(prompt="a thing", folder="Assets/A")
            editor.do("fail", step, "kill")
            with pytest.raises(EOFError):
                editor.finished(record)
            editor.has_died()
            assert editor.finished(record)["state"] == IMPORTED
            assert editor.files() == ASSET

    def test_that_fails_leaves_nothing(
        self, scripted: Peer, open_editor: OpenEditor, step: str
    ) -> None:
        with open_editor(scripted) as editor:
            record = editor.submit(prompt="a thing", folder="Assets/A")
            editor.do("fail", step, "io")
            made = editor.finished(record)
            assert made["state"] == FAILED
            assert "no space left" in made["message"]
            assert editor.files() == []
            assert not list((editor.project / "Assets").iterdir()), "no meta is left either"


class TestFailures:
    def test_a_defect_of_the_importer(self, scripted: Peer, open_editor: OpenEditor) -> None:
        with open_editor(scripted) as editor:
            record = editor.submit(prompt="a thing", folder="Assets/A")
            editor.do("fail", "import Assets/A/Source/Thing.glb", "import")
            assert editor.finished(record)["state"] == FAILED
            assert editor.files() == []
            assert any("the importer has a defect" in line for line in editor.log("console error"))

    def test_a_killed_editor_finds_its_jobs(
        self, scripted: Peer, open_editor: OpenEditor, tmp_path: Path
    ) -> None:
        go = tmp_path / "go"
        with open_editor(scripted) as editor:
            prompt = f"wait {go}"
            record = editor.submit(prompt=prompt, folder="Assets/A", fileName="Thing")
            assert editor.do("until", 30_000, "IsRunning") == "done"
            editor.restart()
            go.touch()
            assert editor.finished(record)["state"] == IMPORTED
            assert editor.files() == ASSET
            assert len(jobs_of(scripted, prompt)) == 1

    def test_an_answer_that_nobody_heard(self, scripted: Peer, open_editor: OpenEditor) -> None:
        """The server has the job, but the editor dies before it has written down its name."""
        prompt = "steps3 asked once"
        with open_editor(scripted) as editor:
            record = editor.submit(prompt=prompt, folder="Assets/A", fileName="Thing")
            assert editor.do("until", 30_000, "IsCreating") == "done"
            while not jobs_of(scripted, prompt):
                time.sleep(0.01)  # the editor's loop stands still
            assert editor.record(record)["jobName"] == ""
            editor.restart()
            assert editor.finished(record)["state"] == IMPORTED
            assert editor.files() == ASSET
            assert len(jobs_of(scripted, prompt)) == 1

    @pytest.mark.parametrize("process", ["batch", "import worker"])
    def test_only_the_editor_takes_up_its_jobs(
        self, scripted: Peer, open_editor: OpenEditor, programs: Programs, process: str
    ) -> None:
        """Builds in batch mode and Unity's helpers load the scripts too."""
        with open_editor(scripted) as editor:
            record = editor.submit(prompt="a thing", folder="Assets/A")
            editor.close()
            other = Editor(programs, editor.project, LODSMITH_FAKE_PROCESS=process)
            assert other.do("tick", 1000) == "time is up"
            assert other.log("import") == []
            other.close()
            editor.open()
            assert editor.finished(record)["state"] == IMPORTED

    def test_the_job_fails(self, scripted: Peer, open_editor: OpenEditor) -> None:
        with open_editor(scripted) as editor:
            made = editor.finished(editor.submit(prompt="fail please", folder="Assets/A"))
            assert made["state"] == FAILED
            assert "ask for something else" in made["message"]
            assert "InvalidInput" in made["message"]
            assert editor.files() == []

    def test_the_server_refuses(self, scripted: Peer, open_editor: OpenEditor) -> None:
        with open_editor(scripted) as editor:
            made = editor.finished(editor.submit(prompt="a thing", budgets=[10, 20]))
            assert made["state"] == FAILED
            assert "must fall from LOD to LOD" in made["message"]

    def test_a_mesh_that_is_missing(self, scripted: Peer, open_editor: OpenEditor) -> None:
        with open_editor(scripted) as editor:
            record = editor.submit(prompt="a thing", name="Lacking", folder="Assets/A")
            made = editor.finished(record)
            assert made["state"] == FAILED
            assert "UCX_SM_Lacking_LOD0_01" in made["message"]
            assert editor.files() == []

    def test_no_importer(self, scripted: Peer, open_editor: OpenEditor) -> None:
        with open_editor(scripted, LODSMITH_FAKE_WITHOUT_IMPORTER="1") as editor:
            made = editor.finished(editor.submit(prompt="a thing", folder="Assets/A"))
            assert made["state"] == FAILED
            assert "Install glTFast" in made["message"]
            assert editor.files() == []

    def test_cancelled_while_it_runs(self, scripted: Peer, open_editor: OpenEditor) -> None:
        with open_editor(scripted) as editor:
            record = editor.submit(prompt="slow to be cancelled", folder="Assets/A")
            assert editor.do("until", 30_000, "IsRunning") == "done"
            editor.do("call", "Cancel", record)
            editor.do("reload")  # before the server has heard of it, or after
            assert editor.finished(record)["state"] == CANCELLED
            assert editor.files() == []
            [job] = jobs_of(scripted, "slow to be cancelled")
            assert job.state == pb.JOB_STATE_CANCELLED

    def test_cancelled_while_nobody_answers(
        self, scripted_config: ServerConfig, open_editor: OpenEditor, tmp_path: Path
    ) -> None:
        own = replace(scripted_config, data_dir=tmp_path / "data")
        with ExitStack() as stack:
            with serving(own) as peer:
                editor = stack.enter_context(open_editor(peer))
                running = editor.submit(prompt="slow and lost", folder="Assets/A")
                assert editor.do("until", 30_000, "IsRunning") == "done"
            waiting = editor.submit(prompt="never heard", folder="Assets/A")
            editor.do("tick", 1000)
            assert editor.record(waiting)["message"].startswith("Waits for the server: ")
            for record in (running, waiting):
                editor.do("call", "Cancel", record)
            for record in (running, waiting):
                made = editor.finished(record, timeout_s=20)
                assert made["state"] == CANCELLED
                assert "may go on there" in made["message"]
            assert editor.files() == []

    def test_cancelled_while_it_downloads(self, scripted: Peer, open_editor: OpenEditor) -> None:
        with open_editor(scripted) as editor:
            record = editor.submit(prompt="a thing", folder="Assets/A")
            assert editor.do("until", 30_000, "IsDownloading") == "done"
            editor.do("call", "Cancel", record)
            assert editor.finished(record)["state"] == CANCELLED
            assert editor.files() == []
            assert not list((editor.project / "Library/Lodsmith").glob("*.glb*"))

    def test_the_server_restarts(
        self, scripted_config: ServerConfig, open_editor: OpenEditor, tmp_path: Path
    ) -> None:
        own = replace(scripted_config, data_dir=tmp_path / "data")
        go = tmp_path / "go"
        with ExitStack() as stack:
            with serving(own) as peer:
                own = replace(own, http_port=http_port_of(peer))
                editor = stack.enter_context(open_editor(peer))
                record = editor.submit(prompt=f"wait {go}", folder="Assets/A", fileName="Thing")
                assert editor.do("until", 30_000, "IsRunning") == "done"
            editor.do("reload")  # finds nobody to ask
            editor.do("tick", 300)
            go.touch()
            with serving(own):
                assert editor.finished(record)["state"] == IMPORTED
            assert editor.files() == ASSET


def batch(programs: Programs, project: Path, manifest: Json, *words: str) -> tuple[int, list[Json]]:
    """Run the batch command; returns the exit code and the lines."""
    project.mkdir(exist_ok=True)
    (project / "manifest.json").write_text(json.dumps(manifest))
    arguments = words or ("-manifest", "manifest.json")
    result = programs.run(project, "batch", programs.editor, *arguments)
    assert result.stderr == ""
    return result.returncode, [json.loads(line) for line in result.stdout.splitlines()]


class TestBatch:
    def test_makes_all_assets(self, scripted: Peer, programs: Programs, tmp_path: Path) -> None:
        assets = [{"prompt": "steps9 chair", "folder": "Assets/B"}, {"prompt": "steps9 table"}]
        manifest = {"server": address_of(scripted), "assets": assets}
        code, lines = batch(programs, tmp_path / "project", manifest)
        assert code == 0
        ends = [line for line in lines if line["state"] == "imported"]
        assert {line["asset"] for line in ends} == {0, 1}
        paths = [path for line in ends for path in line["prefabs"]]
        assert len(paths) == 2
        assert all((tmp_path / "project" / path).exists() for path in paths)
        assert any(line["stage"] for line in lines), "stages are told"

    def test_a_job_that_fails(self, scripted: Peer, programs: Programs, tmp_path: Path) -> None:
        assets = [{"prompt": "fail please"}, {"prompt": "a thing", "folder": "Assets/B"}]
        manifest = {"server": address_of(scripted), "assets": assets}
        code, lines = batch(programs, tmp_path / "project", manifest)
        assert code == 1
        assert {line["state"] for line in lines if line["asset"] == 1} >= {"imported"}
        assert "ask for something else" in next(
            line["message"] for line in lines if line["state"] == "failed"
        )

    @pytest.mark.parametrize(
        ("manifest", "words", "message"),
        [
            ({"assets": []}, (), "names no assets"),
            ({"assets": [{"prompt": "a", "pivot": "top"}]}, (), "assets[0]: pivot"),
            ({"assets": [{}]}, (), "assets[0]: Nothing to start from"),
            ({}, ("-manifest", "nowhere.json"), "cannot be read"),
            ({}, ("-quit",), "-manifest FILE is missing"),
        ],
    )
    def test_a_wrong_manifest(
        self,
        programs: Programs,
        tmp_path: Path,
        manifest: Json,
        words: tuple[str, ...],
        message: str,
    ) -> None:
        code, lines = batch(programs, tmp_path / "project", manifest, *words)
        assert code == 2
        assert message in lines[-1]["message"]

    def test_no_server(self, programs: Programs, tmp_path: Path) -> None:
        manifest = {"server": "http://127.0.0.1:9", "assets": [{"prompt": "a"}]}
        code, lines = batch(programs, tmp_path / "project", manifest)
        assert code == 3
        assert lines[-1]["message"].startswith("http://127.0.0.1:9: ")


class TestPackage:
    def test_the_sample_compiles(self, programs: Programs, tmp_path: Path) -> None:
        fake = programs.folder / "UnityFake.dll"
        sources = sources_in(UNITY / "Samples~")
        assert sources
        compile_csharp(tmp_path / "Sample.dll", sources, "-target:library", f"-r:{fake}")

    def test_the_sample_manifest_is_accepted(self, programs: Programs, tmp_path: Path) -> None:
        manifest = json.loads((UNITY / "Samples~" / "Batch" / "props.json").read_text())
        known = set(re.findall(r"public [\w\[\]]+ (\w+)(?: =|;)", FORM.read_text()))
        assert {key for asset in manifest["assets"] for key in asset} <= known
        manifest["server"] = "http://127.0.0.1:9"
        code, _ = batch(programs, tmp_path / "project", manifest)
        assert code == 3, "nothing was wrong but the server"

    def test_members_are_current(self, programs: Programs, tmp_path: Path) -> None:
        listed = programs.run(tmp_path, "members").stdout
        assert listed == (HEADLESS / "MEMBERS.md").read_text()

    def test_the_fake_has_only_what_is_used(self) -> None:
        """Every member that the list has is a word of the package's or its tests' code."""
        listed = (HEADLESS / "MEMBERS.md").read_text()
        folders = (EDITOR, TESTS)
        code = " ".join(path.read_text() for path in sources_in(*folders))
        uxml = " ".join(path.read_text() for path in EDITOR.glob("*.uxml")).replace("-", "")
        words = set(re.findall(r"\w+", code + " " + uxml.lower()))
        members = re.findall(r"^- `(?:static |event )*(?:[\w<>,\[\]. ]+ )?(\w+)", listed, re.M)
        assert len(members) > 100
        unused = {name for name in members if name not in words and name.lower() not in words}
        assert unused <= IMPLIED, sorted(unused - IMPLIED)

    @pytest.mark.parametrize("path", sorted(EDITOR.glob("*.uxml")), ids=lambda path: path.name)
    def test_uxml_is_well_formed(self, path: Path) -> None:
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{UnityEngine.UIElements}UXML"
        names = [one.get("name") for one in root.iter() if one.get("name")]
        assert len(names) == len(set(names)), "names are unique"
        sheet = (EDITOR / "Lodsmith.uss").read_text()
        classes = {word for one in root.iter() for word in one.get("class", "").split()}
        assert {name for name in classes if f".{name} {{" not in sheet} == set()

    @pytest.mark.parametrize(
        ("code", "tree"), [("GenerateWindow", "GenerateWindow"), ("JobCard", "JobCard")]
    )
    def test_what_code_asks_for_is_in_the_uxml(self, code: str, tree: str) -> None:
        text = (EDITOR / f"{code}.cs").read_text()
        asked = set(re.findall(r'(?:Q(?:<\w+>)?|OnClick|BindChoice)\("([\w-]+)"', text))
        asked |= set(re.findall(r'Bind<[^>]+>\("([\w-]+)"', text))
        elements = ElementTree.parse(EDITOR / f"{tree}.uxml").getroot().iter()
        named = {one.get("name") for one in elements}
        assert len(asked) >= 10
        assert asked - named == set()

    def test_uss_is_well_formed(self) -> None:
        sheet = (EDITOR / "Lodsmith.uss").read_text()
        rule = r"\s*(?:\.[\w-]+\s*\{(?:\s*[\w-]+:\s*[^;{}]+;)+\s*\})"
        assert re.fullmatch(rf"(?:{rule})+\s*", sheet)
