"""Prompt to Static Mesh: a real server with the starter model, the plugin on the fake engine."""

import json
import time
from pathlib import Path

import unreal
from lodsmith import panel
from lodsmith.client import Client
from lodsmith.form import GenerateForm
from lodsmith.records import State
from lodsmith.rpc import Server, Stop
from lodsmith.session import session
from unreal.project import Project

from tests.server.conftest import Peer
from tests.unreal_client.conftest import address_of
from tests.unreal_client.test_panel import click, plugin  # noqa: F401  # a fixture
from tests.unreal_client.tick_meter import TickMeter


def test_a_prompt_becomes_a_static_mesh(
    plugin: Project,  # noqa: F811
    pipeline_server: Peer,
    tmp_path: Path,
) -> None:
    """Typed, clicked, generated, imported; LODs and hulls are those of the server's report."""
    panel.open_panel()
    form = GenerateForm(
        prompt="a wooden barrel", seed=1, budgets=[2000, 800, 300], textureSize=256, place=True
    )
    panel.write_form(panel.form_fields(), form)
    panel.form_fields().server = address_of(pipeline_server)
    click("Generate")
    (record,) = session().tracker.records
    meter = TickMeter()
    end = time.monotonic() + 300
    while not record.has_ended or session().tracker.view_of(record) is not None:
        assert time.monotonic() < end, record.message
        meter.tick()
        time.sleep(1 / 60)
    assert record.state is State.IMPORTED, record.message
    print(f"\n{meter.table()}")

    report = report_of(record.job, address_of(pipeline_server), tmp_path)
    plugin.restart()  # only what was saved counts
    (plan,) = record.plans
    mesh = plugin.load(plan.mesh)
    assert isinstance(mesh, unreal.StaticMesh)
    counts = [lod["triangle_count"] for lod in report["lods"]]
    print(f"{plan.mesh}: LODs {counts}, {len(mesh.shapes.convex) + len(mesh.shapes.simple)} hulls")
    assert [lod.triangles for lod in mesh.lods] == counts
    assert len(counts) == 3
    hulls = len(mesh.shapes.convex) + len(mesh.shapes.simple)
    assert hulls == report["collision"]["hull_count"] > 0
    coverages = [lod["screen_coverage"] for lod in report["lods"]]
    assert mesh.screen_sizes[0] == 1.0
    for size, coverage in zip(mesh.screen_sizes[1:], coverages, strict=False):
        assert abs(size - min(coverage, 0.999)) < 2e-3
    assert record.warnings == []
    (actor,) = unreal.EditorActorSubsystem.actors
    assert actor.static_mesh_component.static_mesh.get_path_name().startswith(plan.mesh)


def report_of(job: str, address: str, folder: Path) -> dict[str, object] | object:
    """Fetch the report that the server wrote."""
    client = Client(Server(address))
    artifacts = client.call("GetJob", Stop(), name=job).job.result.artifacts
    (report,) = [one for one in artifacts if one.role == "report"]
    path = folder / "report.json"
    client.download(report.digest, path, lambda done, total: None, Stop())
    return json.loads(path.read_text())
