"""Jobs on the fake engine against a real server, over restarts, cuts and cancelling."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import unreal
from lodsmith.client import Client
from lodsmith.form import GenerateForm
from lodsmith.jobs import ImportFailed
from lodsmith.records import JobRecord, RecordFile, State
from lodsmith.rpc import Server, Stop
from lodsmith.session import Session
from unreal.project import Project

from tests.server.conftest import Peer
from tests.server.transport.conftest import free_port, http_port_of
from tests.unreal_client.conftest import FAKE, PYTHON, ROOT, Made, address_of, until
from tests.wire.cutting_proxy import CuttingProxy

StartServer = Callable[..., AbstractContextManager[Peer]]
RESTARTS = int(os.environ.get("TESTS_RESTARTS", "10"))  # `make test-unreal`: 100
FIVE_ASSETS = 5  # a mesh, a material and three textures


class Editor:
    """An editor with the plugin, in this process."""

    def __init__(self) -> None:
        self.session = Session()
        self.session.run_in_editor()
        self.tracker = self.session.tracker

    def tick(self) -> None:
        for one in list(unreal.ticks):
            one(0.0)

    def until(self, is_so: Callable[[], object]) -> None:
        until(is_so, self.tick)

    def ended(self, record: JobRecord) -> State:
        self.until(lambda: self.tracker.view_of(record) is None and record.has_ended)
        return record.state

    def close(self) -> None:
        for one in list(unreal.shutdowns):
            one()
        unreal.shutdowns.clear()


@pytest.fixture
def editor(engine: Project) -> Iterator[Editor]:
    editor = Editor()
    yield editor
    editor.close()


@pytest.fixture
def glb(made: Made, tmp_path: Path) -> str:
    path = tmp_path / "source.glb"
    path.write_bytes(made.glb)
    return str(path)


def saved(engine: Project) -> set[str]:
    engine.restart()
    return {name.rpartition("/")[2] for name in engine.packages()}


def asset(name: str) -> set[str]:
    return {f"SM_{name}", f"M_{name}", *(f"T_{name}_{one}" for one in ("BC", "N", "ORM"))}


def on_disk(editor: Editor) -> list[str]:
    folder = editor.session.settings_file.parent.parent / "Saved" / "Lodsmith"
    return sorted(path.name for path in folder.iterdir())


def test_a_job_becomes_an_asset(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str
) -> None:
    changes: list[State] = []
    with glb_server() as peer:
        editor.tracker.listeners.append(lambda record: changes.append(record.state))
        record = editor.tracker.submit(GenerateForm(name="Steps5", mesh=glb), address_of(peer))
        assert editor.ended(record) is State.IMPORTED, record.message
    assert record.warnings == []
    order = [State.PENDING, State.CREATING, State.RUNNING, State.DOWNLOADING, State.IMPORTING]
    assert list(dict.fromkeys(changes)) == [*order, State.IMPORTED]
    assert saved(engine) == asset("Steps5")
    picture = Path(record.thumbnail).name
    assert on_disk(editor) == sorted(["jobs.json", picture])
    document = json.loads((Path(record.thumbnail).parent / "jobs.json").read_text())
    assert [one["state"] for one in document["jobs"]] == ["imported"]
    assert any("Steps5: imported" in text for _, text in unreal.logged)


def test_variants_are_imported_together_or_not_at_all(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str
) -> None:
    with glb_server() as peer:
        address = address_of(peer)
        first = editor.tracker.submit(GenerateForm(name="Steps1", mesh=glb), address)
        second = editor.tracker.submit(GenerateForm(name="Steps2", mesh=glb), address)
        assert (editor.ended(first), editor.ended(second)) == (State.IMPORTED, State.IMPORTED)
    assert saved(engine) == asset("Steps1") | asset("Steps2")


def test_the_same_asset_at_half(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str
) -> None:
    with glb_server() as peer:
        record = editor.tracker.submit(GenerateForm(name="Steps1", mesh=glb), address_of(peer))
        editor.ended(record)
        editor.session.again_at_half(record)
        half = editor.tracker.records[0]
        assert editor.ended(half) is State.IMPORTED, half.message
        client = Client(Server(address_of(peer)))
        spec = client.call("GetJob", Stop(), name=half.job).job.spec
    assert spec.job == record.job
    assert spec.options.lod.budgets == [count // 2 for count in record.plans[0].triangles]


def test_an_asset_is_imported_again_into_its_mesh(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str
) -> None:
    with glb_server() as peer:
        record = editor.tracker.submit(GenerateForm(name="Steps1", mesh=glb), address_of(peer))
        editor.ended(record)
        mesh = engine.load(record.plans[0].mesh)
        again = editor.tracker.reimport(record)
        assert editor.ended(again) is State.IMPORTED, again.message
    assert again.plans[0].mesh == record.plans[0].mesh
    assert engine.load(record.plans[0].mesh) is mesh


def test_a_mesh_of_the_project_gets_its_lods_back(
    editor: Editor, engine: Project, pipeline_server: Peer, glb: str, tmp_path: Path
) -> None:
    """Exported by the (fake) engine, cut by the real pipeline, and set back, facing as before."""
    own = unreal.StaticMesh()
    own._values["static_materials"] = [unreal.StaticMaterial(None)]
    own.lods = [unreal.Lod(12, [0], [0.0, -20.0, 0.0], [100.0, 20.0, 50.0])]
    engine.add(own, "/Game/Props/SM_Box")
    engine.save(own)
    form = GenerateForm(
        staticMesh="/Game/Props/SM_Box", replaces="/Game/Props/SM_Box", budgets=[12], textureSize=64
    )
    record = editor.tracker.submit(form, address_of(pipeline_server))
    assert editor.ended(record) is State.IMPORTED, record.message
    box = own.get_bounding_box()
    found = [box.min.x, box.min.y, box.min.z, box.max.x, box.max.y, box.max.z]
    assert found == pytest.approx([0.0, -20.0, 0.0, 100.0, 20.0, 50.0], abs=0.1)
    assert engine.load("/Game/Props/SM_Box") is own
    assert own.get_material(0).get_name() == "M_Box"


def test_a_failed_job_tells_why(editor: Editor, glb_server: StartServer) -> None:
    with glb_server() as peer:
        record = editor.tracker.submit(GenerateForm(prompt="fail barrel"), address_of(peer))
        assert editor.ended(record) is State.FAILED
    assert record.message == (
        "'fail barrel' cannot be made; ask for something else [sparse structure, INVALID_INPUT]"
    )


def test_a_refused_job_tells_why(editor: Editor, glb_server: StartServer) -> None:
    with glb_server() as peer:
        form = GenerateForm(prompt="barrel", budgets=[1, 2])
        record = editor.tracker.submit(form, address_of(peer))
        assert editor.ended(record) is State.FAILED
    assert "[INVALID_INPUT]" in record.message


def test_an_address_that_is_none_is_told(editor: Editor) -> None:
    record = editor.tracker.submit(GenerateForm(prompt="barrel"), "nonsense")
    assert record.state is State.FAILED
    assert "a server's address is like" in record.message


def test_a_running_job_is_cancelled_on_the_server(
    editor: Editor, engine: Project, glb_server: StartServer
) -> None:
    with glb_server() as peer:
        record = editor.tracker.submit(GenerateForm(prompt="slow barrel"), address_of(peer))
        editor.until(lambda: record.job and editor.tracker.view_of(record).stages)  # type: ignore[union-attr]
        editor.tracker.cancel(record)
        assert editor.ended(record) is State.CANCELLED
        assert peer.client.info().running_job_count == 0
    assert saved(engine) == set()


@pytest.mark.parametrize(
    "word", ["imports the file", "sets LOD3", "renames M_Steps1", "saves SM_Steps1"]
)
def test_cancelling_an_import_leaves_nothing(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str, word: str
) -> None:
    with glb_server() as peer:
        record = editor.tracker.submit(GenerateForm(name="Steps1", mesh=glb), address_of(peer))

        def cancel(changed: JobRecord) -> None:
            if changed.message == word:
                editor.tracker.cancel(record)

        editor.tracker.listeners.append(cancel)
        assert editor.ended(record) is State.CANCELLED
    assert engine.packages() == set()


def test_cancelling_a_download_leaves_nothing(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str
) -> None:
    with glb_server() as peer, CuttingProxy(http_port_of(peer)) as proxy:
        record = editor.tracker.submit(GenerateForm(name="Steps1", mesh=glb), proxy.address)

        def cancel(changed: JobRecord) -> None:
            if changed.state is State.DOWNLOADING:
                editor.tracker.cancel(record)

        editor.tracker.listeners.append(cancel)
        assert editor.ended(record) is State.CANCELLED
    assert engine.packages() == set()


@pytest.mark.parametrize("word", ["sets LOD3", "renames M_Steps1"])
def test_an_import_waits_until_the_game_is_over(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str, word: str
) -> None:
    engine.pause_s = 0.005  # longer than a tick's budget: a step per tick
    with glb_server() as peer:
        record = editor.tracker.submit(GenerateForm(name="Steps1", mesh=glb), address_of(peer))
        editor.until(lambda: record.message == word)
        engine.is_played = True
        for _ in range(100):
            editor.tick()
        assert (record.state, record.message) == (State.IMPORTING, word)
        engine.is_played = False
        assert editor.ended(record) is State.IMPORTED
    assert saved(engine) == asset("Steps1")


def test_a_listener_that_fails_ends_the_import_on_the_main_thread(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str
) -> None:
    def fail(changed: JobRecord) -> None:
        if changed.message == "sets LOD3":
            raise OSError("no space left")

    editor.tracker.listeners.append(fail)
    with glb_server() as peer:
        record = editor.tracker.submit(GenerateForm(name="Steps1", mesh=glb), address_of(peer))
        assert editor.ended(record) is State.FAILED
    assert "no space left" in record.message  # and not a call off the main thread
    assert engine.packages() == set()


def test_an_import_that_fails_leaves_nothing(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str
) -> None:
    engine.fail.add("save SM_Steps1")
    with glb_server() as peer:
        record = editor.tracker.submit(GenerateForm(name="Steps1", mesh=glb), address_of(peer))
        assert editor.ended(record) is State.FAILED
    assert "SM_Steps1.SM_Steps1 cannot be saved" in record.message
    assert engine.packages() == set()


def test_a_server_that_is_not_there_yet_is_waited_for(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str
) -> None:
    port = free_port()
    form = GenerateForm(name="Steps1", mesh=glb)
    record = editor.tracker.submit(form, f"http://127.0.0.1:{port}")
    editor.until(lambda: record.message.startswith("Waits for the server: there is no server"))
    with glb_server(http_port=port):
        assert editor.ended(record) is State.IMPORTED
    assert saved(engine) == asset("Steps1")


def test_a_server_that_is_not_there_is_not_waited_for_once_cancelled(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodsmith.jobs.HASTE_S", 0.3)
    form = GenerateForm(prompt="barrel")
    record = editor.tracker.submit(form, f"http://127.0.0.1:{free_port()}")
    editor.until(lambda: record.state is State.CREATING and record.message)
    editor.tracker.cancel(record)
    assert editor.ended(record) is State.FAILED
    assert "there is no server" in record.message


def test_a_restart_of_the_server_is_survived(
    editor: Editor, engine: Project, glb_server: StartServer, glb: str
) -> None:
    port = free_port()
    with glb_server(http_port=port):
        form = GenerateForm(name="Steps100", mesh=glb)
        record = editor.tracker.submit(form, f"http://127.0.0.1:{port}")
        editor.until(lambda: record.job and editor.tracker.view_of(record).step)  # type: ignore[union-attr]
    with glb_server(http_port=port):
        assert editor.ended(record) is State.IMPORTED
    assert saved(engine) == asset("Steps100")


def test_a_closed_editor_goes_on_when_it_is_opened(
    engine: Project, glb_server: StartServer, glb: str
) -> None:
    with glb_server() as peer:
        first = Editor()
        record = first.tracker.submit(GenerateForm(name="Steps50", mesh=glb), address_of(peer))
        first.until(lambda: record.job)
        first.close()
        engine.restart()
        second = Editor()
        (found,) = second.tracker.records
        assert found.id == record.id
        assert second.ended(found) is State.IMPORTED
        assert found.job == record.job  # whether it was known when the editor closed or not
        second.close()
    assert saved(engine) == asset("Steps50")


def test_a_cut_import_that_cannot_be_cleaned_stops_no_other_job(
    engine: Project, glb_server: StartServer, glb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with glb_server() as peer:
        first = Editor()
        cut = first.tracker.submit(GenerateForm(name="Steps1", mesh=glb), address_of(peer))
        other = first.tracker.submit(GenerateForm(name="Steps100", mesh=glb), address_of(peer))
        first.until(lambda: cut.state is State.IMPORTING and cut.message and other.job)
        monkeypatch.setattr(first.tracker, "_undo", lambda record: None)  # as if it was killed
        first.close()
        second = Editor()
        found = {record.id: record for record in second.tracker.records}

        def fail(plan: object) -> None:
            raise ImportFailed("the folder is locked")

        monkeypatch.setattr(second.session.editor, "undo", fail)
        assert second.ended(found[cut.id]) is State.FAILED
        assert found[cut.id].message == "the folder is locked"
        assert second.ended(found[other.id]) is State.IMPORTED
        second.close()


def test_nothing_is_taken_up_before_the_engine_knows_its_assets(editor: Editor) -> None:
    registry = unreal.AssetRegistry
    registry.loading_ticks = 3
    done: list[int] = []
    editor.session.main_thread.post(lambda: done.append(1))
    editor.tick()
    assert done == []
    editor.until(lambda: done)


def test_each_restart_in_the_middle_ends_with_exactly_one_import(
    glb_server: StartServer, glb: str, tmp_path: Path
) -> None:
    """Editors that are killed (SIGKILL) at random, and at times again in the same job."""
    rng = random.Random(7)
    cut_in: Counter[str] = Counter()
    with glb_server() as peer:
        module = "tests.unreal_client.editor_process"
        command = [sys.executable, "-m", module, address_of(peer), glb]
        for number in range(RESTARTS):
            editor = KilledEditor(command, tmp_path / f"project{number}")
            cuts = rng.choice([1, 1, 2, 3])
            for _ in range(cuts):
                cut_in[editor.cut(rng.uniform(0.0, 0.9 / cuts))] += 1
            assert editor.ended() == ["imported"]
            assert editor.asset_files() == sorted(asset("Steps20"))
        client = Client(Server(address_of(peer)))
        jobs = client.call("ListJobs", Stop(), page_size=500).jobs
    cuts_in_middle = sum(cut_in.values()) - cut_in["imported"]
    print(f"{RESTARTS} of {RESTARTS} jobs end with one import; {dict(cut_in)} when killed")
    assert len(jobs) == RESTARTS  # nor was any asked for twice
    assert cuts_in_middle >= RESTARTS
    assert len(cut_in) > 2, cut_in


def test_ticks_are_short(glb_server: StartServer, glb: str, tmp_path: Path) -> None:
    """Twelve jobs at once and an open panel. Times are printed only: the machine may be busy."""
    with glb_server() as peer:
        module = "tests.unreal_client.editor_process"
        command = [sys.executable, "-m", module, address_of(peer), glb, "12"]
        editor = KilledEditor(command, tmp_path / "project")
        assert editor.ended() == 12 * ["imported"]
    print(f"\n{editor.tick_table}")
    assert len(editor.asset_files()) == 12 * FIVE_ASSETS


class KilledEditor:
    """`editor_process` in a project of its own."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._state_file = folder / "Saved" / "Lodsmith" / "jobs.json"
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, PYTHON, FAKE))),
            "UNREAL_FAKE_PROJECT": str(folder),
            "UNREAL_FAKE_PAUSE_S": "0.02",
            "HOME": str(folder),
        }

    def cut(self, after_s: float) -> str:
        """Start it, kill it so long after it has a job, and return what the job was at."""
        with subprocess.Popen(
            self._command, env=self._environment, cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            end = time.monotonic() + 30
            while not self._state_file.exists() and time.monotonic() < end:
                time.sleep(0.005)
            time.sleep(after_s)
            process.send_signal(signal.SIGKILL)
        return str(json.loads(self._state_file.read_text())["jobs"][0]["state"])

    def ended(self) -> list[str]:
        """Let it run to the end; return what it says."""
        whole = subprocess.run(
            self._command, env=self._environment, cwd=ROOT, capture_output=True,
            text=True, timeout=120, check=True,
        )  # fmt: skip
        self.tick_table = whole.stderr
        return whole.stdout.split()

    def asset_files(self) -> list[str]:
        content = self._folder / "Content" / "Game"
        return sorted(path.stem for path in content.rglob("*") if path.is_file())


def test_a_state_file_that_cannot_be_read_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    path.write_text("{")
    assert RecordFile(path).records == []
    (moved,) = tmp_path.iterdir()
    assert moved.name.startswith("jobs.json.unreadable-")
    assert moved.read_text() == "{"


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    file = RecordFile(tmp_path / "folder" / "jobs.json")
    form = GenerateForm(name="A", images=["a.png"], budgets=[3, 2], height=1.5, place=True)
    record = JobRecord(form, "http://127.0.0.1:1", state=State.DOWNLOADING, warnings=["w"])
    file.add(record)
    file.save()
    assert RecordFile(tmp_path / "folder" / "jobs.json").records == [record]


def test_work_is_refused_off_the_main_thread(engine: Project) -> None:
    """The fake would notice: the engine crashes."""
    raised: list[BaseException] = []

    def call() -> None:
        try:
            unreal.EditorAssetLibrary.list_assets("/Game")
        except AssertionError as error:
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert "off the main thread" in str(raised[0])
