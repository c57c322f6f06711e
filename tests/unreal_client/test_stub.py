"""Every name of the engine that the plugin uses is one of 5.6, by the published stub.

pyright checks what the plugin calls; the fake, on which all else runs, is held against the stub
here, with parameters and properties. What they do is not checked by this.
"""

import inspect
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import unreal

from tests.unreal_client.conftest import PYTHON, ROOT
from tests.unreal_client.stub import ENVIRONMENT, Stub, stub_file

# Of later engines: combine_static_meshes_behavior and its enum, seen in public code for 5.8.
LATER = {"InterchangeCombineStaticMeshesBehavior", "combine_static_meshes_behavior"}
# Of the fake itself: how tests look into it, and which parts of the engine are objects.
OWN = {
    "calls", "logged", "ticks", "shutdowns", "transactions", "recorded", "spent", "by_path",
    "project", "read_glb", "Lod", "Asset", "Project",
}  # fmt: skip


@pytest.fixture(scope="module")
def stub() -> Stub:
    file = stub_file()
    if file is None:
        reason = "no unreal-stub: `make test-unreal` installs it"
        if os.environ.get("LODSMITH_REQUIRE_UNREAL_STUB") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return Stub(file)


def pyright(folder: Path) -> list[dict[str, Any]]:
    """Check the plugin in a folder; return the errors."""
    command = [str(ENVIRONMENT / "bin" / "pyright"), "-p", str(folder), "--outputjson"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    report = json.loads(result.stdout)
    assert report["summary"]["filesAnalyzed"] > 15
    errors: list[dict[str, Any]] = report["generalDiagnostics"]
    return errors


def test_the_plugin_has_right_types(stub: Stub) -> None:
    assert pyright(ROOT / "unreal_client") == []


@pytest.mark.parametrize(
    ("right", "wrong", "found"),
    [
        ("set_lod_from_static_mesh(", "set_lod_from_mesh(", '"set_lod_from_mesh" for class'),
        ("unreal.GLTFExporter.", "unreal.GltfExporter.", '"GltfExporter" is not a known'),
        ("mesh.set_material(", "mesh.set_materials(", '"set_materials" for class "StaticMesh"'),
        ("mesh, settings, True)", "mesh, settings, True, 2)", "Expected 3 positional arguments"),
    ],
)
def test_a_wrong_name_is_caught(
    stub: Stub, tmp_path: Path, right: str, wrong: str, found: str
) -> None:
    """A checker that finds nothing may not look."""
    shutil.copytree(PYTHON, tmp_path / "Lodsmith" / "Content" / "Python")
    settings = json.loads((ROOT / "unreal_client" / "pyrightconfig.json").read_text())
    settings["stubPath"] = str(ENVIRONMENT / "typings")
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    file = tmp_path / "Lodsmith" / "Content" / "Python" / "lodsmith" / "importer.py"
    text = file.read_text()
    assert right in text
    file.write_text(text.replace(right, wrong))
    errors = pyright(tmp_path)
    assert [error["message"] for error in errors if found in error["message"]]
    assert {Path(error["file"]).name for error in errors} == {"importer.py"}


def faults(stub: Stub, module: Any) -> list[str]:
    """Return where a fake engine has what the stub does not."""
    found = []
    for name, member in vars(module).items():
        if name.startswith("_") or name in OWN | LATER or inspect.ismodule(member):
            continue
        if not getattr(member, "__module__", "").startswith("unreal"):
            continue
        if name not in stub:
            found.append(f"there is no unreal.{name}")
        elif inspect.isclass(member):
            found += class_faults(stub, name, member)
        elif name not in ("uclass", "Array"):
            found += parameter_faults(name, member, stub.function(name))
    return found


def class_faults(stub: Stub, name: str, member: type) -> list[str]:
    whole = stub.whole(name)
    found = [
        f"unreal.{name} has no property {one}"
        for one in vars(member).get("_properties", {})
        if one not in whole.properties | LATER
    ]
    for method, function in vars(member).items():
        # What is `recorded` stands for the engine's; the rest is how tests look into the fake.
        plain = getattr(function, "__func__", function)
        if method.startswith("_") or not hasattr(plain, "__wrapped__"):
            continue
        if method not in whole.methods:
            found.append(f"unreal.{name} has no method {method}")
        else:
            found += parameter_faults(f"{name}.{method}", plain, whole.methods[method])
    if issubclass(member, unreal.EnumBase):
        values = [one for one in vars(member) if not one.startswith("_")]
        found += [f"unreal.{name} has no {one}" for one in values if one not in whole.values]
    return found


def parameter_faults(name: str, function: Any, expected: list[str]) -> list[str]:
    """The fake may have fewer at the end, as they have defaults."""
    names = [one for one in inspect.signature(function).parameters if one not in ("self", "cls")]
    if names == expected[: len(names)]:
        return []
    return [f"unreal.{name} takes {expected}, not {names}"]


def test_the_fake_has_only_what_the_engine_has(stub: Stub) -> None:
    assert faults(stub, unreal) == []


def test_a_wrong_member_of_a_fake_is_caught(stub: Stub) -> None:
    class Wrong:
        class StaticMesh(unreal.StaticMesh):
            _properties = {"lod_grupe": ""}  # noqa: RUF012

            @unreal.recorded
            def get_num_lodz(self) -> int:
                return 0

            @unreal.recorded
            def get_material(self, index: int) -> None: ...

    for member in vars(Wrong).values():
        if inspect.isclass(member):
            member.__module__ = "unreal"
    found = faults(stub, Wrong)
    assert sorted(re.findall(r"lod_grupe|get_num_lodz|get_material", " ".join(found))) == [
        "get_material", "get_num_lodz", "lod_grupe",
    ]  # fmt: skip
