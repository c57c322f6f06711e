"""The plugin's folder: what the engine reads, and what the code may be made of."""

import ast
import json
import struct
import sys
from pathlib import Path

import pytest

from tests.unreal_client.conftest import PLUGIN, PYTHON

ENGINE_SIDE = {
    "compat", "farm", "importer", "menus", "notifications", "panel", "session",
}  # fmt: skip
SOURCES = sorted(PYTHON.rglob("*.py"))
GENERATED = {"schema.py"}
STANDARD = set(sys.stdlib_module_names)


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found.add(str(node.module))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_is_python_3_9(path: Path) -> None:
    ast.parse(path.read_text("utf-8"), feature_version=(3, 9))


def test_later_syntax_would_be_found() -> None:
    for text in ("match x:\n    case 1: pass", "try: pass\nexcept* E: pass"):
        with pytest.raises(SyntaxError):
            ast.parse(text, feature_version=(3, 9))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_needs_the_standard_library_and_the_engine_alone(path: Path) -> None:
    roots = {name.partition(".")[0] for name in imports(path)}
    assert roots <= STANDARD | {"lodsmith", "unreal"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_core_knows_no_engine(path: Path) -> None:
    is_engine_side = path.stem in ENGINE_SIDE or path.name == "init_unreal.py"
    assert ("unreal" in imports(path)) == is_engine_side
    if not is_engine_side:
        assert not {f"lodsmith.{one}" for one in ENGINE_SIDE} & imports(path)


def test_the_descriptor_names_what_the_plugin_needs() -> None:
    descriptor = json.loads((PLUGIN / "Lodsmith.uplugin").read_text("utf-8"))
    assert descriptor["FileVersion"] == 3
    assert descriptor["CanContainContent"] is True
    assert "Modules" not in descriptor  # nothing to compile
    enabled = {one["Name"] for one in descriptor["Plugins"] if one["Enabled"]}
    assert enabled == {
        "PythonScriptPlugin", "EditorScriptingUtilities", "ScriptableEditorWidgets",
        "Interchange", "GLTFExporter",
    }  # fmt: skip


def test_the_icon_is_a_picture_of_128() -> None:
    data = (PLUGIN / "Resources" / "Icon128.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)


def test_what_ships_is_small_and_known() -> None:
    files = [
        path for path in PLUGIN.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {path.suffix for path in files} <= {".py", ".png", ".md", ".uplugin", ".yml", ".json"}
    assert sum(path.stat().st_size for path in files) < 1 << 20


def test_the_smoke_test_has_fifteen_steps_that_say_what_to_see() -> None:
    text = (PLUGIN / "SMOKE_TEST.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 16))
    assert all(len(row.split("|")) == 5 and row.split("|")[3].strip() for row in rows)
    assert "not yet run by us" in text


def count_code() -> tuple[int, int]:
    """Return lines of the hand-written code: all, and those that are code."""
    files = [path for path in SOURCES if path.name not in GENERATED]
    everything = sum(len(path.read_text("utf-8").splitlines()) for path in files)
    code = 0
    for path in files:
        tree = ast.parse(path.read_text("utf-8"))
        docstrings: set[int] = set()
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body:
                first = node.body[0]
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    docstrings |= set(range(first.lineno, (first.end_lineno or 0) + 1))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            stripped = line.strip()
            code += bool(stripped) and not stripped.startswith("#") and number not in docstrings
    return everything, code


def test_it_stays_a_thin_client() -> None:
    everything, code = count_code()
    print(f"hand-written: {everything} lines, {code} of them code")
    assert code < 2500
