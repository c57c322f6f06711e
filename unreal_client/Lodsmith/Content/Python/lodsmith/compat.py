"""What engines call by other names, 5.4 to 5.8: the newer name is tried first, and logged."""

from collections.abc import Sequence
from typing import Any, Callable, NamedTuple

import unreal


class Choice(NamedTuple):
    """A property's name in some engines, and what makes its value there."""

    name: str
    value: Callable[[], Any]


class Missing(Exception):
    """This engine has none of the names that the plugin knows."""


# A Static Mesh per mesh of the file: LODs must come apart.
KEEP_MESHES_APART = (
    Choice(
        "combine_static_meshes_behavior",  # 5.8
        lambda: unreal.InterchangeCombineStaticMeshesBehavior.DO_NOT_COMBINE,  # pyright: ignore
    ),
    Choice("combine_static_meshes", lambda: False),
)


def collision(is_wanted: bool) -> Sequence[Choice]:
    """Import hulls, or make none at all: without hulls in the file the engine makes its own."""
    return (
        Choice("collision", lambda: is_wanted),  # 5.5
        Choice("import_collision", lambda: is_wanted),
    )


_logged = set()


def set_property(target: Any, choices: Sequence[Choice]) -> str:
    """Set the first property of the choices that this engine has; return its name.

    Raises:
        Missing: If it has none of them.
    """
    for choice in choices:
        try:
            target.set_editor_property(choice.name, choice.value())
        except Exception:  # the engine raises this class for a name that is not there
            continue
        kind = type(target).__name__
        if (kind, choice.name) not in _logged:
            _logged.add((kind, choice.name))
            unreal.log(f"Lodsmith: {kind}.{choice.name} is what this engine has")
        return choice.name
    names = ", ".join(choice.name for choice in choices)
    raise Missing(f"{type(target).__name__} has no {names}; this engine is not supported yet")


def child_widget(widget: Any, name: str) -> Any:
    """Return the part of an Editor Utility Widget that has a name."""
    if hasattr(widget, "find_child_widget_by_name"):  # 5.6
        return widget.find_child_widget_by_name(name)
    return widget.get_editor_property(name)
