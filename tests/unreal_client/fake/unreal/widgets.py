"""Widgets of the panel: a tree in the blueprint, and the instance that a tab shows."""

from collections.abc import Callable
from typing import Any

from unreal.objects import EnumBase, Object, recorded
from unreal.project import Asset, project


class SlateVisibility(EnumBase):
    VISIBLE = "VISIBLE"
    COLLAPSED = "COLLAPSED"


class MulticastDelegateBase:
    def __init__(self) -> None:
        self._callables: list[Callable[[], object]] = []

    @recorded
    def add_callable(self, callable: Callable[[], object]) -> None:
        self._callables.append(callable)

    def broadcast(self) -> None:
        for one in self._callables:
            one()


class Widget(Object):
    parent: "PanelWidget | None" = None
    visibility = SlateVisibility.VISIBLE

    @recorded
    def set_visibility(self, visibility: str) -> None:
        self.visibility = visibility

    @recorded
    def remove_from_parent(self) -> None:
        if self.parent is not None:
            self.parent.children.remove(self)


class PanelWidget(Widget):
    def __init__(self, outer: Object | None = None, name: str = "None") -> None:
        super().__init__(outer, name)
        self.children: list[Widget] = []

    @recorded
    def add_child(self, content: Widget) -> None:
        content.parent = self
        self.children.append(content)


class VerticalBox(PanelWidget): ...


class HorizontalBox(PanelWidget): ...


class EditorUtilityScrollBox(PanelWidget): ...


class TextBlock(Widget):
    _properties = {"text": ""}

    @recorded
    def set_text(self, text: str) -> None:
        self._values["text"] = text

    @property
    def shown(self) -> str:
        return str(self._values["text"])


class EditorUtilityButton(PanelWidget):
    def __init__(self, outer: Object | None = None, name: str = "None") -> None:
        super().__init__(outer, name)
        self.on_clicked = MulticastDelegateBase()

    @recorded
    def set_content(self, content: Widget) -> None:
        self.add_child(content)

    @property
    def label(self) -> str:
        return self.children[0].shown  # type: ignore[attr-defined]


class EditorUtilityProgressBar(Widget):
    percent = 0.0

    @recorded
    def set_percent(self, percent: float) -> None:
        self.percent = percent


class Image(Widget):
    texture: Any = None

    @recorded
    def set_brush_from_texture(self, texture: Any, match_size: bool = False) -> None:
        self.texture = texture


class DetailsView(Widget):
    object: Object | None = None

    @recorded
    def set_object(self, new_object: Object) -> None:
        self.object = new_object


class EditorUtilityWidgetBlueprint(Asset):
    """tree: kind, name and parent of each widget, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tree: list[tuple[type[Widget], str, str, Widget]] = []
        self.is_compiled = False

    def to_json(self) -> dict[str, Any]:
        return {
            **super().to_json(),
            "tree": [
                [kind.__name__, name, parent, getattr(widget, "shown", "")]
                for kind, name, parent, widget in self.tree
            ],
        }

    def from_json(self, document: dict[str, Any]) -> None:
        super().from_json(document)
        for kind_name, name, parent, text in document["tree"]:
            kind = globals()[kind_name]
            widget = kind()
            if text:
                widget.set_text(text)
            self.tree.append((kind, name, parent, widget))
        self.is_compiled = True


class EditorUtilityWidget(Widget):
    """What a tab shows: a copy of the blueprint's tree."""

    def __init__(self, blueprint: EditorUtilityWidgetBlueprint) -> None:
        super().__init__()
        assert blueprint.is_compiled
        self.parts: dict[str, Widget] = {}
        for kind, name, parent, template in blueprint.tree:
            part = self.parts[name] = kind()
            part._values.update(template._values)
            if parent:
                self.parts[parent].add_child(part)  # type: ignore[attr-defined]

    @recorded
    def find_child_widget_by_name(self, widget_name: str) -> Widget | None:
        return self.parts.get(widget_name)


project.kinds["EditorUtilityWidgetBlueprint"] = EditorUtilityWidgetBlueprint
