"""Names -> folders, checkpoints, conditioners; nothing here may touch a network."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.checkpoints.add import add
from pipeline.checkpoints.library import (
    STARTER,
    find_checkpoint,
    find_conditioner,
    find_place,
    resolve,
)
from pipeline.checkpoints.records import Record, write_record
from pipeline.errors import ModelUnavailable
from pipeline.model.sparse_structure import SparseStructureDecoder
from pipeline.model.weights import load
from tests.pipeline.checkpoints.published_folders import (
    entry,
    into_cache,
    write_conditioner,
    write_pipeline,
)
from tests.pipeline.checkpoints.small_models import DECODERS, write_borrower
from tests.pipeline.model.tiny_model import write_tiny_model

PINNED = entry("TRELLIS-image-large").revision


def refusal(home: Path, name: str) -> str:
    with pytest.raises(ModelUnavailable) as refused:
        resolve(home, name)
    return str(refused.value)


def test_a_name_is_the_folder_that_was_added(home: Path, tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "props")
    add(home, "barrels", folder)
    assert resolve(home, "barrels") == folder


def test_a_folder_is_itself_however_it_is_written(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_tiny_model(tmp_path / "props")
    monkeypatch.chdir(tmp_path)
    for way in (str(folder), "props", "./props", "props/../props"):
        assert resolve(home, way) == folder
    add(home, "barrels", Path("props"))
    assert find_place(home, "props/.").record is not None


def test_the_starter_has_a_name(home: Path) -> None:
    assert resolve(home, "starter") == STARTER
    assert (STARTER / "pipeline.json").is_file()


def test_an_unknown_name_says_which_there_are_and_what_to_do(home: Path, tmp_path: Path) -> None:
    add(home, "barrels", write_tiny_model(tmp_path / "props"))
    message = refusal(home, "barels")
    assert "'barels'" in message
    assert "starter, barrels" in message
    assert "lodsmith models add" in message
    assert "fetch" not in message
    assert "models fetch TRELLIS-text-base" in refusal(home, "TRELLIS-text-base")
    refusal(home, "")


def test_a_model_whose_folder_is_gone_says_so(home: Path, tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "props")
    add(home, "barrels", folder)
    folder.rename(tmp_path / "moved")
    message = refusal(home, "barrels")
    assert str(folder) in message
    assert "lodsmith models remove barrels" in message


@pytest.mark.parametrize(
    "name",
    ["TRELLIS-image-large", "microsoft/TRELLIS-image-large", "JeffreyXiang/TRELLIS-image-large"],
)
@pytest.mark.parametrize("owner", ["microsoft", "JeffreyXiang"])
def test_a_repository_in_the_cache_goes_by_all_its_names(
    home: Path, hub_cache: Path, tmp_path: Path, owner: str, name: str
) -> None:
    folder = write_tiny_model(tmp_path / "download")
    snapshot = into_cache(hub_cache, f"{owner}/TRELLIS-image-large", PINNED, folder)
    place = find_place(home, name)
    assert place.path == snapshot
    assert (place.repository, place.revision) == ("microsoft/TRELLIS-image-large", PINNED)


def test_the_pinned_snapshot_comes_before_the_newest(
    home: Path, hub_cache: Path, tmp_path: Path
) -> None:
    repository, newer, other = "microsoft/TRELLIS-image-large", "0" * 40, "f" * 40
    for revision in (newer, other):
        into_cache(hub_cache, repository, revision, write_tiny_model(tmp_path / revision))
    main = hub_cache / "models--microsoft--TRELLIS-image-large" / "refs" / "main"
    main.parent.mkdir()
    main.write_text(other)
    assert resolve(home, repository).name == other
    into_cache(hub_cache, repository, PINNED, write_tiny_model(tmp_path / "pinned"))
    assert resolve(home, repository).name == PINNED
    assert resolve(home, f"{repository}@{newer}").name == newer
    refusal(home, f"{repository}@{'a' * 40}")


def test_any_repository_in_the_cache_is_a_model(
    home: Path, hub_cache: Path, tmp_path: Path
) -> None:
    folder = write_tiny_model(tmp_path / "download")
    snapshot = into_cache(hub_cache, "studio/props", "1" * 40, folder)
    assert resolve(home, "studio/props") == snapshot


def test_a_snapshot_of_single_files_is_no_model(
    home: Path, hub_cache: Path, tmp_path: Path
) -> None:
    folder = write_tiny_model(tmp_path / "download")
    (folder / "pipeline.json").unlink()
    into_cache(hub_cache, "studio/props", "1" * 40, folder)
    refusal(home, "studio/props")


def test_a_checkpoint_of_the_model_itself_needs_nothing_else(home: Path, tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "props")
    assert find_checkpoint("ckpts/ss_dec", folder, home) == folder / "ckpts" / "ss_dec"


@pytest.mark.parametrize("name", ["props", "studio-props"])
def test_borrowed_decoders_are_found_among_what_was_added(
    home: Path, tmp_path: Path, name: str
) -> None:
    lender = write_tiny_model(tmp_path / "lender")
    add(home, name, lender)
    borrower = write_borrower(tmp_path / "borrower", f"studio/{name}")
    for stem in DECODERS.values():
        path = find_checkpoint(f"studio/{name}/ckpts/{stem}", borrower, home)
        assert path == lender / "ckpts" / stem


def test_borrowed_decoders_are_found_in_the_cache(
    home: Path, hub_cache: Path, tmp_path: Path
) -> None:
    snapshot = into_cache(
        hub_cache, "studio/props", "1" * 40, write_tiny_model(tmp_path / "lender")
    )
    borrower = write_borrower(tmp_path / "borrower")
    path = find_checkpoint("studio/props/ckpts/ss_dec", borrower, home)
    assert path == snapshot / "ckpts" / "ss_dec"
    assert isinstance(load(SparseStructureDecoder, path, "cpu"), SparseStructureDecoder)


def test_a_missing_repository_is_named_with_the_command(home: Path, tmp_path: Path) -> None:
    borrower = write_borrower(tmp_path / "borrower")
    with pytest.raises(ModelUnavailable) as refused:
        find_checkpoint("studio/props/ckpts/ss_dec", borrower, home)
    message = str(refused.value)
    assert "the repository studio/props" in message
    assert "lodsmith models add props FOLDER" in message
    assert "fetch" not in message
    with pytest.raises(ModelUnavailable, match="lodsmith models fetch TRELLIS-image-large"):
        find_checkpoint("JeffreyXiang/TRELLIS-image-large/ckpts/ss_dec", borrower, home)


def test_another_owner_s_repository_of_the_same_name_is_not_taken(
    home: Path, hub_cache: Path, tmp_path: Path
) -> None:
    into_cache(hub_cache, "someone/TRELLIS-image-large", "1" * 40, write_tiny_model(tmp_path / "x"))
    with pytest.raises(ModelUnavailable, match="microsoft/TRELLIS-image-large"):
        find_checkpoint("microsoft/TRELLIS-image-large/ckpts/ss_dec", tmp_path, home)


@pytest.mark.parametrize(
    "bad",
    ["", "/etc/passwd", "../x/ckpts/a", "ckpts/../../x", "a/b/../../../c", "C:/x", "ckpts\\a", None,
     3, ["ckpts/a"], "ckpts/\0"],
)  # fmt: skip
def test_an_entry_that_leaves_the_folder_is_refused(
    home: Path, tmp_path: Path, bad: object
) -> None:
    with pytest.raises(ModelUnavailable, match="must be a path below"):
        find_checkpoint(bad, tmp_path, home)  # type: ignore[arg-type]


def test_a_missing_file_of_the_model_itself_is_named(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"ckpts/ss_dec\.json is missing"):
        find_checkpoint("ckpts/ss_dec", tmp_path, home)


@pytest.mark.parametrize(
    ("name", "conditioner"),
    [("clip", "openai/clip-vit-large-patch14"), ("dinov2", "dinov2_vitl14_reg")],
)
def test_conditioners_are_found_where_their_record_says(
    home: Path, tmp_path: Path, name: str, conditioner: str
) -> None:
    folder = write_conditioner(tmp_path / "files", name)
    record = Record(
        name=name, path=folder, repository=entry(name).repository, revision="", is_fetched=False,
        license="MIT", is_license_accepted=False, files={},
    )  # fmt: skip
    write_record(home, record)
    assert find_conditioner(conditioner, home) == folder


def test_conditioners_are_found_in_the_cache(home: Path, hub_cache: Path, tmp_path: Path) -> None:
    repository = "facebook/dinov2-with-registers-large"
    folder = write_conditioner(tmp_path / "dinov2", "dinov2")
    snapshot = into_cache(hub_cache, repository, entry("dinov2").revision, folder)
    assert find_conditioner("dinov2_vitl14_reg", home) == snapshot
    (snapshot / "model.safetensors").unlink()  # as after a download that broke off
    with pytest.raises(ModelUnavailable, match="models add dinov2 FOLDER"):
        find_conditioner("dinov2_vitl14_reg", home)


@pytest.mark.parametrize(
    ("conditioner", "place"),
    [
        ("dinov2_vitl14_reg", ".cache/torch/hub/checkpoints/dinov2_vitl14_reg4_pretrain.pth"),
        ("u2net", ".u2net/u2net.onnx"),
    ],
)
def test_what_other_programs_have_downloaded_serves(
    home: Path, conditioner: str, place: str
) -> None:
    with pytest.raises(ModelUnavailable, match="lodsmith models add"):
        find_conditioner(conditioner, home)
    file = Path.home() / place
    file.parent.mkdir(parents=True)
    file.touch()
    assert find_conditioner(conditioner, home) == file


def test_an_unknown_conditioner_is_refused_with_those_there_are(home: Path) -> None:
    with pytest.raises(ModelUnavailable, match="dinov2_vitl14_reg, openai/clip"):
        find_conditioner("dinov3", home)


def test_a_published_text_model_finds_the_image_model_s_decoders(
    home: Path, hub_cache: Path, tmp_path: Path
) -> None:
    image = write_pipeline(tmp_path / "image", "TRELLIS-image-large")
    snapshot = into_cache(hub_cache, "microsoft/TRELLIS-image-large", PINNED, image)
    text = write_pipeline(tmp_path / "text", "TRELLIS-text-base")
    stem = "ckpts/slat_dec_mesh_swin8_B_64l8m256c_fp16"
    assert (
        find_checkpoint(f"JeffreyXiang/TRELLIS-image-large/{stem}", text, home) == snapshot / stem
    )


def test_looking_up_imports_neither_torch_nor_transformers() -> None:
    program = (
        "import sys; from pathlib import Path; from pipeline.checkpoints.library import resolve; "
        "resolve(Path('/nowhere'), 'starter'); "
        "print([m for m in ('torch', 'transformers', 'numpy.testing') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
