"""What `verify` finds: every way in which a model can be broken, named by file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.checkpoints.add import add
from pipeline.checkpoints.library import STARTER
from pipeline.checkpoints.records import Record, write_record
from pipeline.checkpoints.verify import Verification, verify
from pipeline.errors import Cancelled
from tests.pipeline.checkpoints.published_folders import (
    entry,
    into_cache,
    write_conditioner,
    write_pipeline,
    write_tensors,
)
from tests.pipeline.checkpoints.small_models import change_json, write_borrower
from tests.pipeline.model.tiny_model import write_tiny_model

IMAGE = "microsoft/TRELLIS-image-large"
STEM = "ckpts/ss_dec_conv3d_16l8_fp16"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "props")


def problems(folder: Path, home: Path, *, is_quick: bool = True) -> dict[str, str]:
    return {f.file: f.text for f in verify(folder, home, is_quick=is_quick).problems}


def rewrite(file: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def test_the_starter_is_whole(home: Path) -> None:
    found = verify(STARTER, home)
    assert not found.problems
    files = {f.file for f in found.findings}
    assert {"pipeline.json", "ckpts/ss_flow.safetensors", "ckpts/image_cond.json"} <= files
    assert all(len(f.sha256) == 64 for f in found.findings)


def test_a_small_model_is_whole(folder: Path, home: Path) -> None:
    assert problems(folder, home) == {}
    files = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}
    assert {f.file for f in verify(folder, home, is_quick=True).findings} == files


@pytest.mark.parametrize("kept", [0, 4, 200, -1])
def test_a_file_cut_short_is_named(folder: Path, home: Path, kept: int) -> None:
    file = folder / "ckpts" / "slat_flow.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    found = problems(folder, home)
    assert list(found) == ["ckpts/slat_flow.safetensors"]
    assert "cut short" in found["ckpts/slat_flow.safetensors"]


def test_missing_and_foreign_and_misshapen_tensors_are_named(folder: Path, home: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors["out_layer.0.bias"]
        tensors["share_mod.weight"] = torch.zeros(2)
        tensors["out_layer.2.bias"] = torch.zeros(7)

    rewrite(folder / "ckpts" / "ss_dec.safetensors", change)
    assert problems(folder, home) == {
        "ckpts/ss_dec.safetensors": "out_layer.0.bias is missing; out_layer.2.bias has shape [7], "
        "not [1]; share_mod.weight is foreign"
    }


def test_many_differences_are_counted(folder: Path, home: Path) -> None:
    rewrite(folder / "ckpts" / "ss_dec.safetensors", lambda tensors: tensors.clear())
    (text,) = problems(folder, home).values()
    assert text.endswith("more")
    assert text.count("is missing") == 3


@pytest.mark.parametrize("dtype", [torch.float64, torch.int32, torch.uint8])
def test_a_type_that_holds_no_weights_is_named(
    folder: Path, home: Path, dtype: torch.dtype
) -> None:
    rewrite(
        folder / "ckpts" / "ss_dec.safetensors",
        lambda tensors: tensors.update({"out_layer.2.bias": torch.zeros(1).to(dtype)}),
    )
    (text,) = problems(folder, home).values()
    assert text.startswith("out_layer.2.bias is ")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_of_one_s_own_may_be_stored_in_half_precision(
    folder: Path, home: Path, dtype: torch.dtype
) -> None:
    file = folder / "ckpts" / "ss_flow.safetensors"
    save_file({key: tensor.to(dtype) for key, tensor in load_file(file).items()}, file)
    assert problems(folder, home) == {}


def test_foreign_files_are_named(folder: Path, home: Path) -> None:
    (folder / "ckpts" / "notes.txt").write_text("try 3")
    (folder / "ckpts" / "old.safetensors").touch()
    (folder / "ckpts" / "deep").mkdir()
    (folder / "ckpts" / "deep" / "a.json").touch()
    (folder / "ckpts" / ".DS_Store").touch()
    (folder / "notes.txt").write_text("outside")
    found = problems(folder, home)
    assert set(found) == {"ckpts/notes.txt", "ckpts/old.safetensors", "ckpts/deep/a.json"}
    assert all("foreign" in text for text in found.values())


def test_a_checkpoint_that_the_pipeline_does_not_name_is_checked_too(
    folder: Path, home: Path
) -> None:
    for suffix in (".json", ".safetensors"):
        content = (folder / "ckpts" / f"ss_dec{suffix}").read_bytes()
        (folder / "ckpts" / f"spare{suffix}").write_bytes(content)
    assert problems(folder, home) == {}
    rewrite(folder / "ckpts" / "spare.safetensors", lambda t: t.pop("out_layer.0.bias"))
    assert list(problems(folder, home)) == ["ckpts/spare.safetensors"]


@pytest.mark.parametrize("content", ["{", "", "[1]", "\xff"])
@pytest.mark.parametrize("name", ["pipeline.json", "ckpts/ss_dec.json"])
def test_broken_json_is_named(folder: Path, home: Path, name: str, content: str) -> None:
    (folder / name).write_bytes(content.encode("latin-1"))
    assert name in problems(folder, home)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.pop("args"), "args"),
        (lambda c: c["args"].pop("models"), "models"),
        (lambda c: c["args"]["models"].pop("slat_flow_model"), "slat_flow_model"),
        (lambda c: c["args"].pop("slat_sampler"), "slat_sampler"),
        (lambda c: c["args"]["slat_sampler"]["params"].pop("steps"), "steps"),
        (lambda c: c["args"]["slat_normalization"].update(mean="zero"), "mean"),
        (lambda c: c["args"]["slat_normalization"].update(mean=[0.0]), "1 values"),
        (lambda c: c["args"]["slat_normalization"].update(std=[1, 0, 1]), "above 0"),
        (lambda c: c["args"]["slat_normalization"].pop("std"), "0 as std"),
    ],
)
def test_a_pipeline_that_lacks_something_says_what(
    folder: Path, home: Path, change: Callable[[dict[str, object]], object], word: str
) -> None:
    change_json(folder / "pipeline.json", change)
    found = problems(folder, home)
    assert list(found) == ["pipeline.json"]
    assert word in found["pipeline.json"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.update(name="UNet"), "UNet"),
        (lambda c: c.pop("name"), "None"),
        (lambda c: c["args"].pop("latent_channels"), "latent_channels"),
        (lambda c: c.update(args=[]), "args"),
        (lambda c: c["args"].update(latent_channels="many"), "args"),
        (lambda c: c["args"].update(channels=[-8, 8]), "args"),
    ],
)
def test_arguments_that_make_no_model_are_named(
    folder: Path, home: Path, change: Callable[[dict[str, object]], object], word: str
) -> None:
    change_json(folder / "ckpts" / "ss_dec.json", change)
    found = problems(folder, home)
    assert list(found) == ["ckpts/ss_dec.json"]
    assert word in found["ckpts/ss_dec.json"]


@pytest.mark.parametrize("bad", ["../x/ckpts/a", "/etc/passwd", 3, None])
def test_an_entry_that_leaves_the_folder_is_a_problem(
    folder: Path, home: Path, bad: object
) -> None:
    change_json(folder / "pipeline.json", lambda c: c["args"]["models"].update(slat_decoder_gs=bad))
    (text,) = problems(folder, home).values()
    assert "must be a path below" in text


def test_an_unknown_encoder_is_looked_for_and_missed(folder: Path, home: Path) -> None:
    change_json(folder / "pipeline.json", lambda c: c["args"].update(text_cond_model="bert"))
    assert "bert.json is missing" in problems(folder, home)["bert"]


def test_missing_decoders_name_their_repository(tmp_path: Path, home: Path) -> None:
    found = problems(write_borrower(tmp_path / "text"), home)
    assert set(found) == {"studio/props/ckpts/ss_dec", "studio/props/ckpts/slat_dec_mesh"}
    assert all("lodsmith models add props FOLDER" in text for text in found.values())


def test_borrowed_decoders_are_checked_where_they_are(
    tmp_path: Path, folder: Path, home: Path
) -> None:
    add(home, "props", folder)
    borrower = write_borrower(tmp_path / "text")
    assert problems(borrower, home, is_quick=False) == {}
    rewrite(folder / "ckpts" / "ss_dec.safetensors", lambda t: t.pop("out_layer.0.bias"))
    found = problems(borrower, home, is_quick=False)
    assert found == {"props: ckpts/ss_dec.safetensors": "out_layer.0.bias is missing"}


def test_a_swapped_file_shows_in_its_hash_only(folder: Path, home: Path) -> None:
    add(home, "props", folder)
    rewrite(folder / "ckpts" / "ss_dec.safetensors", lambda t: t["out_layer.2.bias"].add_(1.0))
    assert problems(folder, home) == {}
    found = problems(folder, home, is_quick=False)
    assert list(found) == ["ckpts/ss_dec.safetensors"]
    assert "has changed since props was added" in found["ckpts/ss_dec.safetensors"]


def test_files_that_came_or_went_since_it_was_added_are_named(folder: Path, home: Path) -> None:
    for suffix in (".json", ".safetensors"):
        content = (folder / "ckpts" / f"ss_dec{suffix}").read_bytes()
        (folder / "ckpts" / f"spare{suffix}").write_bytes(content)
    add(home, "props", folder)
    (folder / "ckpts" / "spare.json").rename(folder / "ckpts" / "new.json")
    (folder / "ckpts" / "spare.safetensors").rename(folder / "ckpts" / "new.safetensors")
    found = problems(folder, home, is_quick=False)
    assert set(found) == {
        f"ckpts/{name}{suffix}" for name in ("spare", "new") for suffix in (".json", ".safetensors")
    }
    assert "missing since props was added" in found["ckpts/spare.json"]
    assert "was not there when props was added" in found["ckpts/new.json"]


def test_hashing_reports_all_bytes_and_can_be_stopped(folder: Path, home: Path) -> None:
    told: list[tuple[Path, int, int]] = []
    verify(folder, home, lambda *one: told.append(one))
    files = {file for file, _, _ in told}
    assert files == {f for f in folder.rglob("*") if f.is_file()}
    total = sum(file.stat().st_size for file in files)
    assert told[-1][1:] == (total, total)

    def stop(file: Path, done_bytes: int, total_bytes: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        verify(folder, home, stop)


def test_both_forms_say_the_same(folder: Path, home: Path) -> None:
    (folder / "ckpts" / "ss_dec.safetensors").unlink()
    found = verify(folder, home)
    document = json.loads(json.dumps(found.to_json()))
    assert not document["ok"]
    assert document["path"] == str(folder)
    lines = found.lines()
    assert len(lines) == len(document["files"])
    for line, file in zip(lines, document["files"], strict=True):
        assert line.startswith(file["state"])
        assert file["file"] in line
    assert any("ss_dec.safetensors" in line and "is missing" in line for line in lines)


# The published models at their real sizes, of which only the headers are written.


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of everything that text-base needs."""
    folder = tmp_path_factory.mktemp("released")
    for name in ("TRELLIS-image-large", "TRELLIS-text-base"):
        write_pipeline(folder / name, name)
    for name in ("clip", "dinov2"):
        write_conditioner(folder / name, name)
    return folder


@pytest.fixture
def cached(released: Path, hub_cache: Path) -> dict[str, Path]:
    """The same, as huggingface_hub keeps it."""
    snapshots = {}
    for folder in released.iterdir():
        known = entry(folder.name)
        kept = hub_cache / f"models--{known.repository.replace('/', '--')}" / "snapshots"
        kept.mkdir(parents=True)
        snapshots[folder.name] = kept / known.revision
        for file in (f for f in folder.rglob("*") if f.is_file()):
            link = snapshots[folder.name] / file.relative_to(folder)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    return snapshots


def of(snapshots: dict[str, Path], name: str, home: Path) -> Verification:
    return verify(snapshots[name], home, is_quick=True)


@pytest.mark.parametrize("name", ["TRELLIS-image-large", "TRELLIS-text-base"])
def test_published_models_in_the_cache_are_whole(
    cached: dict[str, Path], home: Path, name: str
) -> None:
    found = of(cached, name, home)
    assert not found.problems
    assert all(f.state == "ok" for f in found.findings)
    elsewhere = {f.file.split(":")[0] for f in found.findings if f.is_elsewhere}
    assert elsewhere == (
        {IMAGE, "openai/clip-vit-large-patch14"}
        if "text" in name
        else {"facebook/dinov2-with-registers-large"}
    )


@pytest.mark.parametrize("name", ["clip", "dinov2"])
def test_published_conditioners_are_whole(cached: dict[str, Path], home: Path, name: str) -> None:
    assert not of(cached, name, home).problems


def test_without_the_others_each_one_is_named(released: Path, home: Path) -> None:
    found = verify(released / "TRELLIS-text-base", home, is_quick=True)
    assert len(found.problems) == 4 + 1
    assert all(f.is_elsewhere for f in found.problems)
    texts = " ".join(f.text for f in found.problems)
    assert "lodsmith models fetch TRELLIS-image-large" in texts
    assert "lodsmith models fetch clip" in texts


def test_a_released_file_in_full_precision_is_not_the_released_one(
    cached: dict[str, Path], home: Path
) -> None:
    from pipeline.checkpoints.header import TensorFacts, read_header

    file = cached["TRELLIS-image-large"] / f"{STEM}.safetensors"
    tensors = {k: TensorFacts(shape=f.shape, dtype="F32") for k, f in read_header(file).items()}
    file.unlink()
    write_tensors(file, tensors)
    (found,) = of(cached, "TRELLIS-image-large", home).problems
    assert found.file == f"{STEM}.safetensors"
    assert "is F32, not F16" in found.text
    assert "more" in found.text


def test_a_released_file_with_other_arguments_is_not_the_released_one(
    cached: dict[str, Path], home: Path
) -> None:
    file = cached["TRELLIS-image-large"] / f"{STEM}.json"
    content = json.loads(file.read_text())
    file.unlink()
    file.write_text(json.dumps({**content, "args": {**content["args"], "num_res_blocks": 3}}))
    found = of(cached, "TRELLIS-image-large", home).problems
    assert [f.file for f in found] == [f"{STEM}.json"]
    assert "num_res_blocks=3, but the released file 2" in found[0].text


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c.update(name="Other"), "name='Other'"),
        (lambda c: c["args"]["slat_sampler"]["params"].update(rescale_t=1.0), "rescale_t=1.0"),
        (lambda c: c["args"]["slat_normalization"]["mean"].reverse(), "slat_normalization.mean"),
        (lambda c: c["args"].update(image_cond_model=None), "image_cond_model=None"),
    ],
)
def test_a_released_pipeline_with_another_value_says_which(
    cached: dict[str, Path],
    home: Path,
    change: Callable[[dict[str, object]], object],
    word: str,
) -> None:
    file = cached["TRELLIS-image-large"] / "pipeline.json"
    content = json.loads(file.read_text())
    file.unlink()
    change(content)
    file.write_text(json.dumps(content))
    (found,) = of(cached, "TRELLIS-image-large", home).problems
    assert found.file == "pipeline.json"
    assert word in found.text


@pytest.mark.parametrize("name", ["u2net.onnx", "dinov2_vitl14_reg4_pretrain.pth"])
def test_a_single_released_file_has_its_size(tmp_path: Path, home: Path, name: str) -> None:
    (known,) = entry({"u2net.onnx": "u2net"}.get(name, "dinov2-hub")).files
    assert known.size_bytes is not None
    file = tmp_path / name
    with file.open("wb") as out:
        out.truncate(known.size_bytes)
    record = Record(
        name=entry({"u2net.onnx": "u2net"}.get(name, "dinov2-hub")).name, path=file, repository="",
        revision="", is_fetched=False, license="Apache-2.0", is_license_accepted=False, files={},
    )  # fmt: skip
    write_record(home, record)
    assert problems(file, home) == {}
    with file.open("r+b") as out:
        out.truncate(known.size_bytes - 1)
    assert "not the published" in problems(file, home)[name]


def test_a_released_file_with_other_bytes_is_not_the_released_one(
    tmp_path: Path, home: Path
) -> None:
    folder = write_conditioner(tmp_path / "clip", "clip")
    (folder / "model.safetensors").unlink()  # half a gigabyte of zeros, and this is about hashes
    found = {f.file: f.text for f in verify(folder, home).problems}
    assert set(found) == {"config.json", "tokenizer.json", "model.safetensors"}
    assert "is not the published 8a09b467" in found["config.json"]


def test_encoders_may_be_left_out_with_a_remark(cached: dict[str, Path], home: Path) -> None:
    for suffix in (".json", ".safetensors"):
        (cached["TRELLIS-image-large"] / f"ckpts/slat_enc_swin8_B_64l8_fp16{suffix}").unlink()
    found = of(cached, "TRELLIS-image-large", home)
    assert not found.problems
    notes = [f.file for f in found.findings if f.state == "note"]
    assert notes == [
        "ckpts/slat_enc_swin8_B_64l8_fp16.json",
        "ckpts/slat_enc_swin8_B_64l8_fp16.safetensors",
    ]


def test_a_cached_file_whose_blob_is_gone_is_missing(
    hub_cache: Path, tmp_path: Path, home: Path
) -> None:
    folder = write_tiny_model(tmp_path / "props")
    snapshot = into_cache(hub_cache, "studio/props", "1" * 40, folder)
    assert problems(snapshot, home) == {}
    (snapshot / "ckpts" / "ss_dec.safetensors").resolve().unlink()
    assert problems(snapshot, home) == {"ckpts/ss_dec.safetensors": "is missing"}


def test_a_conditioner_that_lacks_a_file_or_a_tensor_says_so(
    cached: dict[str, Path], home: Path
) -> None:
    from pipeline.checkpoints.header import read_header

    file = cached["clip"] / "model.safetensors"
    tensors = read_header(file)
    name = "text_model.final_layer_norm.bias"
    file.unlink()
    write_tensors(file, {key: facts for key, facts in tensors.items() if key != name})
    (cached["clip"] / "config.json").unlink()
    found = {f.file: f.text for f in of(cached, "clip", home).problems}
    assert found == {"config.json": "is missing", "model.safetensors": f"{name} is missing"}
