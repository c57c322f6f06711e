"""The panel, the dialog, the menus and the notifications on the fake engine."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import unreal
from lodsmith import menus, panel
from lodsmith.form import GenerateForm
from lodsmith.records import JobRecord, State
from lodsmith.session import session
from unreal.project import Project

from tests.server.conftest import Peer
from tests.unreal_client.conftest import ROOT, address_of, until
from tests.unreal_client.test_jobs import StartServer, asset, glb, saved  # noqa: F401  # a fixture

# As in the Unity window (unity_client/Editor/GenerateWindow.uxml), but for what Unreal calls
# otherwise: level for scene, and a list of files for what is dropped.
FIELDS = [
    "Server", "Prompt", "Pictures or GLB", "Seed", "Variants", "Sizes", "LOD triangles",
    "Texture size", "Height (m)", "Pivot", "Collision", "Name", "Folder", "File name",
    "Place in level",
]  # fmt: skip
BUTTONS = [
    "Cancel", "Select", "Import again", "Half the triangles", "Edit", "Recipe", "Forget",
]  # fmt: skip


def tick() -> None:
    for one in list(unreal.ticks):
        one(0.0)


@pytest.fixture
def plugin(engine: Project) -> Iterator[Project]:
    """The plugin as the engine starts it."""
    source = Path(panel.__file__).parent.parent / "init_unreal.py"
    exec(compile(source.read_text(), str(source), "exec"), {})
    tick()
    yield engine
    for one in list(unreal.shutdowns):
        one()


def click(name: str) -> None:
    unreal.EditorUtilitySubsystem.tabs[-1].parts[name].on_clicked.broadcast()


def shown(name: str) -> str:
    return str(unreal.EditorUtilitySubsystem.tabs[-1].parts[name].shown)


def cards() -> list[Any]:
    return list(unreal.EditorUtilitySubsystem.tabs[-1].parts["Jobs"].children)


def texts(card: Any) -> list[str]:
    return [one.shown for one in card.children if isinstance(one, unreal.TextBlock)]


def buttons(card: Any) -> dict[str, Any]:
    return {one.label: one for one in card.children[-1].children}


def ended(record: JobRecord) -> State:
    until(lambda: record.has_ended and session().tracker.view_of(record) is None, tick)
    tick()
    return record.state


def test_the_form_has_the_fields_of_the_unity_window(plugin: Project) -> None:
    labels = [one.meta["DisplayName"] for one in panel.LodsmithForm.uproperties.values()]
    assert labels[: len(FIELDS)] == FIELDS
    assert labels[len(FIELDS) :] == ["Nanite", "Static Mesh", "Replaces"]


def test_the_words_are_those_of_the_unity_window() -> None:
    folder = ROOT / "unity_client" / "Editor"
    window = re.findall(r'label="([^"]+)"', (folder / "GenerateWindow.uxml").read_text("utf-8"))
    window = [word.replace("Place in scene", "Place in level") for word in window]
    assert window == [word for word in FIELDS if word != "Pictures or GLB"]
    card = re.findall(r'<ui:Button .*?text="([^"]+)"', (folder / "JobCard.uxml").read_text("utf-8"))
    assert [word for word in card if "Copy" not in word] == [b for b in BUTTONS if b != "Recipe"]


def test_every_field_reaches_the_form_and_comes_back(plugin: Project) -> None:
    for form in (
        GenerateForm(
            name="A", prompt="a barrel", seed=5, variants=2, budgets=[9, 8], textureSize=512,
            height=1.5, pivot="center", collision="hull", folder="/Game/A", fileName="{name}",
            replaces="/Game/SM_A", place=True, nanite=True,
        ),
        GenerateForm(images=["a.png", "b.jpg"]),
        GenerateForm(mesh="a.GLB"),
        GenerateForm(staticMesh="/Game/SM_A"),
    ):  # fmt: skip
        fields = panel.LodsmithForm()
        panel.write_form(fields, form)
        assert panel.read_form(fields) == form


def test_presets_fill_in_sizes(plugin: Project) -> None:
    form = session().with_preset(GenerateForm(prompt="a", budgets=[7]), "mobile")
    assert (form.budgets, form.textureSize) == ([7], 1024)
    assert session().with_preset(GenerateForm(prompt="a"), "nothing").budgets == []


def test_test_shows_the_server(plugin: Project, server: Peer) -> None:
    panel.open_panel()
    fields = panel.form_fields()
    fields.server = address_of(server)
    click("Test")
    assert shown("ServerStatus") == "Asks..."
    until(lambda: shown("ServerStatus") != "Asks...", tick)
    assert shown("ServerStatus").startswith("Lodsmith ")
    assert "waiting" in shown("ServerStatus")
    fields.server = "nonsense"
    click("Test")
    assert "a server's address is like" in shown("ServerStatus")


def test_reroll_takes_another_seed(plugin: Project) -> None:
    panel.open_panel()
    seeds = set()
    for _ in range(5):
        click("Reroll")
        seeds.add(panel.form_fields().seed)
    assert len(seeds) == 5
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_wrong_form_is_told_and_not_sent(plugin: Project) -> None:
    panel.open_panel()
    click("Generate")
    assert shown("Problem").startswith("Nothing to start from")
    panel.form_fields().budgets = "many"
    click("Generate")
    assert shown("Problem").startswith("LOD triangles must be like")
    assert session().tracker.records == []


def test_a_click_becomes_an_asset(
    plugin: Project,
    glb_server: StartServer,
    glb: str,  # noqa: F811
) -> None:
    with glb_server() as peer:
        panel.open_panel()
        fields = panel.form_fields()
        panel.write_form(fields, GenerateForm(name="Steps20", mesh=glb, place=True))
        fields.server = address_of(peer)
        click("Generate")
        assert shown("Problem") == ""
        (record,) = session().tracker.records
        until(lambda: cards() and "bake" in texts(cards()[0])[3], tick)
        (card,) = cards()
        title, details, status, stages, _ = texts(card)
        assert title == "Steps20"
        assert "seed 0" in details
        assert status.startswith("running: ")
        assert "%" in stages
        assert list(buttons(card)) == BUTTONS
        assert buttons(card)["Cancel"].visibility == unreal.SlateVisibility.VISIBLE
        assert buttons(card)["Select"].visibility == unreal.SlateVisibility.COLLAPSED
        assert ended(record) is State.IMPORTED, record.message
    assert texts(card)[2] == "imported"
    assert "triangles" in texts(card)[1]
    assert [one.percent for one in card.children if hasattr(one, "percent")] == [1.0]
    assert [one.texture for one in card.children if isinstance(one, unreal.Image)] != [None]
    assert buttons(card)["Cancel"].visibility == unreal.SlateVisibility.COLLAPSED
    until(lambda: unreal.EditorActorSubsystem.actors, tick)
    buttons(card)["Select"].on_clicked.broadcast()
    browsed = [call for call in unreal.calls if call[0].endswith("sync_browser_to_objects")]
    assert browsed[-1][1] == (["/Game/Lodsmith/Steps20/SM_Steps20"],)
    assert saved(plugin) == asset("Steps20") | {"LodsmithPanel"}


def test_recipe_edit_and_forget(plugin: Project) -> None:
    panel.open_panel()
    form = GenerateForm(prompt="a barrel", seed=8)
    record = session().tracker.submit(form, "nonsense")
    until(cards, tick)
    (card,) = cards()
    read: list[str] = []
    unreal.EditorDialog.answers.append(lambda box: bool(read.append(box.text)))
    buttons(card)["Recipe"].on_clicked.broadcast()
    assert json.loads(read[0]) == {"prompt": "a barrel", "seed": 8}
    buttons(card)["Edit"].on_clicked.broadcast()
    assert panel.read_form(panel.form_fields()) == form
    buttons(card)["Forget"].on_clicked.broadcast()
    until(lambda: not cards(), tick)
    assert record not in session().tracker.records


def test_a_panel_that_is_opened_again_shows_the_history(plugin: Project) -> None:
    session().tracker.submit(GenerateForm(prompt="first"), "nonsense")
    session().tracker.submit(GenerateForm(prompt="second"), "nonsense")
    panel.open_panel()
    until(lambda: len(cards()) == 2, tick)
    panel.open_panel()
    until(lambda: len(cards()) == 2, tick)
    assert len(unreal.EditorUtilitySubsystem.tabs) == 1
    created = [call for call in unreal.calls if call[0] == "AssetTools.create_asset"]
    assert len(created) == 1


def test_an_open_panel_that_is_opened_again_asks_once(plugin: Project) -> None:
    for _ in range(3):
        panel.open_panel()
    panel.form_fields().server = "http://127.0.0.1:1"
    panel.form_fields().prompt = "a barrel"
    click("Generate")
    tick()
    assert len(session().tracker.records) == len(cards()) == 1


def test_the_panel_follows_its_tab(plugin: Project) -> None:
    panel.open_panel()
    panel.form_fields().server = "http://127.0.0.1:1"
    panel.form_fields().prompt = "a barrel"
    click("Generate")
    unreal.EditorUtilitySubsystem.change_level()
    panel.follow_tab()
    until(cards, tick)
    click("Generate")
    until(lambda: len(cards()) == 2, tick)
    listeners = session().tracker.listeners
    count = len(listeners)
    unreal.EditorUtilitySubsystem.tabs.clear()  # closed
    panel.follow_tab()
    assert len(listeners) == count - 1
    tick()


def test_without_a_panel_there_is_a_dialog(
    plugin: Project,
    glb_server: StartServer,
    glb: str,  # noqa: F811
) -> None:
    """Plan B: the same form in a dialog, and the engine's own notifications."""
    unreal.EditorUtilitySubsystem.can_show_tabs = False
    with glb_server() as peer:

        def wrong(fields: Any) -> bool:
            return True  # OK, but nothing is filled in

        def right(fields: Any) -> bool:
            panel.write_form(fields, GenerateForm(name="Steps20", mesh=glb))
            fields.server = address_of(peer)
            return True

        unreal.EditorDialog.answers += [wrong, right]
        unreal.ToolMenus.menus["LevelEditor.MainMenu.Tools"].entries["LodsmithOpen"].click()
        assert unreal.EditorDialog.messages[0].startswith("Nothing to start from")
        assert any("here is a dialog instead" in text for _, text in unreal.logged)
        (record,) = session().tracker.records
        until(lambda: unreal.EditorUtilitySubsystem.tasks, tick)
        (task,) = unreal.EditorUtilitySubsystem.tasks
        assert ended(record) is State.IMPORTED, record.message
    until(lambda: unreal.EditorUtilitySubsystem.finished, tick)
    assert str(task.get_task_title_override()) == "Lodsmith: Steps20"
    assert any("bake" in text for text in task.texts)
    assert task.success is True
    assert saved(plugin) >= asset("Steps20")


def test_a_dialog_can_be_given_up(plugin: Project) -> None:
    unreal.EditorDialog.answers.append(lambda fields: False)
    panel.open_dialog()
    assert session().tracker.records == []


def test_a_notification_cancels(plugin: Project, server: Peer) -> None:
    record = session().tracker.submit(GenerateForm(prompt="slow barrel"), address_of(server))
    (task,) = unreal.EditorUtilitySubsystem.tasks
    until(lambda: record.job, tick)
    task.cancel_clicked = True
    assert ended(record) is State.CANCELLED
    tick()
    assert task.success is False


def test_notifications_come_one_after_another(plugin: Project, server: Peer) -> None:
    first = session().tracker.submit(GenerateForm(prompt="slow a"), address_of(server))
    second = session().tracker.submit(GenerateForm(prompt="slow b"), address_of(server))
    tasks = list(unreal.EditorUtilitySubsystem.tasks)
    assert [task.is_begun for task in tasks] == [True, False]
    session().tracker.cancel(second)  # ends before it is shown
    assert ended(second) is State.CANCELLED
    session().tracker.cancel(first)
    assert ended(first) is State.CANCELLED
    until(lambda: not unreal.EditorUtilitySubsystem.tasks, tick)
    assert [task.success for task in tasks] == [False, False]


def test_menu_entries_are_where_they_belong(plugin: Project) -> None:
    found = [
        (menu, entry.label)
        for menu, one in unreal.ToolMenus.menus.items()
        for entry in one.entries.values()
    ]
    assert found == [(menu, label) for menu, _, label, _ in menus.ENTRIES]


def entry(name: str) -> Any:
    for menu in unreal.ToolMenus.menus.values():
        if name in menu.entries:
            return menu.entries[name]
    raise AssertionError(name)


def test_generate_here_takes_the_folder(plugin: Project) -> None:
    for folder in ("/All/Game/Props", "/Game/Props"):
        unreal.EditorUtilityLibrary.selected_folders[:] = [folder]
        entry("LodsmithHere").click()
        assert panel.form_fields().folder == "/Game/Props"


def mesh_in(project: Project, path: str) -> Any:
    mesh = unreal.StaticMesh()
    project.add(mesh, path)
    return mesh


def test_lods_are_made_for_the_selected_mesh(plugin: Project) -> None:
    mesh = mesh_in(plugin, "/Game/SM_A")
    unreal.EditorUtilityLibrary.selected_assets[:] = [mesh]
    entry("LodsmithLods").click()
    expected = GenerateForm(staticMesh="/Game/SM_A", replaces="/Game/SM_A")
    assert panel.read_form(panel.form_fields()) == expected
    entry("LodsmithReplace").click()
    assert panel.read_form(panel.form_fields()) == GenerateForm(replaces="/Game/SM_A")


def test_lods_are_made_for_the_selected_actor(plugin: Project) -> None:
    actor = unreal.StaticMeshActor()
    actor.static_mesh_component = unreal.StaticMeshComponent()
    actor.static_mesh_component.static_mesh = mesh_in(plugin, "/Game/SM_B")
    unreal.EditorActorSubsystem.selected[:] = [actor]
    entry("LodsmithActorLods").click()
    assert panel.form_fields().static_mesh == "/Game/SM_B"


def test_nothing_selected_is_told(plugin: Project) -> None:
    entry("LodsmithLods").click()
    assert unreal.EditorDialog.messages == ["Select a Static Mesh, or an actor that shows one."]
    assert unreal.EditorUtilitySubsystem.tabs == []


def test_settings_are_written_once_and_hold_no_token(plugin: Project) -> None:
    read: list[str] = []
    unreal.EditorDialog.answers += [lambda box: bool(read.append(box.text))] * 2
    entry("LodsmithSettings").click()
    file = session().settings_file
    file.write_text(file.read_text().replace("50052", "50099"))
    entry("LodsmithSettings").click()
    assert session().settings.server.endswith(":50099")
    assert "token" not in file.read_text().lower()
    assert str(file) in read[0]


def test_bad_settings_are_told_and_do_not_stop_anything(plugin: Project) -> None:
    session().settings_file.parent.mkdir(parents=True)
    session().settings_file.write_text("{")
    assert session().settings.server == "http://127.0.0.1:50052"
    assert any("Lodsmith.json cannot be read" in text for kind, text in unreal.logged if kind)


def test_a_commandlet_gets_no_menus(engine: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unreal.SystemLibrary, "command_line", "A.uproject -run=PythonScript")
    source = Path(panel.__file__).parent.parent / "init_unreal.py"
    exec(compile(source.read_text(), str(source), "exec"), {})
    assert unreal.ToolMenus.menus == {}
    assert unreal.ticks == []
