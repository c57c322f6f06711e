"""A behaving fake of the members of Unreal Engine's Python module that the plugin uses."""

from unreal.assets import *  # noqa: F403
from unreal.editor import *  # noqa: F403
from unreal.interchange import *  # noqa: F403
from unreal.menus import *  # noqa: F403
from unreal.objects import *  # noqa: F403
from unreal.widgets import *  # noqa: F403


def Array(type: object) -> list[object]:  # noqa: N802  # the engine's own name
    """The type of an array of something."""
    return [type]
