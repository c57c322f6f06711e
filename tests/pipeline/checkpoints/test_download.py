"""Fetching a model, from two hubs that are none.

There is no network here. `FakeHub` stands at the seam `Hub`, for what we decide: revisions,
licences, disk, names. `HubServer` speaks HTTP on this machine, for what huggingface_hub does with
our calls. Neither shows that huggingface.co still answers as they do.
"""

import shutil
from collections import namedtuple
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

import pytest

from pipeline.checkpoints.download import (
    DownloadFailed,
    HuggingFaceHub,
    RemoteFile,
    fetch,
)
from pipeline.checkpoints.library import find_checkpoint, resolve
from pipeline.checkpoints.records import read_records
from pipeline.checkpoints.verify import verify
from pipeline.errors import DiskFull, InvalidInput, ModelUnavailable
from tests.pipeline.checkpoints.hub_server import HubServer, serving
from tests.pipeline.checkpoints.published_folders import entry
from tests.pipeline.model.tiny_model import write_tiny_model

COMMIT = "1" * 40


class FakeHub:
    """Hands out one folder as any repository at any revision."""

    def __init__(self, files: Path) -> None:
        self.files = files
        self.calls: list[tuple[str, str, tuple[str, ...]]] = []
        self.size_factor = 1

    def list_files(
        self, repository: str, revision: str, patterns: Sequence[str], folder: Path
    ) -> list[RemoteFile]:
        return [
            RemoteFile(
                path=path,
                size_bytes=(self.files / path).stat().st_size * self.size_factor,
                is_here=(folder / path).exists(),
            )
            for path in self._matching(patterns)
        ]

    def download(
        self, repository: str, revision: str, patterns: Sequence[str], folder: Path
    ) -> None:
        self.calls.append((repository, revision, tuple(patterns)))
        for path in self._matching(patterns):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.files / path, folder / path)

    def _matching(self, patterns: Sequence[str]) -> list[str]:
        paths = (f.relative_to(self.files).as_posix() for f in self.files.rglob("*") if f.is_file())
        return sorted(path for path in paths if any(fnmatch(path, p) for p in patterns))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = write_tiny_model(tmp_path / "remote")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Props\n")
    (folder / "train.py").write_text("raise SystemExit")
    return folder


@pytest.fixture
def hub(files: Path) -> FakeHub:
    return FakeHub(files)


def test_a_fetched_model_is_recorded_and_whole(hub: FakeHub, home: Path) -> None:
    said: list[str] = []
    record = fetch(home, "studio/props", revision=COMMIT, hub=hub, say=said.append).record
    assert (record.name, record.repository, record.revision) == ("props", "studio/props", COMMIT)
    assert record.is_fetched
    assert resolve(home, "props") == home / "props"
    assert not verify(home / "props", home).problems
    assert not (home / "props" / "train.py").exists()  # nobody asked for a program
    assert find_checkpoint("studio/props/ckpts/ss_dec", home, home).parent.parent == home / "props"
    assert "licence MIT" in said[0]
    assert COMMIT in said[0]
    assert "GB" in said[1]


def test_the_catalog_gives_repository_revision_and_files(hub: FakeHub, home: Path) -> None:
    known = entry("TRELLIS-text-base")
    with pytest.raises(ModelUnavailable):  # for what comes here is not that model
        fetch(home, "TRELLIS-text-base", hub=hub)
    assert {call[:2] for call in hub.calls} == {(known.repository, known.revision)}
    assert hub.calls[-1][2] == tuple(file.path for file in known.files)
    assert read_records(home) == []


@pytest.mark.parametrize("revision", ["", "main", "v1.0", "1" * 39, "G" * 40])
def test_a_revision_that_moves_is_refused(hub: FakeHub, home: Path, revision: str) -> None:
    with pytest.raises(InvalidInput, match="commit of 40 hexadecimal digits"):
        fetch(home, "studio/props", revision=revision, hub=hub)
    assert hub.calls == []


@pytest.mark.parametrize("name", ["props", "a/b/c", "../x", "", "https://huggingface.co/a/b"])
def test_a_name_that_is_no_repository_is_refused(hub: FakeHub, home: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="owner/name"):
        fetch(home, name, revision=COMMIT, hub=hub)


@pytest.mark.parametrize("name", ["u2net", "dinov2-hub"])
def test_what_is_not_on_the_hub_says_where_it_is(hub: FakeHub, home: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"download https://.*lodsmith models add"):
        fetch(home, name, hub=hub)


def test_only_the_card_comes_before_a_licence_is_agreed_to(
    hub: FakeHub, files: Path, home: Path
) -> None:
    (files / "README.md").write_text("---\nlicense: other\n---\n")
    with pytest.raises(InvalidInput, match=r"'other'.*--accept-license"):
        fetch(home, "studio/props", revision=COMMIT, hub=hub)
    assert [path.name for path in (home / "props").iterdir()] == ["README.md"]
    record = fetch(home, "studio/props", revision=COMMIT, hub=hub, is_license_accepted=True).record
    assert record.is_license_accepted


def test_a_full_disk_is_noticed_before_the_download(
    hub: FakeHub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")  # as shutil's own
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(0, 0, 5 << 30))
    hub.size_factor = 10_000
    with pytest.raises(DiskFull, match=r"5\.4 GB free.*--home"):
        fetch(home, "studio/props", revision=COMMIT, hub=hub)
    assert hub.calls == [("studio/props", COMMIT, ("README.md",))]


def test_a_name_that_is_taken_is_refused_before_the_download(hub: FakeHub, home: Path) -> None:
    fetch(home, "studio/props", revision=COMMIT, hub=hub)
    hub.calls.clear()
    with pytest.raises(InvalidInput, match="already"):
        fetch(home, "studio/props", revision="2" * 40, hub=hub)
    assert hub.calls == []


@pytest.fixture
def server(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    content = {
        f.relative_to(files).as_posix(): f.read_bytes() for f in files.rglob("*") if f.is_file()
    }
    with serving(HubServer(content)) as hub:
        yield hub


def test_the_library_fetches_the_files_and_only_those(server: HubServer, home: Path) -> None:
    hub = HuggingFaceHub(server.endpoint)
    record = fetch(home, server.repository, revision=server.revision, hub=hub).record
    assert "ckpts/ss_dec.safetensors" in record.files
    assert not any("train.py" in request for request in server.requests)
    assert not verify(home / "props", home).problems


def test_a_download_that_broke_off_goes_on(home: Path) -> None:
    data = bytes(range(256)) * (24 << 12)  # 24 MiB: the library writes 10 at a time
    with serving(HubServer({"ckpts/large.safetensors": data})) as server:
        hub = HuggingFaceHub(server.endpoint)
        server.breaks_after = 15 << 20
        try:  # it notices, and goes on by itself
            hub.download(server.repository, server.revision, ["ckpts/*"], home)
        except DownloadFailed:
            hub.download(server.repository, server.revision, ["ckpts/*"], home)
    assert (home / "ckpts" / "large.safetensors").read_bytes() == data
    assert server.ranges == [f"bytes={10 << 20}-"]


def test_what_is_here_is_not_fetched_again(server: HubServer, home: Path) -> None:
    hub = HuggingFaceHub(server.endpoint)
    patterns = ["ckpts/ss_dec.*"]
    hub.download(server.repository, server.revision, patterns, home / "props")
    listed = hub.list_files(server.repository, server.revision, ["ckpts/*"], home / "props")
    here = {file.path for file in listed if file.is_here}
    assert here == {"ckpts/ss_dec.json", "ckpts/ss_dec.safetensors"}
    sizes = {file.path: file.size_bytes for file in listed}
    assert sizes["ckpts/ss_flow.json"] == len(server.files["ckpts/ss_flow.json"])


def test_an_unknown_repository_or_revision_is_said_to_be_unknown(
    server: HubServer, home: Path
) -> None:
    hub = HuggingFaceHub(server.endpoint)
    with pytest.raises(DownloadFailed, match="there is no repository studio/other"):
        fetch(home, "studio/other", revision=server.revision, hub=hub)
    with pytest.raises(DownloadFailed, match="no such revision"):
        fetch(home, server.repository, revision="2" * 40, hub=hub)


def test_a_gated_repository_says_how_to_get_in(server: HubServer, home: Path) -> None:
    server.is_gated = True
    with pytest.raises(DownloadFailed, match=r"ask for access.*hf auth login"):
        fetch(
            home, server.repository, revision=server.revision, hub=HuggingFaceHub(server.endpoint)
        )


def test_no_network_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    with pytest.raises(DownloadFailed, match="lodsmith models add") as failed:
        fetch(home, "studio/props", revision=COMMIT, hub=HuggingFaceHub("http://127.0.0.1:9"))
    assert "\n" not in str(failed.value)
    assert "refused" in str(failed.value)
