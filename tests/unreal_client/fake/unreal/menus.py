"""Menus, notifications, the panel's tab, and classes that are defined in Python."""

from collections.abc import Callable
from typing import Any

from unreal.editor import EditorSubsystem
from unreal.objects import EnumBase, Object, Struct, Text, recorded
from unreal.project import project
from unreal.widgets import EditorUtilityWidget, EditorUtilityWidgetBlueprint, Widget


class _Property:
    def __init__(self, kind: Any, meta: dict[str, str]) -> None:
        self.kind, self.meta = kind, meta

    def initial(self) -> Any:
        return [] if isinstance(self.kind, list) else self.kind()


def uproperty(type: Any, meta: dict[str, str] | None = None) -> Any:
    return _Property(type, meta or {})


def ufunction(
    meta: Any = None, ret: Any = None, params: Any = None, override: bool | None = None
) -> Callable[[Any], Any]:
    return lambda function: function


def uclass() -> Callable[[type], type]:
    """Make the properties of a class real; `uproperties` keeps them in their order."""

    def make(kind: type) -> type:
        properties = {
            name: one for name, one in list(vars(kind).items()) if isinstance(one, _Property)
        }
        for name in properties:
            delattr(kind, name)
        kind.uproperties = properties  # type: ignore[attr-defined]
        before = kind.__init__  # type: ignore[misc]

        def start(self: Any, *args: Any) -> None:
            before(self, *args)
            for name, one in properties.items():
                setattr(self, name, one.initial())

        kind.__init__ = start  # type: ignore[misc]
        return kind

    return make


class FilePath(Struct):
    _properties = {"file_path": ""}


class ToolMenuStringCommandType(EnumBase):
    PYTHON = "PYTHON"


class MultiBlockType(EnumBase):
    MENU_ENTRY = "MENU_ENTRY"


class ToolMenuEntry(Struct):
    def __init__(self, name: str = "None", type: str = "") -> None:
        super().__init__()
        self.name, self.label, self.command = name, "", ""

    @recorded
    def set_label(self, label: str) -> None:
        self.label = label

    @recorded
    def set_string_command(self, type: str, custom_type: str, string: str) -> None:
        assert type == ToolMenuStringCommandType.PYTHON
        self.command = string

    def click(self) -> None:
        exec(self.command, {})


class ToolMenu(Object):
    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[str, ToolMenuEntry] = {}

    @recorded
    def add_section(self, section_name: str, label: str = "") -> None: ...

    @recorded
    def add_menu_entry(self, section_name: str, args: ToolMenuEntry) -> None:
        self.entries[args.name] = args


class ToolMenus(Object):
    menus: dict[str, ToolMenu] = {}

    @classmethod
    @recorded
    def get(cls) -> "ToolMenus":
        return cls()

    @recorded
    def extend_menu(self, name: str) -> ToolMenu:
        return self.menus.setdefault(name, ToolMenu())

    @recorded
    def refresh_all_widgets(self) -> None: ...


class EditorUtilityTask(Object):
    """A notification. states: what it said; `cancel_clicked` is the user's."""

    cancel_clicked = False
    success: bool | None = None

    def __init__(self, *unused: object) -> None:
        super().__init__()
        self.texts: list[str] = []

    @recorded
    def set_task_notification_text(self, text: Text) -> None:
        assert self.success is None, "it has ended"
        self.texts.append(str(text))

    @recorded
    def was_cancel_requested(self) -> bool:
        return self.cancel_clicked

    @recorded
    def finish_executing_task(self, success: bool = True) -> None:
        self.success = success
        EditorUtilitySubsystem.tasks.remove(self)
        EditorUtilitySubsystem.finished.append(self)
        EditorUtilitySubsystem._begin()


class EditorUtilityWidgetBlueprintFactory(Object): ...


class EditorUtilitySubsystem(EditorSubsystem):
    """Shows one task after another, as the engine does."""

    tasks: list[Any] = []
    finished: list[Any] = []
    tabs: list[EditorUtilityWidget] = []
    can_show_tabs = True

    @recorded
    def register_and_execute_task(self, new_task: Any) -> None:
        self.tasks.append(new_task)
        if len(self.tasks) == 1:
            self._begin()

    @classmethod
    def _begin(cls) -> None:
        if cls.tasks:
            cls.tasks[0].receive_begin_execution()

    @recorded
    def spawn_and_register_tab(
        self, blueprint: EditorUtilityWidgetBlueprint
    ) -> EditorUtilityWidget | None:
        if not self.can_show_tabs:
            return None
        if not self.tabs:  # one that is open comes to the front
            self.tabs.append(EditorUtilityWidget(blueprint))
        return self.tabs[-1]

    @recorded
    def find_utility_widget_from_blueprint(
        self, blueprint: EditorUtilityWidgetBlueprint
    ) -> EditorUtilityWidget | None:
        return self.tabs[-1] if self.tabs else None

    @classmethod
    def change_level(cls) -> None:
        """Make the open tab's widget anew, as the engine does."""
        blueprint = project.load("/Lodsmith/LodsmithPanel")
        assert isinstance(blueprint, EditorUtilityWidgetBlueprint)
        cls.tabs[-1] = EditorUtilityWidget(blueprint)


class EditorUtilityLibrary:
    selected_assets: list[Object] = []
    selected_folders: list[str] = []

    @classmethod
    @recorded
    def get_selected_assets(cls) -> list[Object]:
        return list(cls.selected_assets)

    @classmethod
    @recorded
    def get_selected_folder_paths(cls) -> list[str]:
        return list(cls.selected_folders)

    @classmethod
    @recorded
    def add_source_widget(
        cls,
        widget_blueprint: EditorUtilityWidgetBlueprint,
        widget_class: type[Widget],
        widget_name: str,
        widget_parent_name: str,
    ) -> Widget:
        names = [name for _, name, _, _ in widget_blueprint.tree]
        assert widget_name not in names
        assert widget_parent_name in names or not names
        widget = widget_class()
        widget_blueprint.tree.append((widget_class, widget_name, widget_parent_name, widget))
        return widget


class BlueprintEditorLibrary:
    @classmethod
    @recorded
    def compile_blueprint(cls, blueprint: EditorUtilityWidgetBlueprint) -> None:
        blueprint.is_compiled = True
