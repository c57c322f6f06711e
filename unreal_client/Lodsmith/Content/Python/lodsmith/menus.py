"""Entries in the editor's menus. They fill the form and leave the last click to the user."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import unreal

from lodsmith.form import GenerateForm
from lodsmith.importer import subsystem
from lodsmith.panel import form_fields, open_panel, show_text, write_form
from lodsmith.session import session
from lodsmith.settings import write_settings

OWNER = "Lodsmith"
_TOOLS = "LevelEditor.MainMenu.Tools"
_FOLDER, _MESH = "ContentBrowser.FolderContextMenu", "ContentBrowser.AssetContextMenu.StaticMesh"
# Menu, entry, label, what it calls here.
ENTRIES = (
    (_TOOLS, "LodsmithOpen", "Lodsmith", "open_panel"),
    (_TOOLS, "LodsmithSettings", "Lodsmith settings", "show_settings"),
    (_FOLDER, "LodsmithHere", "Generate here", "generate_here"),
    (_MESH, "LodsmithLods", "Make LODs", "make_lods"),
    (_MESH, "LodsmithReplace", "Replace in place", "replace_in_place"),
    ("LevelEditor.ActorContextMenu", "LodsmithActorLods", "Make LODs", "make_lods"),
)


def register() -> None:
    """Add the entries."""
    menus, section = unreal.ToolMenus.get(), unreal.Name(OWNER)
    for menu_name, name, label, function in ENTRIES:
        menu = menus.extend_menu(unreal.Name(menu_name))
        menu.add_section(section, unreal.Text(OWNER))
        entry = unreal.ToolMenuEntry(name=unreal.Name(name), type=unreal.MultiBlockType.MENU_ENTRY)
        entry.set_label(unreal.Text(label))
        entry.set_string_command(
            unreal.ToolMenuStringCommandType.PYTHON,
            unreal.Name(),
            f"from lodsmith import menus; menus.{function}()",
        )
        menu.add_menu_entry(section, entry)
    menus.refresh_all_widgets()


def generate_here() -> None:
    """Open the panel with the selected folder."""
    folders = [str(one) for one in unreal.EditorUtilityLibrary.get_selected_folder_paths()]
    # The Content Browser's own paths begin with /All.
    folder = folders[0][4:] if folders and folders[0].startswith("/All/") else "".join(folders[:1])
    _open_with(replace(GenerateForm(), folder=folder))


def make_lods() -> None:
    """Open the panel with the selected Static Mesh, whose LODs are set back into it."""
    mesh = _selected_mesh()
    if mesh:
        _open_with(replace(GenerateForm(), staticMesh=mesh, replaces=mesh))


def replace_in_place() -> None:
    """Open the panel for another asset that takes the place of the selected Static Mesh."""
    mesh = _selected_mesh()
    if mesh:
        _open_with(replace(GenerateForm(), replaces=mesh))


def show_settings() -> None:
    """Write the settings' file, if there is none yet, and tell where it is."""
    file = session().settings_file
    if not file.exists():
        write_settings(file, session().settings)
    show_text(
        "Lodsmith settings",
        f"{file}\n\nThe token is not in it: set LODSMITH_TOKEN, or run in the Python console\n"
        "from lodsmith.session import session; session().tokens.write(SERVER, TOKEN)",
    )


def _selected_mesh() -> str:
    """Return the path of the selected Static Mesh, or of the actor's; "", with a message."""
    meshes: list[Any] = [
        one
        for one in unreal.EditorUtilityLibrary.get_selected_assets()
        if isinstance(one, unreal.StaticMesh)
    ]
    for actor in subsystem(unreal.EditorActorSubsystem).get_selected_level_actors():
        if isinstance(actor, unreal.StaticMeshActor):
            meshes.append(actor.static_mesh_component.static_mesh)
    if not meshes:
        unreal.EditorDialog.show_message(
            unreal.Text("Lodsmith"),
            unreal.Text("Select a Static Mesh, or an actor that shows one."),
            unreal.AppMsgType.OK,
        )
        return ""
    return str(meshes[0].get_path_name().partition(".")[0])


def _open_with(form: GenerateForm) -> None:
    write_form(form_fields(), form)
    open_panel()
