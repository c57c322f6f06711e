"""The artifact store on its own: what a crash or a full disk leaves."""

import errno
import os
from pathlib import Path

import pytest

from pipeline.errors import DiskFull
from server.artifacts import CHUNK_BYTES, ArtifactStore, Digest, digest_of
from server.refusals import (
    BlobDamaged,
    BlobMissing,
    InvalidRequest,
    OffsetMismatch,
    QuotaExceeded,
)


def anything(announced_bytes: int) -> None:
    """Let an upload in."""


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_is_put_comes_back(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for content in (b"", b"a", b"x" * (CHUNK_BYTES + 1)):
        digest = store.put(content)
        assert digest == digest_of(content)
        assert store.read(digest.sha256) == content
    store.put(b"a")
    assert len(files(tmp_path / "sha256")) == 3


def test_a_full_disk_has_a_name_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="free some space"):
        store.put(b"content")
    assert [path.name for path in files(tmp_path)] == ["lock"]


def test_too_little_space_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    ArtifactStore(tmp_path).check_space(1000)
    with pytest.raises(DiskFull, match="MiB are needed"):
        ArtifactStore(tmp_path, min_free_bytes=1 << 60).check_space()
    with pytest.raises(DiskFull):
        ArtifactStore(tmp_path).check_space(1 << 60)


def test_sweeping_removes_half_written_blobs_and_keeps_uploads(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = digest_of(b"0123456789")
    with store.upload("local", "0" * 32, digest, is_there=False, check_room=anything) as upload:
        upload.append(0, b"01234")
        upload.finish()
    (tmp_path / "temporary" / "left").write_bytes(b"half")
    again = ArtifactStore(tmp_path)
    again.sweep()
    assert not files(tmp_path / "temporary")
    assert again.committed_size("local", "0" * 32, digest) == 5
    with again.upload("local", "0" * 32, digest, is_there=False, check_room=anything) as upload:
        upload.append(5, b"56789")
        upload.finish()
    assert again.read(digest.sha256) == b"0123456789"


def test_damage_is_found_when_a_whole_blob_is_read_and_the_blob_can_be_made_again(
    tmp_path: Path,
) -> None:
    store = ArtifactStore(tmp_path)
    for damaged in (b"c0ntent", b"cont", b"content and more"):
        digest = store.put(b"content")
        (path,) = files(tmp_path / "sha256")
        path.chmod(0o644)
        path.write_bytes(damaged)
        with pytest.raises(BlobDamaged):
            store.read(digest.sha256)
        assert store.size(digest.sha256) is None
        assert (tmp_path / "damaged" / digest.sha256).read_bytes() == damaged
    store.put(b"content")
    assert store.read(digest.sha256) == b"content"


def test_what_another_project_has_must_still_be_uploaded(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = store.put(b"content")
    with store.upload("other", "0" * 32, digest, is_there=False, check_room=anything) as upload:
        upload.finish()
        assert not upload.is_complete
        upload.append(0, b"content")
        upload.finish()
        assert upload.is_complete
    assert store.committed_size("third", "0" * 32, digest) == 0
    assert store.read(digest.sha256) == b"content"


def make_old(path: Path) -> None:
    os.utime(path, (0, 0))


def test_only_old_bytes_are_discarded_and_putting_them_again_makes_them_young(
    tmp_path: Path,
) -> None:
    store = ArtifactStore(tmp_path)
    digest = store.put(b"content")
    assert list(store.blobs()) == [digest.sha256]
    (path,) = files(tmp_path / "sha256")
    assert not store.discard(digest.sha256, min_age_s=60)
    make_old(path)
    store.put(b"content")  # a worker relies on it, and has not reported yet
    assert not store.discard(digest.sha256, min_age_s=60)
    make_old(path)
    assert store.discard(digest.sha256, min_age_s=60)
    assert not store.discard(digest.sha256, min_age_s=60)
    assert list(store.blobs()) == []


def test_an_upload_that_took_long_is_a_young_blob(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = digest_of(b"content")
    with store.upload("local", "0" * 32, digest, is_there=False, check_room=anything) as upload:
        upload.append(0, b"content")
        for path in files(tmp_path / "uploads"):
            make_old(path)
        upload.finish()
    assert not store.discard(digest.sha256, min_age_s=60)


def test_old_uploads_are_discarded_unless_they_are_open(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    digest = digest_of(b"content")
    with store.upload("local", "0" * 32, digest, is_there=False, check_room=anything) as upload:
        upload.append(0, b"con")
        (path,) = files(tmp_path / "uploads")
        make_old(path)
        assert store.discard_uploads(min_age_s=60) == 0
    assert store.discard_uploads(min_age_s=60) == 1
    assert store.committed_size("local", "0" * 32, digest) == 0


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


def test_half_done_uploads_count_with_what_they_announced(tmp_path: Path) -> None:
    contents = {"0" * 32: b"0123456789", "1" * 32: b"abcdefghij", "2" * 32: b"yet another"}
    heard: list[int] = []

    def begin(store: ArtifactStore, upload_id: str, project: str = "local") -> None:
        """Send the first three bytes, or the next."""
        content = contents[upload_id]
        with store.upload(
            project, upload_id, digest_of(content), is_there=False, check_room=heard.append
        ) as upload:
            at = upload.committed_size
            upload.append(at, content[at : at + 3])

    store = ArtifactStore(tmp_path)
    first, second, third = contents
    begin(store, first)
    begin(store, second, "other")
    begin(store, second)
    assert heard == [10, 10, 20]
    begin(store, first)  # it was let in
    assert len(heard) == 3
    with store.upload(
        "local", third, digest_of(contents[third]), is_there=False, check_room=heard.append
    ):
        pass  # cut before its first byte
    begin(store, third, "new")
    assert heard[3:] == [31, 11]
    again = ArtifactStore(tmp_path)
    again.sweep()
    begin(again, second)
    assert heard[5:] == [16]  # of the first, six bytes have arrived
    begin(again, first)
    assert heard[6:] == [20]
    assert again.discard_uploads(0.0) == 4
    begin(again, third)
    assert heard[7:] == [11]


def test_an_upload_that_is_refused_for_its_size_counts_for_nothing(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)

    def check(announced_bytes: int) -> None:
        if announced_bytes > 15:
            raise QuotaExceeded("full")

    def upload(content: bytes, upload_id: str, end: int) -> None:
        with store.upload(
            "local", upload_id, digest_of(content), is_there=False, check_room=check
        ) as upload:
            upload.append(upload.committed_size, content[upload.committed_size : end])
            upload.finish()

    upload(b"0123456789", "0" * 32, end=5)
    for _ in range(2):
        with pytest.raises(QuotaExceeded):
            upload(b"abcdef", "1" * 32, end=1)
    upload(b"abcde", "2" * 32, end=5)
    upload(b"0123456789", "0" * 32, end=10)
    upload(b"0123456789abcde", "3" * 32, end=1)  # what is finished counts as a blob
