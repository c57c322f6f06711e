"""The Lodsmith tab, built from Editor Utility widgets, and the same form as a dialog."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from typing import Any, Callable

import unreal

from lodsmith import compat
from lodsmith.form import COLLISIONS, PIVOTS, BadForm, GenerateForm, budgets_of, to_document
from lodsmith.importer import show_in_browser, subsystem
from lodsmith.records import JobRecord, State
from lodsmith.schema import StageState
from lodsmith.session import session

BLUEPRINT = "/Lodsmith/LodsmithPanel"
MOST_CARDS = 30
_MOST_SEED = 2**31 - 1  # of the field's number


def _field(kind: Any, label: str, tip: str = "", **meta: str) -> Any:
    meta = {"DisplayName": label, "ToolTip": tip, "Category": "Lodsmith", **meta}
    return unreal.uproperty(kind, meta=meta)


_FILES = "*.png;*.jpg;*.webp;*.glb"


@unreal.uclass()
class LodsmithForm(unreal.Object):
    """The form's fields, in the order of the Unity window; the last four are Unreal's alone."""

    server = _field(str, "Server", "Address of the server's HTTP port")
    prompt = _field(str, "Prompt", MultiLine="true")
    files = _field(
        unreal.Array(unreal.FilePath),  # pyright: ignore[reportAbstractUsage]
        "Pictures or GLB",
        "One or several pictures of one object, or one GLB to make LODs of",
        FilePathFilter=f"Pictures and GLB ({_FILES})|{_FILES}",
    )
    seed = _field(int, "Seed")
    variants = _field(int, "Variants", "How many, with seeds that follow on each other. 0: one")
    preset = _field(str, "Sizes", "Of Config/Lodsmith.json: hero, prop, mobile")
    budgets = _field(str, "LOD triangles", "Most of LOD0, ... Empty: 20000, 10000, 4000, 1000")
    texture_size = _field(int, "Texture size", "Texels along each side, a power of two. 0: 2048")
    height = _field(float, "Height (m)", "0: a metre along the longest side; a GLB keeps its size")
    pivot = _field(str, "Pivot", f"Empty or one of: {', '.join(PIVOTS)}")
    collision = _field(str, "Collision", f"Empty or one of: {', '.join(COLLISIONS)}")
    asset_name = _field(str, "Name", "Empty: made from the prompt")
    folder = _field(
        str, "Folder", "Tokens: {name} {seed} {lod0} {date} {time}. Empty: as in the settings"
    )
    file_name = _field(str, "File name", "Tokens as above. Empty: as in the settings")
    place = _field(bool, "Place in level")
    nanite = _field(bool, "Nanite", "Nanite data and no LODs")
    static_mesh = _field(str, "Static Mesh", "Make LODs of this one")
    replaces = _field(str, "Replaces", "A Static Mesh that keeps its references")


# Fields whose values are the form's, with the form's names.
_SAME = {
    "asset_name": "name",
    "texture_size": "textureSize",
    "file_name": "fileName",
    "static_mesh": "staticMesh",
    **{name: name for name in ("prompt", "seed", "variants", "height", "pivot", "collision")},
    **{name: name for name in ("folder", "place", "nanite", "replaces")},
}


def read_form(fields: Any) -> GenerateForm:
    """Return what is in the fields. Raises `BadForm`."""
    paths = [str(one.get_editor_property("file_path")) for one in fields.files]
    # The engine's file dialog may give paths relative to its own binaries.
    paths = [unreal.Paths.convert_relative_path_to_full(path) for path in paths if path]
    glbs = [path for path in paths if path.lower().endswith(".glb")]
    if glbs and len(paths) > 1:
        raise BadForm("Give either pictures or one GLB; remove the others.")
    default = asdict(GenerateForm())
    same = {key: type(default[key])(getattr(fields, name)) for name, key in _SAME.items()}
    return GenerateForm(
        **same,
        images=[] if glbs else paths,
        mesh=glbs[0] if glbs else "",
        budgets=budgets_of(str(fields.budgets)),
    )


def write_form(fields: Any, form: GenerateForm) -> None:
    """Show a form in the fields."""
    for name, key in _SAME.items():
        setattr(fields, name, getattr(form, key))
    fields.seed = min(form.seed, _MOST_SEED)
    fields.budgets = ", ".join(str(budget) for budget in form.budgets)
    paths = []
    for file in filter(None, (form.mesh, *form.images)):
        paths.append(unreal.FilePath())
        paths[-1].set_editor_property("file_path", file)
    fields.files = paths


def generate(fields: Any) -> str:
    """Ask for what is in the fields; return what is wrong with it, "" if it is on its way."""
    try:
        form = session().with_preset(read_form(fields), str(fields.preset))
    except BadForm as error:
        return str(error)
    return session().generate(form, str(fields.server))


class Panel:
    """What the tab shows. Raises whatever the engine raises where a part cannot be built."""

    def __init__(self, fields: LodsmithForm, widget: Any) -> None:
        self.fields = fields
        self.widget = widget
        self._cards: dict[str, Card] = {}
        self._waiting: dict[str, JobRecord] = {}
        self._part("Form").set_object(fields)
        for name, act in (
            ("Test", self._test),
            ("Reroll", lambda: setattr(fields, "seed", random.randrange(_MOST_SEED + 1))),
            ("Generate", lambda: self.show_problem(generate(fields))),
        ):
            self._part(name).on_clicked.add_callable(act)
        tracker = session().tracker
        tracker.listeners.append(self._hear)
        for record in reversed(tracker.records[:MOST_CARDS]):
            self._hear(record)

    def show_problem(self, text: str) -> None:
        """Say what is wrong."""
        self._part("Problem").set_text(unreal.Text(text))

    def close(self) -> None:
        """Let go of the jobs."""
        session().tracker.listeners.remove(self._hear)

    def _part(self, name: str) -> Any:
        part = compat.child_widget(self.widget, name)
        if part is None:
            raise compat.Missing(f"the panel has no {name}")
        return part

    def _test(self) -> None:
        status = self._part("ServerStatus")
        status.set_text(unreal.Text("Asks..."))
        address = str(self.fields.server) or session().settings.server
        session().test(address, lambda line: status.set_text(unreal.Text(line)))

    def _hear(self, record: JobRecord) -> None:
        """Show a record soon: however often it changes meanwhile, it is drawn once."""
        if record.id not in self._waiting:
            session().main_thread.post(lambda: self._draw(record.id))
        self._waiting[record.id] = record

    def _draw(self, record_id: str) -> None:
        record = self._waiting.pop(record_id)
        jobs = self._part("Jobs")
        if record not in session().tracker.records:
            card = self._cards.pop(record_id, None)
            if card is not None:
                card.box.remove_from_parent()
            return
        if record_id not in self._cards:
            self._cards[record_id] = Card(self, jobs, record)
        self._cards[record_id].show()


class Card:
    """A job in the panel."""

    def __init__(self, panel: Panel, jobs: Any, record: JobRecord) -> None:
        self._panel, self._record = panel, record
        self._shown: dict[str, str] = {}
        outer = panel.widget
        self.box = unreal.new_object(unreal.VerticalBox, outer)
        self._texts = {
            name: unreal.new_object(unreal.TextBlock, outer)
            for name in ("title", "details", "status", "stages", "warnings")
        }
        title, details, status, stages, warnings = self._texts.values()
        self._bar = unreal.new_object(unreal.EditorUtilityProgressBar, outer)
        self._picture = unreal.new_object(unreal.Image, outer)
        row = unreal.new_object(unreal.HorizontalBox, outer)
        for part in (title, details, status, self._bar, self._picture, stages, warnings, row):
            self.box.add_child(part)
        self._buttons = {}
        for label, act in self._acts():
            button = unreal.new_object(unreal.EditorUtilityButton, outer)
            text = unreal.new_object(unreal.TextBlock, outer)
            text.set_text(unreal.Text(label))
            button.set_content(text)
            button.on_clicked.add_callable(act)
            row.add_child(button)
            self._buttons[label] = button
        jobs.add_child(self.box)

    def _acts(self) -> Sequence[tuple[str, Callable[[], object]]]:
        record, tracker = self._record, session().tracker
        recipe = json.dumps(to_document(record.form), indent=2, ensure_ascii=False)
        return (
            ("Cancel", lambda: tracker.cancel(record)),
            ("Select", lambda: show_in_browser(record.plans[0].mesh)),
            ("Import again", lambda: tracker.reimport(record)),
            ("Half the triangles", lambda: session().again_at_half(record)),
            ("Edit", lambda: write_form(self._panel.fields, record.form)),
            ("Recipe", lambda: show_text("Recipe", recipe)),
            ("Forget", lambda: tracker.remove(record)),
        )

    def show(self) -> None:
        """Bring the widgets to what the job is now; only what changed is touched."""
        record = self._record
        view = session().tracker.view_of(record)
        details = [f"seed {record.form.seed}", record.time, record.triangles_text, record.server]
        status = record.message or (view.status if view else "")
        self._text("title", record.form.title)
        self._text("details", ", ".join(part for part in details if part))
        self._text("status", f"{record.state.value}: {status}" if status else record.state.value)
        self._text("stages", "\n".join(_row(row) for row in view.stages) if view else "")
        self._text("warnings", "\n".join([*record.warnings, *(view.warnings if view else [])]))
        self._bar.set_percent(view.fraction if view else float(record.state is State.IMPORTED))
        if record.thumbnail and self._shown.get("picture") != record.thumbnail:
            self._shown["picture"] = record.thumbnail
            picture = unreal.RenderingLibrary.import_file_as_texture2d(
                self._panel.widget, record.thumbnail
            )
            if picture is not None:
                self._picture.set_brush_from_texture(picture, True)
        is_made = record.state is State.IMPORTED
        ended = record.has_ended
        when = {"Cancel": not ended, "Forget": ended, "Edit": True, "Recipe": True}
        shown, hidden = unreal.SlateVisibility.VISIBLE, unreal.SlateVisibility.COLLAPSED
        for label, button in self._buttons.items():
            button.set_visibility(shown if when.get(label, is_made) else hidden)

    def _text(self, name: str, text: str) -> None:
        if self._shown.get(name) != text:
            self._shown[name] = text
            self._texts[name].set_text(unreal.Text(text))


def _row(row: Any) -> str:
    done = {StageState.SUCCEEDED: "done", StageState.REUSED: "kept", StageState.FAILED: "failed"}
    return f"{row.label}  {done.get(row.state, f'{row.fraction:.0%}')}"


def _blueprint() -> Any:
    """Return the panel's widget blueprint; made once, in the plugin's own content."""
    assets = unreal.EditorAssetLibrary
    if assets.does_asset_exist(BLUEPRINT):
        return assets.load_asset(BLUEPRINT)
    folder, _, name = BLUEPRINT.rpartition("/")
    kind = unreal.EditorUtilityWidgetBlueprint.static_class()
    factory = unreal.EditorUtilityWidgetBlueprintFactory()
    tools = unreal.AssetToolsHelpers.get_asset_tools()
    blueprint: Any = tools.create_asset(name, folder, kind, factory)
    for kind, part, parent in (
        (unreal.VerticalBox, "Root", ""),
        (unreal.HorizontalBox, "ServerRow", "Root"),
        (unreal.EditorUtilityButton, "Test", "ServerRow"),
        (unreal.TextBlock, "ServerStatus", "ServerRow"),
        (unreal.DetailsView, "Form", "Root"),
        (unreal.HorizontalBox, "Actions", "Root"),
        (unreal.EditorUtilityButton, "Reroll", "Actions"),
        (unreal.EditorUtilityButton, "Generate", "Actions"),
        (unreal.TextBlock, "Problem", "Root"),
        (unreal.EditorUtilityScrollBox, "Jobs", "Root"),
        (unreal.TextBlock, "TestLabel", "Test"),
        (unreal.TextBlock, "RerollLabel", "Reroll"),
        (unreal.TextBlock, "GenerateLabel", "Generate"),
    ):
        widget = unreal.EditorUtilityLibrary.add_source_widget(blueprint, kind, part, parent)  # pyright: ignore[reportArgumentType]
        if part.endswith("Label"):
            widget.set_editor_property("text", unreal.Text(part[: -len("Label")]))
    unreal.BlueprintEditorLibrary.compile_blueprint(blueprint)
    assets.save_loaded_asset(blueprint, False)  # a plugin that cannot be written makes it each time
    return blueprint


@unreal.uclass()
class LodsmithText(unreal.Object):
    """A text to copy: Python has no clipboard here."""

    text = _field(str, "Text", MultiLine="true")


def show_text(title: str, text: str) -> None:
    """Show a text that can be copied."""
    box = LodsmithText()
    box.text = text
    _show_details(title, box)


def _show_details(title: str, target: Any) -> bool:
    options = unreal.EditorDialogLibraryObjectDetailsViewOptions()
    options.set_editor_property("show_object_name", False)
    return bool(unreal.EditorDialog.show_object_details_view(unreal.Text(title), target, options))


_panel: list[Panel] = []


@cache
def form_fields() -> LodsmithForm:
    """Return the form that panel and dialog share."""
    fields = LodsmithForm()
    fields.server = session().settings.server
    return fields


def follow_tab() -> None:
    """Fill the tab's widget where it is a new one, and let go of one that is gone.

    The engine makes another one for another level, and for a tab that was open at its last end.
    """
    assets, tabs = unreal.EditorAssetLibrary, subsystem(unreal.EditorUtilitySubsystem)
    if assets.does_asset_exist(BLUEPRINT):
        widget = tabs.find_utility_widget_from_blueprint(assets.load_asset(BLUEPRINT))  # pyright: ignore[reportArgumentType]
        _show(widget)


def _show(widget: Any) -> None:
    """Fill a widget, once: a tab that is open has the one that is filled already."""
    if [panel.widget for panel in _panel] == [widget]:
        return
    while _panel:
        _panel.pop().close()
    if widget:
        _panel.append(Panel(form_fields(), widget))


def open_panel() -> None:
    """Open the tab; where this engine cannot build it, the form as a dialog."""
    try:
        _show(subsystem(unreal.EditorUtilitySubsystem).spawn_and_register_tab(_blueprint()))
        if not _panel:
            raise compat.Missing("the engine opens no tab")
    except Exception as error:  # whatever it is: the way out is the same
        problem = f"the panel cannot be built ({error}); here is a dialog instead"
        session().editor.log(problem, is_problem=True)
        open_dialog()


def open_dialog() -> None:
    """Show the form as a dialog until it is right or given up; jobs show as notifications."""
    fields = form_fields()
    while _show_details("Lodsmith", fields):
        problem = generate(fields)
        if not problem:
            return
        unreal.EditorDialog.show_message(
            unreal.Text("Lodsmith"), unreal.Text(problem), unreal.AppMsgType.OK
        )
