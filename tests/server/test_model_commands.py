"""`lodsmith models`: its exit codes and its output."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.checkpoints import download
from pipeline.checkpoints.download import DownloadFailed, RemoteFile
from server.cli.model_commands import models_app
from tests.pipeline.checkpoints.small_models import change_json, write_borrower
from tests.pipeline.model.tiny_model import write_tiny_model


@pytest.fixture(autouse=True)
def own_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("LODSMITH_MODELS_DIR", str(tmp_path / "models"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "props")


def models(*arguments: str | Path) -> Result:
    return CliRunner().invoke(models_app, [str(argument) for argument in arguments])


def test_a_model_lives_from_add_to_remove(folder: Path, tmp_path: Path) -> None:
    added = models("add", "barrels", folder)
    assert (added.exit_code, added.stderr) == (0, "")
    count = sum(path.is_file() for path in folder.rglob("*"))
    assert added.stdout.startswith(f"barrels: {count} files, ")
    assert "licence MIT" in added.stdout
    assert (tmp_path / "models" / "barrels.json").exists()  # where LODSMITH_MODELS_DIR says

    listed = models("list")
    assert listed.exit_code == 0
    rows = {line.split()[0]: line for line in listed.stdout.splitlines()}
    assert "added" in rows["barrels"]
    assert str(folder) in rows["barrels"]
    assert "built in" in rows["starter"]
    assert "lodsmith models fetch TRELLIS-image-large" in rows["TRELLIS-image-large"]
    assert "https://" in rows["u2net"]

    verified = models("verify", "barrels")
    assert verified.exit_code == 0
    assert "barrels: whole" in verified.stdout

    removed = models("remove", "barrels")
    assert (removed.exit_code, removed.stdout) == (0, "barrels is removed; its files stay\n")
    assert folder.exists()


def test_json_is_for_programs(folder: Path) -> None:
    models("add", "barrels", folder)
    rows = json.loads(models("list", "--json").stdout)
    assert {
        "name": "barrels",
        "state": "added",
        "license": "MIT",
        "path": str(folder),
        "way": "",
    } in rows
    result = models("verify", "--quick", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    documents = json.loads(result.stdout)
    assert [(one["model"], one["ok"]) for one in documents] == [
        ("starter", True),
        ("barrels", True),
    ]
    assert {file["state"] for file in documents[1]["files"]} == {"ok"}


def test_a_broken_model_is_exit_code_1_and_named(folder: Path) -> None:
    models("add", "barrels", folder)
    file = folder / "ckpts" / "ss_dec.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    for arguments in (["verify"], ["verify", "barrels"], ["verify", str(folder), "--quick"]):
        result = models(*arguments)
        assert result.exit_code == 1
        assert "1 problem" in result.stdout
        assert any(
            line.split()[:2] == ["problem", "ckpts/ss_dec.safetensors"] and "cut short" in line
            for line in result.stdout.splitlines()
        )
    assert not json.loads(models("verify", "barrels", "--json").stdout)[0]["ok"]


def test_a_swapped_file_needs_more_than_a_quick_look(folder: Path) -> None:
    models("add", "barrels", folder)
    file = folder / "ckpts" / "ss_dec.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    assert models("verify", "barrels", "--quick").exit_code == 0
    result = models("verify", "barrels")
    assert result.exit_code == 1
    assert "has changed since barrels was added" in result.stdout


def test_what_is_needed_from_elsewhere_is_said(tmp_path: Path) -> None:
    result = models("add", "text", write_borrower(tmp_path / "text"))
    assert result.exit_code == 0
    assert result.stdout.count("still needed: ") == 2
    assert "lodsmith models add props FOLDER" in result.stdout


BAD = {
    "no folder": (["add", "barrels", "nowhere"], "nowhere"),
    "no model": (["add", "barrels", "."], "no pipeline.json"),
    "no name": (["add", "a/b", "{folder}"], "up to 64 letters"),
    "taken": (["add", "starter", "{folder}"], "already"),
    "unknown to verify": (["verify", "no"], "there are starter"),
    "unknown to remove": (["remove", "no"], "added are: none"),
    "unknown to fetch": (["fetch", "no"], "owner/name"),
    "a branch": (["fetch", "studio/props", "--revision", "main"], "40 hexadecimal digits"),
    "not on the hub": (["fetch", "u2net"], "lodsmith models add u2net FILE"),
    "unknown option": (["list", "--colour"], "--colour"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_exit_code_2_and_one_clear_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, message = BAD[case]
    result = models(*(part.format(folder=folder) for part in arguments))
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output


def test_a_licence_is_agreed_to_by_a_flag(folder: Path) -> None:
    change_json(folder / "pipeline.json", lambda c: c["args"].update(license="CC-BY-NC-4.0"))
    refused = models("add", "barrels", folder)
    assert refused.exit_code == 2
    assert "CC-BY-NC-4.0" in refused.stderr
    assert "--accept-license" in refused.stderr
    assert models("add", "barrels", folder, "--accept-license").exit_code == 0


def test_home_wins_over_the_environment(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert models("add", "barrels", folder, "--home", other).exit_code == 0
    assert (other / "barrels.json").exists()
    assert "barrels" not in models("list").stdout
    assert "barrels" in models("list", "--home", other).stdout


class UnreachableHub:
    """Has a model of a petabyte, or is not there at all."""

    size_bytes: int | None = None

    def list_files(self, *_: object) -> list[RemoteFile]:
        if self.size_bytes is None:
            raise DownloadFailed("studio/props cannot be downloaded (no route)")
        return [RemoteFile(path="ckpts/a.json", size_bytes=self.size_bytes, is_here=False)]

    def download(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("size_bytes", "message"), [(None, "no route"), (1 << 50, "GB are needed")]
)
def test_a_download_that_fails_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, size_bytes: int | None, message: str
) -> None:
    monkeypatch.setattr(UnreachableHub, "size_bytes", size_bytes)
    monkeypatch.setattr(download, "HuggingFaceHub", UnreachableHub)
    result = models("fetch", "studio/props", "--revision", "1" * 40, "--accept-license")
    assert result.exit_code == 1
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_help_imports_next_to_nothing() -> None:
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from server.cli.model_commands import models_app\n"
        "assert CliRunner().invoke(models_app, ['verify', '--help']).exit_code == 0\n"
        "print([m for m in ('numpy', 'pipeline', 'grpc', 'huggingface_hub') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
