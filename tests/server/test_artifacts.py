"""The artifact store on its own: what a crash or a full disk leaves."""

import errno
import os
from pathlib import Path

import pytest

from pipeline.errors import DiskFull
from server.artifacts import CHUNK_BYTES, ArtifactStore, Digest, digest_of
from server.refusals import BlobDamaged, BlobMissing, InvalidRequest, OffsetMismatch


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_put_comes_back(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for content in (b"", b"a", b"x" * (CHUNK_BYTES + 1)):
        digest = store.put(content)
        assert digest == digest_of(content)
        assert store.read(digest.sha256) == content
    store.put(b"a")
    assert len(files(tmp_path)) == 3


def test_a_full_disk_has_a_name_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="free some space"):
        store.put(b"content")
    assert files(tmp_path) == []


def test_too_little_space_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    ArtifactStore(tmp_path).check_space(1000)
    with pytest.raises(DiskFull, match="MiB are needed"):
        ArtifactStore(tmp_path, min_free_bytes=1 << 60).check_space()
    with pytest.raises(DiskFull):
        ArtifactStore(tmp_path).check_space(1 << 60)


def test_sweeping_removes_half_written_blobs_and_keeps_uploads(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = digest_of(b"0123456789")
    with store.upload("0" * 32, digest) as upload:
        upload.append(0, b"01234")
        upload.finish()
    (tmp_path / "temporary" / "left").write_bytes(b"half")
    again = ArtifactStore(tmp_path)
    again.sweep()
    assert not files(tmp_path / "temporary")
    assert again.committed_size("0" * 32, digest) == 5
    with again.upload("0" * 32, digest) as upload:
        upload.append(5, b"56789")
        upload.finish()
    assert again.read(digest.sha256) == b"0123456789"


def test_damage_is_found_when_a_whole_blob_is_read(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = store.put(b"content")
    (path,) = files(tmp_path)
    path.chmod(0o644)
    for damaged in (b"c0ntent", b"cont", b"content and more"):
        path.write_bytes(damaged)
        with pytest.raises(BlobDamaged):
            store.read(digest.sha256)


def test_bad_reads_are_refused(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = store.put(b"content")
    with pytest.raises(BlobMissing):
        store.read("0" * 64)
    for offset in (-1, 8):
        with pytest.raises(OffsetMismatch):
            list(store.chunks(digest.sha256, offset))


@pytest.mark.parametrize("sha256", ["", "ab", "../" * 21 + "a", "G" * 64, "AB" * 32])
def test_only_digests_become_paths(sha256: str) -> None:
    with pytest.raises(InvalidRequest):
        Digest(sha256=sha256, size_bytes=1)
