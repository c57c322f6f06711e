"""The plugin on the property names of several engines.

What was seen of each engine, all of `InterchangeGenericMeshPipeline`:

    5.3, 5.4  dev.epicgames.com, python-api/class/... and the C++ page of bImportCollision
    5.5       dev.epicgames.com, python-api/class/...: collision
    5.6       unreal-stub 0.3, whole: collision, and import_collision for old scripts
    5.7       dev.epicgames.com, python-api/class/...: its beginning only; the C++ page without a
              version, of 5.7 or 5.8, has bCollision and bCombineStaticMeshes
    5.8       no page: combine_static_meshes_behavior and its enum are in public code that runs
              there; combine_static_meshes is deprecated there
"""

import os
import subprocess
import sys
from typing import Any

import pytest
import unreal
from lodsmith import compat
from unreal.project import Project

from tests.unreal_client.conftest import FAKE, PYTHON, ROOT

OLD, NEW = "combine_static_meshes", "combine_static_meshes_behavior"
BEFORE = {OLD, "import_collision"}
SINCE = {OLD, "collision", "import_collision"}
# Engine: its names; then what must be taken for meshes apart, and for collision.
ENGINES = {
    "5.3": (BEFORE, OLD, "import_collision"),
    "5.4": (BEFORE, OLD, "import_collision"),
    "5.5": (SINCE, OLD, "collision"),
    "5.6": (SINCE, OLD, "collision"),
    "5.7": (SINCE, OLD, "collision"),
    "5.8": ({OLD, NEW, "collision"}, NEW, "collision"),
}


def pipeline(names: set[str]) -> Any:
    class InterchangeGenericMeshPipeline(unreal.Object):
        _properties = dict.fromkeys(names)

    return InterchangeGenericMeshPipeline()


class Behavior:
    DO_NOT_COMBINE = "DO_NOT_COMBINE"


@pytest.mark.parametrize("version", ENGINES)
def test_each_engine_is_called_by_its_names(
    engine: Project, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    names, apart, collision = ENGINES[version]
    kind = "InterchangeCombineStaticMeshesBehavior"
    if version == "5.8":
        monkeypatch.setattr(unreal, kind, Behavior)
    else:
        monkeypatch.delattr(unreal, kind)
    monkeypatch.setattr(compat, "_logged", set())
    target = pipeline(names)
    assert compat.set_property(target, compat.KEEP_MESHES_APART) == apart
    assert compat.set_property(target, compat.collision(False)) == collision
    expected = "DO_NOT_COMBINE" if version == "5.8" else False
    assert target.get_editor_property(apart) == expected
    assert target.get_editor_property(collision) is False
    said = [text for _, text in unreal.logged]
    assert any(f"{apart} is what this engine has" in text for text in said)
    assert any(f"{collision} is what this engine has" in text for text in said)


def test_it_is_logged_once(engine: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "_logged", set())
    for _ in range(3):
        compat.set_property(pipeline({"collision"}), compat.collision(True))
    assert len(unreal.logged) == 1


def test_an_engine_with_none_of_the_names_is_told(engine: Project) -> None:
    with pytest.raises(compat.Missing, match="has no collision, import_collision; this engine"):
        compat.set_property(pipeline({"something"}), compat.collision(True))


def test_parts_of_a_widget_are_found_in_old_engines() -> None:
    class Old:
        def get_editor_property(self, name: str) -> str:
            return f"property {name}"

    class New(Old):
        def find_child_widget_by_name(self, widget_name: str) -> str:
            return f"child {widget_name}"

    assert compat.child_widget(Old(), "Jobs") == "property Jobs"
    assert compat.child_widget(New(), "Jobs") == "child Jobs"


@pytest.mark.parametrize("version", ["5.4", "5.8"])
def test_imports_work_with_the_names_of_other_engines(version: str) -> None:
    """The importer's tests, on a fake with those names."""
    environment = {
        **os.environ,
        "UNREAL_FAKE_VERSION": version,
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, PYTHON, FAKE))),
    }
    words = "lods_and_hulls or replaced_in_place or nanite"
    file = ROOT / "tests" / "unreal_client" / "test_importer.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
    result = subprocess.run(
        [*command, "-k", words], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert "3 passed" in result.stdout, result.stdout + result.stderr
