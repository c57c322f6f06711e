"""The plugin on the fake engine, and servers for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import unreal
from lodsmith import panel as panel_module
from lodsmith import session as session_module
from lodsmith.client import Client
from lodsmith.facts import AssetFacts, facts_of
from lodsmith.form import GenerateForm
from lodsmith.rpc import Server, Stop
from lodsmith.wire import Message
from unreal.project import Project, project

from tests.server.conftest import Peer, config, server, serving, start_server  # noqa: F401
from tests.server.transport.conftest import http_port_of
from tests.unreal_client.sample import cone_glb

ROOT = Path(__file__).resolve().parent.parent.parent
PLUGIN = ROOT / "unreal_client" / "Lodsmith"
PYTHON = PLUGIN / "Content" / "Python"
FAKE = Path(__file__).parent / "fake"
BUDGETS = (300, 120, 60, 40, 30, 24, 20, 16)


def address_of(peer: Peer) -> str:
    """Return the address of a server's HTTP port."""
    return f"http://127.0.0.1:{http_port_of(peer)}"


@dataclass(frozen=True)
class Made:
    """An asset that a real server made. job: as it ended."""

    job: Message
    facts: AssetFacts
    glb: bytes


def make(address: str, form: GenerateForm, folder: Path) -> Made:
    """Have an asset made of the cone, with the options of a form."""
    client, source, glb = Client(Server(address)), folder / "cone.glb", folder / "made.glb"
    source.write_bytes(cone_glb())
    digest = client.upload(source, lambda done, total: None, Stop())
    spec = replace(form, mesh="cone.glb").spec([digest])
    spec.options.bake = Message("BakeOptions", ambient_occlusion=True)  # so that there is an ORM
    job = client.call("CreateJob", Stop(), spec=spec).job
    ended = client.follow(job.name, lambda event: None, Stop())
    assert ended.result is not None, ended.error
    (facts,) = facts_of(ended)
    client.download(facts.glb, glb, lambda done, total: None, Stop())
    return Made(ended, facts, glb.read_bytes())


@pytest.fixture(scope="session")
def pipeline_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A server with the real pipeline and the starter model."""
    from server.config import ServerConfig

    own = ServerConfig(
        port=0,
        http_port=0,
        data_dir=tmp_path_factory.mktemp("pipeline_server"),
        device="cpu",
        log_level="ERROR",
        spare_mesh_workers=0,
        min_free_disk_bytes=0,
        warm_generator=False,
    )
    with serving(own) as peer:
        yield peer


@pytest.fixture(scope="session")
def made(pipeline_server: Peer, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The cone with eight LODs and several hulls."""
    form = GenerateForm(
        name="Cone", budgets=list(BUDGETS), textureSize=64, pivot="keep", collision="decompose"
    )
    return make(address_of(pipeline_server), form, tmp_path_factory.mktemp("made"))


@pytest.fixture
def glb_server(
    start_server: Callable[..., AbstractContextManager[Peer]],  # noqa: F811
) -> Callable[..., AbstractContextManager[Peer]]:
    """Start a server whose jobs return the GLB that they get: `glb_pipeline`."""
    return lambda **changes: start_server(pipeline="tests.unreal_client.glb_pipeline", **changes)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """An empty project in the fake engine."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    fresh = Project(tmp_path / "project")
    kinds = project.kinds
    vars(project).update(vars(fresh), kinds=kinds)
    session_module.session.cache_clear()
    panel_module.form_fields.cache_clear()
    panel_module._panel.clear()
    for listed in (
        unreal.calls, unreal.logged, unreal.ticks, unreal.shutdowns, unreal.transactions,
        unreal.EditorActorSubsystem.actors, unreal.EditorActorSubsystem.selected,
        unreal.EditorUtilitySubsystem.tasks, unreal.EditorUtilitySubsystem.finished,
        unreal.EditorUtilitySubsystem.tabs, unreal.EditorDialog.answers,
        unreal.EditorDialog.messages, unreal.EditorUtilityLibrary.selected_assets,
        unreal.EditorUtilityLibrary.selected_folders,
    ):  # fmt: skip
        listed.clear()
    unreal.ToolMenus.menus.clear()
    unreal.EditorUtilitySubsystem.can_show_tabs = True
    return project


def until(is_so: Callable[[], object], tick: Callable[[], None], seconds: float = 60.0) -> None:
    """Tick until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it does not happen"
        tick()
        time.sleep(0.002)
