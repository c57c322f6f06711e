"""Imports on the fake engine, from GLBs that the real pipeline made."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import unreal
from lodsmith.facts import AssetFacts, screen_sizes
from lodsmith.form import GenerateForm
from lodsmith.importer import TEMPORARY, UnrealEditor
from lodsmith.jobs import ImportFailed
from lodsmith.records import ImportPlan, JobRecord
from lodsmith.settings import Settings
from unreal.project import Project

from tests.unreal_client.conftest import BUDGETS, Made, address_of, make
from tests.unreal_client.sample import cone_bounds


class Importing:
    """One import: the parts of it, and what it left."""

    def __init__(self, made: Made, folder: Path, form: GenerateForm | None = None) -> None:
        self.editor = UnrealEditor(Settings)
        self.made = made
        self.glb = folder / "asset.glb"
        self.glb.write_bytes(made.glb)
        form = form or GenerateForm(name="Cone", mesh="cone.glb")
        self.record = JobRecord(form, "http://127.0.0.1:1", job="jobs/1")

    def plan(self, *, has_siblings: bool = False) -> ImportPlan:
        return self.editor.plan(self.record, self.made.facts, has_siblings=has_siblings)

    def run(self, plan: ImportPlan | None = None, facts: AssetFacts | None = None) -> list[str]:
        """Import to the end; return warnings."""
        plan = plan or self.plan()
        steps = self.editor.importing(self.record, plan, facts or self.made.facts, self.glb)
        self.steps = 1
        while True:
            try:
                next(steps)
                self.steps += 1
            except StopIteration as end:
                warnings: list[str] = end.value
                return warnings


@pytest.fixture
def importing(made: Made, engine: Project, tmp_path: Path) -> Importing:
    return Importing(made, tmp_path)


def mesh_at(engine: Project, path: str) -> unreal.StaticMesh:
    mesh = engine.load(path)
    assert isinstance(mesh, unreal.StaticMesh)
    return mesh


CONE = "/Game/Lodsmith/Cone/SM_Cone"


def test_lods_and_hulls_are_those_of_the_report(importing: Importing, engine: Project) -> None:
    assert importing.run() == []
    engine.restart()  # only what was saved counts
    mesh = mesh_at(engine, CONE)
    lods = importing.made.job.result.lods
    assert [lod.triangles for lod in mesh.lods] == [lod.triangle_count for lod in lods]
    assert len(mesh.lods) == len(BUDGETS) == 8
    assert len(mesh.shapes.convex) == importing.made.facts.hull_count > 1
    assert mesh.shapes.simple == []


def test_screen_sizes_say_where_a_lod_begins(importing: Importing, engine: Project) -> None:
    importing.run()
    mesh = mesh_at(engine, CONE)
    coverages = [lod.screen_coverage for lod in importing.made.job.result.lods]
    assert mesh.screen_sizes[0] == 1.0
    assert mesh.screen_sizes[1:] == pytest.approx(coverages[:-1], rel=0.01)
    assert all(a > b for a, b in zip(mesh.screen_sizes, mesh.screen_sizes[1:], strict=False))
    assert not mesh.auto_screen_sizes


@pytest.mark.parametrize(
    ("coverages", "sizes"),
    [
        ([0.1], [1.0]),
        ([0.5, 0.1], [1.0, 0.5]),
        ([1.0, 0.5, 0.1], [1.0, 0.999, 0.5]),  # LOD0 is seen above the whole view only
        ([0.5, 0.5, 0.1], [1.0, 0.5, 0.4995]),
        ([0.9 - 0.1 * n for n in range(9)], [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]),
    ],
)
def test_coverages_become_screen_sizes(coverages: list[float], sizes: list[float]) -> None:
    found = screen_sizes(coverages)
    assert found == pytest.approx(sizes)


def test_lods_share_one_slot_and_the_material_moves_along(
    importing: Importing, engine: Project
) -> None:
    importing.run()
    engine.restart()
    mesh = mesh_at(engine, CONE)
    assert [lod.slots for lod in mesh.lods] == [[0]] * 8
    assert len(mesh._values["static_materials"]) == 1
    material = mesh.get_material(0)
    assert material.get_outermost().get_name() == "/Game/Lodsmith/Cone/M_Cone"
    assert {one.get_name() for one in material.textures} == {"T_Cone_BC", "T_Cone_N", "T_Cone_ORM"}


def test_nothing_else_is_left(importing: Importing, engine: Project) -> None:
    importing.run()
    names = ["M_Cone", "SM_Cone", "T_Cone_BC", "T_Cone_N", "T_Cone_ORM"]
    assert engine.packages() == {f"/Game/Lodsmith/Cone/{name}" for name in names}
    assert not [one for one in engine.memory.values() if one.is_dirty]


def test_textures_are_read_as_what_they_are(importing: Importing, engine: Project) -> None:
    importing.run()
    engine.restart()
    found = {}
    for suffix in ("BC", "N", "ORM"):
        texture = engine.load(f"/Game/Lodsmith/Cone/T_Cone_{suffix}")
        found[suffix] = (texture._values["srgb"], texture._values["compression_settings"])
    assert found == {
        "BC": (True, "TC_DEFAULT"),
        "N": (False, "TC_NORMALMAP"),
        "ORM": (False, "TC_MASKS"),
    }


def test_the_front_is_x_and_lengths_are_centimetres(importing: Importing, engine: Project) -> None:
    """The cone stands at the origin and points to glTF's front, +Z, a metre long."""
    importing.run()
    box, (low, high) = mesh_at(engine, CONE).get_bounding_box(), cone_bounds()
    assert (box.min.x, box.max.x) == pytest.approx((0.0, 100.0), abs=1.0)
    # Seen from behind, +X of glTF is on the left, and the engine's +Y on the right.
    assert (box.min.y, box.max.y) == pytest.approx((-100 * high[0], -100 * low[0]), abs=1.0)
    assert (box.min.z, box.max.z) == pytest.approx((100 * low[1], 100 * high[1]), abs=1.0)


def test_where_it_comes_from_is_written_down(importing: Importing, engine: Project) -> None:
    importing.run()
    engine.restart()
    tags = mesh_at(engine, CONE).tags
    assert tags["Lodsmith.Record"] == importing.record.id
    assert tags["Lodsmith.Job"] == "jobs/1"
    assert float(tags["Lodsmith.CullBelow"]) == pytest.approx(
        importing.made.facts.coverages[-1], abs=1e-4
    )


def test_nanite_leaves_lods_away(made: Made, engine: Project, tmp_path: Path) -> None:
    importing = Importing(made, tmp_path, GenerateForm(mesh="cone.glb", nanite=True))
    assert importing.run() == []
    mesh = mesh_at(engine, CONE)
    assert mesh.nanite
    assert len(mesh.lods) == 1
    assert mesh.screen_sizes == [1.0]
    assert len(mesh.shapes.convex) == made.facts.hull_count


def test_without_hulls_the_engine_makes_none(
    pipeline_server: object, engine: Project, tmp_path: Path
) -> None:
    form = GenerateForm(name="Cone", budgets=[100], textureSize=64, collision="none")
    bare = make(address_of(pipeline_server), form, tmp_path)  # type: ignore[arg-type]
    assert Importing(bare, tmp_path).run() == []
    mesh = mesh_at(engine, CONE)
    assert (mesh.shapes.convex, mesh.shapes.simple) == ([], [])


def test_boxes_and_balls_are_shapes_too(
    pipeline_server: object, engine: Project, tmp_path: Path
) -> None:
    form = GenerateForm(name="Cone", budgets=[100], textureSize=64, collision="box")
    boxed = make(address_of(pipeline_server), form, tmp_path)  # type: ignore[arg-type]
    assert Importing(boxed, tmp_path).run() == []
    mesh = mesh_at(engine, CONE)
    assert len(mesh.shapes.convex) + len(mesh.shapes.simple) == boxed.facts.hull_count == 1


def test_a_second_one_takes_another_name(importing: Importing, engine: Project) -> None:
    importing.run()
    again = Importing(importing.made, importing.glb.parent)
    again.run()
    names = {name.rpartition("/")[2] for name in engine.packages()}
    assert {"SM_Cone", "SM_Cone_2", "M_Cone_2", "T_Cone_2_ORM"} <= names
    assert len(names) == 10


def test_tokens_name_folder_and_asset(made: Made, engine: Project, tmp_path: Path) -> None:
    form = GenerateForm(mesh="a.glb", folder="/Game/Props/{seed}", fileName="{name}_{lod0}")
    importing = Importing(made, tmp_path, form)
    importing.run()
    base = f"Cone_{made.facts.triangles[0]}"
    folder = f"/Game/Props/{made.facts.seed}"
    assert f"{folder}/SM_{base}" in engine.packages()
    assert f"{folder}/T_{base}_BC" in engine.packages()


def test_variants_have_their_seeds_in_their_names(importing: Importing) -> None:
    assert importing.plan(has_siblings=True).base == f"Cone_{importing.made.facts.seed}"


def replaced(importing: Importing, engine: Project) -> tuple[unreal.StaticMesh, Importing]:
    """A mesh in the project with two old materials and two LODs, and an import into it."""
    old = unreal.StaticMesh()
    materials = [unreal.MaterialInstanceConstant() for _ in range(2)]
    for number, material in enumerate(materials):
        material.textures = []
        engine.add(material, f"/Game/Old/M_Old_{number}")
        engine.save(material)
    old._values["static_materials"] = [unreal.StaticMaterial(one) for one in materials]
    old.lods = [unreal.Lod(5000, [0, 1], [0.0] * 3, [9.0] * 3) for _ in range(2)]
    old._values["body_setup"]._values["agg_geom"] = unreal.KAggregateGeom([], ["old box"])
    engine.add(old, "/Game/Old/SM_Crate")
    engine.save(old)
    form = GenerateForm(mesh="cone.glb", replaces="/Game/Old/SM_Crate")
    return old, Importing(importing.made, importing.glb.parent, form)


def test_a_mesh_is_replaced_in_place(importing: Importing, engine: Project) -> None:
    old, into = replaced(importing, engine)
    assert into.run() == []
    assert engine.load("/Game/Old/SM_Crate") is old  # what refers to it still does
    assert [lod.triangles for lod in old.lods] == list(importing.made.facts.triangles)
    assert [lod.slots for lod in old.lods] == [[0]] * 8
    assert len(old._values["static_materials"]) == 1
    assert old.get_material(0).get_name() == "M_Crate"
    assert len(old.shapes.convex) == importing.made.facts.hull_count
    assert old.shapes.simple == []
    assert old._values["customized_collision"]
    engine.restart()
    assert mesh_at(engine, "/Game/Old/SM_Crate").screen_sizes == old.screen_sizes


def test_a_replacement_that_fails_leaves_the_mesh_as_it_was(
    importing: Importing, engine: Project
) -> None:
    old, into = replaced(importing, engine)
    before, packages = json.dumps(old.to_json()), engine.packages()
    engine.fail.add("save SM_Crate")
    plan = into.plan()
    with pytest.raises(ImportFailed, match="SM_Crate cannot be saved"):
        into.run(plan)
    assert json.dumps(old.to_json()) != before
    into.editor.undo(plan)
    assert json.dumps(old.to_json()) == before
    assert engine.packages() == packages


def test_a_replacement_can_be_cut_at_every_step(importing: Importing, engine: Project) -> None:
    old, into = replaced(importing, engine)
    before, packages = json.dumps(old.to_json()), engine.packages()
    cut = 1
    while True:
        plan = into.plan()
        steps = into.editor.importing(into.record, plan, into.made.facts, into.glb)
        try:
            for _ in range(cut):
                next(steps)
        except StopIteration:
            break
        steps.close()
        into.editor.undo(plan)
        assert (json.dumps(old.to_json()), engine.packages()) == (before, packages), cut
        cut += 1
    assert cut > 15


def test_no_file_refers_to_the_temporary_folder(importing: Importing, engine: Project) -> None:
    plan = importing.plan()
    for _ in importing.editor.importing(
        importing.record, plan, importing.made.facts, importing.glb
    ):
        for file in (engine.folder / "Content").rglob("*.uasset"):
            assert TEMPORARY not in file.read_text()


def test_a_mesh_with_unsaved_changes_is_not_replaced(importing: Importing, engine: Project) -> None:
    old, into = replaced(importing, engine)
    old.is_dirty = True
    with pytest.raises(ImportFailed, match="SM_Crate has unsaved changes; save it"):
        into.plan()


def test_what_is_no_mesh_is_not_replaced(importing: Importing, engine: Project) -> None:
    importing.record.form = replace(importing.record.form, replaces="/Game/Nothing")
    with pytest.raises(ImportFailed, match="/Game/Nothing is no Static Mesh"):
        importing.plan()


def test_source_control_is_asked(importing: Importing, engine: Project) -> None:
    engine.has_source_control = True
    importing.run()
    assert sorted(engine.added) == sorted(engine.packages())
    _, into = replaced(importing, engine)
    into.run()
    assert engine.checked_out == ["/Game/Old/SM_Crate"]
    assert "/Game/Old/SM_Crate" not in engine.added
    engine.locked["/Game/Old/SM_Crate"] = "kim"
    with pytest.raises(ImportFailed, match="SM_Crate is checked out by kim"):
        into.plan()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("save T_Cone_N", "T_Cone_N cannot be saved"),
        ("save SM_Cone", "SM_Cone cannot be saved"),
        ("rename M_Cone", "M_Cone cannot be moved"),
        ("lod 3", "LOD3 of SM_Cone_LOD0 cannot be set"),
    ],
)
def test_a_failure_leaves_nothing(
    importing: Importing, engine: Project, fault: str, message: str
) -> None:
    engine.fail.add(fault)
    plan = importing.plan()
    with pytest.raises(ImportFailed, match=message):
        importing.run(plan)
    importing.editor.undo(plan)
    assert engine.packages() == set()
    importing.editor.undo(plan)  # safe to repeat


def test_an_import_can_be_cut_at_every_step(importing: Importing, engine: Project) -> None:
    importing.run()
    count = importing.steps
    assert count > 15
    for cut in range(1, count):
        for asset in list(engine.packages()):
            engine.delete(asset)
        plan = importing.plan()
        steps = importing.editor.importing(
            importing.record, plan, importing.made.facts, importing.glb
        )
        for _ in range(cut):
            next(steps)
        steps.close()
        importing.editor.undo(plan)
        assert engine.packages() == set(), cut


def test_undo_touches_nothing_of_others(importing: Importing, engine: Project) -> None:
    importing.run()
    packages = engine.packages()
    plan = replace(importing.plan(), base="Cone", record="another", mesh=CONE)
    importing.editor.undo(plan)
    assert engine.packages() == packages


def test_a_mesh_that_is_missing_is_named(importing: Importing, engine: Project) -> None:
    facts = replace(importing.made.facts, name="Other")
    with pytest.raises(ImportFailed, match=r"no mesh SM_Other_LOD0; there are: SM_Cone_LOD0, SM_C"):
        importing.run(facts=facts)


def test_a_file_that_requires_too_much_is_refused(importing: Importing, engine: Project) -> None:
    glb = importing.glb
    glb.write_bytes(glb.read_bytes().replace(b'{"asset":', b'{"extensionsRequired":["X"],"asset":'))
    data = bytearray(glb.read_bytes())
    data[12:16] = (int.from_bytes(data[12:16], "little") + 27).to_bytes(4, "little")
    glb.write_bytes(data)
    with pytest.raises(ImportFailed, match="there are: none"):
        importing.run()


def test_differences_from_the_report_are_told(importing: Importing, engine: Project) -> None:
    facts = importing.made.facts
    importing.record.form = replace(importing.record.form, height=3.0)
    wrong = replace(facts, hull_count=99, triangles=[1, *facts.triangles[1:]])
    hulls = f"it has {facts.hull_count} collision shapes, 99 were made"
    lod = f"LOD0 has {facts.triangles[0]} triangles, not 1"
    assert importing.run(facts=wrong) == [hulls, lod, "it is 25 cm large, not 300 cm"]


def test_an_actor_stands_on_the_ground_before_the_camera(
    importing: Importing, engine: Project
) -> None:
    importing.run()
    importing.editor.place(CONE)
    (actor,) = unreal.EditorActorSubsystem.actors
    assert actor.static_mesh_component.static_mesh is engine.load(CONE)
    place = actor.location
    assert (place.x, place.y, place.z) == pytest.approx((200.0, 0.0, 0.0))
    assert unreal.transactions == [[actor]]  # one undo takes it back
    assert unreal.EditorActorSubsystem.selected == [actor]


def test_temporary_content_is_in_one_folder(importing: Importing, engine: Project) -> None:
    plan = importing.plan()
    steps = importing.editor.importing(importing.record, plan, importing.made.facts, importing.glb)
    next(steps)
    next(steps)
    assert engine.packages()
    assert all(name.startswith(f"{TEMPORARY}/") for name in engine.packages())
