"""Adding and removing models: what is recorded, and what is refused."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.checkpoints import add as adding
from pipeline.checkpoints import catalog
from pipeline.checkpoints.add import add, remove
from pipeline.checkpoints.library import find_conditioner, resolve
from pipeline.checkpoints.records import find_record, read_records
from pipeline.checkpoints.verify import verify
from pipeline.errors import Cancelled, InvalidInput, ModelUnavailable
from tests.pipeline.checkpoints.published_folders import entry, into_cache, write_tensors
from tests.pipeline.checkpoints.small_models import change_json, write_borrower
from tests.pipeline.model.tiny_model import write_tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "props")


def test_a_model_lives_from_add_to_remove(folder: Path, home: Path) -> None:
    added = add(home, "barrels", folder)
    assert added.missing == ()
    assert added.record.license == "MIT"  # its pipeline.json says so
    found = {path: facts.sha256 for path, facts in added.record.files.items()}
    assert found == {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }
    assert resolve(home, "barrels") == folder
    assert not verify(folder, home).problems
    assert not remove(home, "barrels")
    assert (folder / "pipeline.json").exists()
    assert read_records(home) == []
    with pytest.raises(ModelUnavailable):
        resolve(home, "barrels")


def test_nothing_is_copied(folder: Path, home: Path) -> None:
    add(home, "barrels", folder)
    assert [path.name for path in home.iterdir()] == ["barrels.json"]


def test_a_broken_model_is_refused_with_each_of_its_files(folder: Path, home: Path) -> None:
    (folder / "ckpts" / "ss_dec.safetensors").unlink()
    (folder / "ckpts" / "slat_flow.safetensors").write_bytes(b"short")
    (folder / "ckpts" / "notes.txt").touch()
    with pytest.raises(ModelUnavailable) as refused:
        add(home, "barrels", folder)
    message = str(refused.value)
    for name in ("ss_dec.safetensors", "slat_flow.safetensors", "notes.txt"):
        assert name in message
    assert not home.exists()


def test_what_a_model_borrows_may_come_later(folder: Path, tmp_path: Path, home: Path) -> None:
    borrower = write_borrower(tmp_path / "text")
    added = add(home, "text", borrower)
    assert len(added.missing) == 2
    assert "lodsmith models add props FOLDER" in added.missing[0].text
    assert verify(borrower, home).problems
    add(home, "props", folder)
    assert not verify(borrower, home).problems


@pytest.mark.parametrize("name", ["starter", "Barrels", "a/b", ""])
def test_a_name_that_cannot_be_is_refused(folder: Path, home: Path, name: str) -> None:
    add(home, "barrels", folder)
    with pytest.raises(InvalidInput):
        add(home, name, folder)
    assert len(read_records(home)) == 1


def test_a_path_with_nothing_is_refused(tmp_path: Path, home: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing at"):
        add(home, "barrels", tmp_path / "no")
    with pytest.raises(ModelUnavailable, match=r"no pipeline\.json.*dinov2.*clip.*u2net"):
        add(home, "barrels", tmp_path)


def test_a_licence_must_be_agreed_to(folder: Path, home: Path) -> None:
    change_json(folder / "pipeline.json", lambda c: c["args"].update(license="CC-BY-NC-4.0"))
    with pytest.raises(InvalidInput, match=r"CC-BY-NC-4\.0.*--accept-license"):
        add(home, "barrels", folder)
    assert not home.exists()
    record = add(home, "barrels", folder, is_license_accepted=True).record
    assert (record.license, record.is_license_accepted) == ("CC-BY-NC-4.0", True)


def test_a_model_that_declares_no_licence_needs_consent(folder: Path, home: Path) -> None:
    change_json(folder / "pipeline.json", lambda c: c["args"].pop("license"))
    with pytest.raises(InvalidInput, match="declares no licence"):
        add(home, "barrels", folder)


def test_a_stop_while_hashing_leaves_no_record(folder: Path, home: Path) -> None:
    def stop(file: Path, done_bytes: int, total_bytes: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        add(home, "barrels", folder, progress=stop)
    assert not home.exists()


def test_a_name_of_the_catalog_is_for_that_model(folder: Path, home: Path) -> None:
    with pytest.raises(InvalidInput, match="is not clip"):
        add(home, "clip", folder)
    with pytest.raises(ModelUnavailable, match="the published file"):
        add(home, "TRELLIS-image-large", folder)
    assert not home.exists()


def test_a_snapshot_in_the_cache_keeps_its_origin(
    folder: Path, hub_cache: Path, home: Path
) -> None:
    snapshot = into_cache(hub_cache, "studio/props", "1" * 40, folder)
    record = add(home, "barrels", snapshot).record
    assert (record.repository, record.revision) == ("studio/props", "1" * 40)
    assert record.path == snapshot  # and not what its links point to


@pytest.fixture
def small_catalog(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """u2net as a file of a few bytes, and a model whose decoder's hash is known."""
    content = b"not really a network"
    file = catalog.PublishedFile(
        path="u2net.onnx", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    small = catalog.Published(name="u2net", url="https://x", license="Apache-2.0", files=(file,))
    rest = tuple(one for one in catalog.PUBLISHED if one.name != "u2net")
    for module in (catalog, adding):
        monkeypatch.setattr(module, "PUBLISHED", (*rest, small))
    return {"u2net.onnx": content}


@pytest.mark.parametrize("is_folder", [True, False])
@pytest.mark.parametrize("name", ["u2net", "U2NET"])
def test_a_conditioner_goes_by_the_catalogs_name(
    tmp_path: Path, home: Path, small_catalog: dict[str, bytes], name: str, is_folder: bool
) -> None:
    file = tmp_path / "u2net.onnx"
    file.write_bytes(small_catalog[file.name])
    record = add(home, name, tmp_path if is_folder else file).record
    assert (record.name, record.path, record.license) == ("u2net", file, "Apache-2.0")
    assert find_conditioner("u2net", home) == file
    assert not verify(file, home).problems


def test_a_conditioner_with_other_bytes_is_refused(
    tmp_path: Path, home: Path, small_catalog: dict[str, bytes]
) -> None:
    file = tmp_path / "u2net.onnx"
    file.write_bytes(small_catalog[file.name][::-1])
    with pytest.raises(ModelUnavailable, match="not the published"):
        add(home, "u2net", file)
    file.rename(tmp_path / "other.onnx")
    with pytest.raises(ModelUnavailable, match=r"called u2net\.onnx"):
        add(home, "u2net", tmp_path / "other.onnx")


def test_a_folder_of_any_name_is_the_published_one_if_its_bytes_are(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "ckpts/ss_dec.safetensors"
    digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
    known = catalog.Published(
        name="published-props",
        repository="studio/published-props",
        revision="1" * 40,
        license="MIT",
        files=(catalog.PublishedFile(path=path, sha256=digest),),
    )
    for module in (catalog, adding):
        monkeypatch.setattr(module, "PUBLISHED", (*catalog.PUBLISHED, known))
    assert add(home, "mine", folder).record.repository == "studio/published-props"
    file = folder / path
    tensors = load_file(file)
    tensors["out_layer.2.bias"] += torch.ones(1)
    save_file(tensors, file)
    assert add(home, "changed", folder).record.repository == ""


def test_removing_what_was_fetched_deletes_it_and_nothing_else(folder: Path, home: Path) -> None:
    from pipeline.checkpoints.library import Place

    ours = home / "ours"
    home.mkdir()
    folder.rename(ours)
    add(home, "ours", ours, source=Place(path=ours, repository="studio/props", revision="1" * 40))
    assert (record := find_record(home, "ours")) is not None
    assert record.is_fetched
    (home / "other").mkdir()
    assert remove(home, "ours")
    assert [path.name for path in home.iterdir()] == ["other"]


def test_a_record_that_points_elsewhere_deletes_nothing(folder: Path, home: Path) -> None:
    add(home, "barrels", folder)
    file = home / "barrels.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "is_fetched": True}))
    assert not remove(home, "barrels")
    assert folder.exists()


def test_a_real_conditioner_is_read_by_its_header(tmp_path: Path, home: Path) -> None:
    from pipeline.checkpoints.manifest import conditioner_tensors

    tensors = conditioner_tensors("dinov2")
    (tmp_path / "config.json").write_text("{}")
    write_tensors(tmp_path / "model.safetensors", dict(list(tensors.items())[1:]))
    with pytest.raises(ModelUnavailable, match=r"embeddings\.cls_token is missing"):
        add(home, "dinov2", tmp_path)
    assert entry("dinov2").pipeline is None
