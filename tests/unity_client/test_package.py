"""The Unity package: what Unity needs of it before it runs a line."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unity_client.conftest import ROOT

PACKAGE = ROOT / "unity_client"
METAS = ROOT / ".ci" / "unity-metas"
ASSEMBLIES = [
    json.loads(path.read_text("utf-8")) | {"folder": path.parent}
    for path in PACKAGE.rglob("*.asmdef")
    if "~" not in str(path)
]


def test_the_manifest_names_what_is_there() -> None:
    manifest = json.loads((PACKAGE / "package.json").read_text("utf-8"))
    assert manifest["name"] == "com.lodsmith.client"
    assert manifest["unity"] == "2022.3"
    assert [*manifest["dependencies"]] == ["com.unity.cloud.gltfast"]
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert manifest["version"] == version[1]
    samples = [sample["path"] for sample in manifest["samples"]]
    assert all(path.startswith("Samples~/") for path in samples)
    on_disk = {f"Samples~/{path.name}" for path in PACKAGE.glob("Samples~/*/")}
    assert on_disk <= {*samples}


def test_the_licence_is_the_project_s() -> None:
    assert (PACKAGE / "LICENSE.md").read_text() == (ROOT / "LICENSE").read_text()


def test_nothing_is_binary() -> None:
    for path in PACKAGE.rglob("*"):
        if path.is_file():
            assert b"\0" not in path.read_bytes(), path


@pytest.mark.parametrize("assembly", ASSEMBLIES, ids=lambda assembly: assembly["name"])
def test_assemblies_are_of_the_editor_alone(assembly: dict[str, Any]) -> None:
    names = {other["name"] for other in ASSEMBLIES}
    unity_s = {"UnityEngine.TestRunner", "UnityEditor.TestRunner"}
    assert assembly["includePlatforms"] == ["Editor"]
    assert {*assembly["references"]} <= names | unity_s
    assert assembly["noEngineReferences"] == (assembly["name"] == "Lodsmith.Core")
    assert assembly["folder"] / f"{assembly['name']}.asmdef" in {*assembly["folder"].iterdir()}


def test_every_script_is_in_an_assembly() -> None:
    folders = [assembly["folder"] for assembly in ASSEMBLIES]
    for path in PACKAGE.rglob("*.cs"):
        if "~" not in str(path.relative_to(PACKAGE)):
            assert any(folder in path.parents for folder in folders), path


def test_core_knows_no_engine() -> None:
    for path in (PACKAGE / "Core").rglob("*.cs"):
        assert not re.search(r"\bUnity(Engine|Editor)\b", path.read_text("utf-8")), path


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package beside a copy of the script."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(METAS, tmp_path / ".ci")
    shutil.copytree(PACKAGE, tmp_path / "unity_client")
    return tmp_path


def check(folder: Path) -> str:
    """Return what the check complains of, "" for nothing."""
    script = folder / ".ci" / "unity-metas"
    result = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert (result.returncode == 0) == (result.stderr == "")
    return result.stderr


def test_every_file_has_its_meta(copy: Path) -> None:
    assert check(copy) == ""
    guids = [
        re.search(r"^guid: ([0-9a-f]{32})$", path.read_text("utf-8"), re.MULTILINE)
        for path in (copy / "unity_client").rglob("*.meta")
    ]
    assert len(guids) == len({guid and guid[1] for guid in guids}) > 30


def test_the_check_of_metas_finds_what_is_wrong(copy: Path) -> None:
    package = copy / "unity_client"
    (package / "Core" / "New.cs").touch()
    (package / "Core" / "StatusCode.cs").unlink()
    license_meta = package / "LICENSE.md.meta"
    license_meta.write_text((package / "README.md.meta").read_text())
    (package / "Hidden~").mkdir()
    (package / "Hidden~" / "Other.cs").touch()
    complaints = check(copy)
    assert "Core/New.cs.meta is missing" in complaints
    assert "Core/StatusCode.cs.meta is of no file" in complaints
    assert "LICENSE.md.meta is wrong" in complaints
    assert "Other.cs" not in complaints
    subprocess.run([sys.executable, str(copy / ".ci" / "unity-metas")], check=True)
    assert check(copy) == ""
    (package / "icon.xyz").touch()
    assert "no importer is known for '.xyz'" in check(copy)
