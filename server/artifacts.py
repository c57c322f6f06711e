"""Content-addressed store: bytes by their SHA-256, in one folder.

    <root>/sha256/ab/ab12...   finished blobs, read-only, never rewritten
    <root>/temporary/          blobs being written by `put`
    <root>/uploads/            uploads that may go on: <sha256>.<upload id>

A blob appears by rename after fsync, so what has a name is whole. No text of a user ever becomes a
path. Several processes may use one store: workers write their results themselves.
"""

import errno
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DiskFull
from server.refusals import (
    BlobDamaged,
    BlobMissing,
    DigestMismatch,
    InvalidRequest,
    OffsetMismatch,
    UploadBusy,
)

CHUNK_BYTES = 1 << 20  # the fastest for gRPC, and far under its limit of 4 MiB per message

_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Digest:
    """Names bytes by what they are. sha256: 64 lower-case hex digits."""

    sha256: str
    size_bytes: int

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidRequest(
                f"a digest's sha256 must be 32 bytes, got {len(self.sha256) // 2}", field="digest"
            )
        if self.size_bytes < 0:
            raise InvalidRequest(
                f"a digest's size_bytes must not be negative, got {self.size_bytes}", field="digest"
            )


def digest_of(content: bytes) -> Digest:
    """Return the digest that names `content`."""
    return Digest(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def digest_of_file(path: Path) -> Digest:
    """As `digest_of`, without reading the file at once."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Digest(sha256=sha256, size_bytes=file.tell())


class ArtifactStore:
    """Reads and writes blobs. Every method may wait for the disk: keep it off the event loop."""

    def __init__(self, root: Path, *, min_free_bytes: int = 0) -> None:
        """Use the folder `root`, made if absent.

        Args:
            root: On a file system of its own or with other data; not shared over a network.
            min_free_bytes: Free space below which `check_space` refuses.
        """
        self._blobs = root / "sha256"
        self._temporary = root / "temporary"
        self._uploads = root / "uploads"
        self._min_free_bytes = min_free_bytes
        self._busy_uploads: set[str] = set()
        for folder in (self._blobs, self._temporary, self._uploads):
            folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove what a crash left half-written. Only while nobody writes. Uploads stay."""
        for leftover in self._temporary.iterdir():
            leftover.unlink()

    def check_space(self, extra_bytes: int = 0) -> None:
        """Raise `DiskFull` unless `extra_bytes` fit and leave the reserve free."""
        free = shutil.disk_usage(self._blobs).free
        if free - extra_bytes < self._min_free_bytes:
            raise DiskFull(
                f"the server's disk has {free / 2**20:,.0f} MiB free, but "
                f"{(extra_bytes + self._min_free_bytes) / 2**20:,.0f} MiB are needed; "
                "free some space or use another --data-dir"
            )

    def size(self, sha256: str) -> int | None:
        """Return a blob's size in bytes, None for an unknown one."""
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def put(self, content: bytes) -> Digest:
        """Store `content`; when this returns it survives a power loss. Safe to repeat."""
        digest = digest_of(content)
        if self.size(digest.sha256) is None:
            temporary = self._temporary / uuid.uuid4().hex
            try:
                with _disk_full_named(), temporary.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                self._publish(temporary, digest.sha256)
            finally:
                temporary.unlink(missing_ok=True)
        return digest

    def read(self, sha256: str) -> bytes:
        """Return a whole blob, checked against its name.

        Raises:
            BlobMissing: If there is no such blob.
            BlobDamaged: If its bytes changed on the disk.
        """
        return b"".join(chunk for _, chunk in self.chunks(sha256))

    def chunks(
        self, sha256: str, offset: int = 0, limit: int | None = None
    ) -> Generator[tuple[int, bytes], None, None]:
        """Yield (offset, bytes) pairs of at most `CHUNK_BYTES`.

        A blob that is read from start to end is checked against its name on the way: damage raises
        after the last chunk.

        Args:
            sha256: Which blob.
            offset: First byte; at most the blob's size.
            limit: Most bytes; None: to the end.
        """
        size = self.size(sha256)
        if size is None:
            raise BlobMissing(f"there is no blob {sha256}; upload it or run its job again")
        if not 0 <= offset <= size:
            raise OffsetMismatch(
                f"offset must be in [0, {size}], got {offset}", metadata={"size_bytes": str(size)}
            )
        end = size if limit is None else min(size, offset + limit)
        is_whole = offset == 0 and end == size
        sha = hashlib.sha256()
        with self._path(sha256).open("rb") as file:
            file.seek(offset)
            while offset < end and (chunk := file.read(min(CHUNK_BYTES, end - offset))):
                sha.update(chunk)
                yield offset, chunk
                offset += len(chunk)
        if offset < end or (is_whole and sha.hexdigest() != sha256):
            raise BlobDamaged(f"blob {sha256} changed on the disk; run its job again")

    def committed_size(self, upload_id: str, digest: Digest) -> int:
        """Return how many bytes of an upload have arrived, 0 for an unknown one."""
        try:
            return self._upload_path(upload_id, digest).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def upload(
        self, upload_id: str, digest: Digest, *, is_there: bool = False
    ) -> "Iterator[Upload]":
        """Open an upload for writing, new or half-done; what arrived stays after an error.

        Args:
            upload_id: Names the upload.
            digest: What is to arrive.
            is_there: The uploader has the blob already, and need not send it. Whether others have
                it must make no difference: who knows a digest only must not learn that.

        Raises:
            UploadBusy: If it is already open.
        """
        if upload_id in self._busy_uploads:
            raise UploadBusy(
                f"upload {upload_id} is being written by another stream; wait and query it again",
                retry_after_s=1.0,
            )
        path = self._upload_path(upload_id, digest)
        self._busy_uploads.add(upload_id)
        try:
            yield Upload(store=self, path=path, digest=digest, is_complete=is_there)
        finally:
            self._busy_uploads.discard(upload_id)

    def _upload_path(self, upload_id: str, digest: Digest) -> Path:
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise InvalidRequest(
                f"upload_id must be 32 lower-case hex digits, got {upload_id[:64]!r}",
                field="upload_id",
            )
        return self._uploads / f"{digest.sha256}.{upload_id}"

    def _path(self, sha256: str) -> Path:
        return self._blobs / sha256[:2] / sha256

    def _publish(self, temporary: Path, sha256: str) -> None:
        """Give a finished, synced file its name, durably."""
        path = self._path(sha256)
        with _disk_full_named():
            path.parent.mkdir(exist_ok=True)
            temporary.chmod(0o444)
            temporary.rename(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the name itself
            finally:
                os.close(folder)


class Upload:
    """One blob on its way in. Made by `ArtifactStore.upload`."""

    def __init__(
        self, *, store: ArtifactStore, path: Path, digest: Digest, is_complete: bool
    ) -> None:
        self._store = store
        self._path = path
        self._digest = digest
        self.is_complete = is_complete
        self.committed_size = (
            digest.size_bytes if self.is_complete else (path.stat().st_size if path.exists() else 0)
        )

    def append(self, offset: int, data: bytes) -> None:
        """Write the next bytes.

        Raises:
            OffsetMismatch: If `offset` is not where the last bytes ended, or `data` is too long.
            DiskFull: If they do not fit. What arrived before stays.
        """
        if offset != self.committed_size:
            raise OffsetMismatch(
                f"the upload goes on at offset {self.committed_size}, got {offset}",
                metadata={"committed_size": str(self.committed_size)},
            )
        if offset + len(data) > self._digest.size_bytes:
            raise OffsetMismatch(
                f"the upload was announced with {self._digest.size_bytes} bytes, "
                f"got {offset + len(data)}",
                metadata={"committed_size": str(self.committed_size)},
            )
        if data:
            with _disk_full_named(), self._path.open("ab") as file:
                file.write(data)
            self.committed_size += len(data)

    def finish(self) -> None:
        """Make the blob usable if all bytes are there; else leave the upload open.

        Raises:
            DigestMismatch: If the bytes do not hash to the digest. The upload is dropped.
        """
        if self.is_complete or self.committed_size < self._digest.size_bytes:
            return
        self._path.touch()  # an empty blob has had no chunk
        found = digest_of_file(self._path)
        if found.sha256 != self._digest.sha256:
            self._path.unlink()
            raise DigestMismatch(
                f"the bytes hash to {found.sha256}, announced was {self._digest.sha256}; "
                "the file changed while it was read, or the digest is of another file",
                field="digest",
            )
        with self._path.open("rb") as file:
            os.fsync(file.fileno())
        self._store._publish(self._path, self._digest.sha256)
        self.is_complete = True


@contextmanager
def _disk_full_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull("the server's disk is full; free some space and try again") from error
