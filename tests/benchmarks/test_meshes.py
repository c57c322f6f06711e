"""The table of test meshes: pinned, checked, and never the wrong file."""

import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from benchmarks import meshes


def test_every_model_is_pinned() -> None:
    for name, model in meshes.MODELS.items():
        assert re.fullmatch("[0-9a-f]{40}", model.source.commit), name
        assert re.fullmatch("[0-9a-f]{64}", model.sha256), name
        assert model.license, name
        assert model.author, name


def test_twelve_models_state_a_license_and_four_are_as_generated() -> None:
    stated = [model for model in meshes.MODELS.values() if "not stated" not in model.license]
    assert len(stated) >= 12
    assert len([name for name in meshes.MADE if name.startswith("gen_")]) >= 4


def test_what_is_made_is_made_from_a_model() -> None:
    assert {made.source for made in meshes.MADE.values()} <= set(meshes.MODELS)
    assert len(set(meshes.NAMES)) == len(meshes.NAMES)
    assert set(meshes.THIN) | set(meshes.OPEN) | set(meshes.GLBS) <= set(meshes.NAMES)


def test_another_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshes, "FOLDER", tmp_path)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "spot.obj").write_text("v 0 0 0\n")
    with pytest.raises(SystemExit, match="not the file that was measured on"):
        meshes.load("spot")


def test_a_failed_download_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(url: str, timeout: float) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(meshes, "FOLDER", tmp_path)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(SystemExit, match=r"no network.*download https://raw.*as .*spot\.obj"):
        meshes.load("spot")


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(SystemExit, match=r"no test mesh 'teapot'.*koala"):
        meshes.load("teapot")


def test_a_made_mesh_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshes, "FOLDER", tmp_path)
    first = meshes.load(meshes.LATTICE)
    assert (tmp_path / "lattice.npz").exists()
    assert (meshes.load(meshes.LATTICE).positions == first.positions).all()
