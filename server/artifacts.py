"""Content-addressed store: bytes by their SHA-256, in one folder.

    <root>/sha256/ab/ab12...   finished blobs, read-only, never rewritten
    <root>/temporary/          blobs being written by `put`
    <root>/uploads/            uploads that may go on: <project's hash>.<sha256>.<upload id>
    <root>/damaged/            blobs whose bytes changed on the disk, for whoever looks into it
    <root>/lock                held, shared, by who makes a blob; alone, by who deletes one

A blob appears by rename after fsync, so what has a name is whole. No text of a user ever becomes a
path. Several processes may use one store: workers write their results themselves.

A blob that is put again becomes young again, under the lock: what `discard` deletes as old is not
what a worker has just relied on.
"""

import errno
import fcntl
import hashlib
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DiskFull
from server import failpoints
from server.refusals import (
    BlobDamaged,
    BlobMissing,
    DigestMismatch,
    InvalidRequest,
    OffsetMismatch,
    UploadBusy,
)

logger = logging.getLogger(__name__)

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
        self._damaged = root / "damaged"
        self._lock = root / "lock"
        self._min_free_bytes = min_free_bytes
        self._busy_uploads: set[Path] = set()
        self._announced_bytes: dict[Path, int] = {}  # of half-done uploads
        for folder in (self._blobs, self._temporary, self._uploads, self._damaged):
            folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove what a crash left half-written. Only while nobody writes. Uploads stay."""
        for leftover in self._temporary.iterdir():
            leftover.unlink()
        # How long they will be is not known until they go on.
        for upload in self._uploads.iterdir():
            self._announced_bytes[upload] = upload.stat().st_size

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

    def blobs(self) -> Iterator[str]:
        """Yield the SHA-256 of every blob, in no order."""
        for folder in self._blobs.iterdir():
            yield from (path.name for path in folder.iterdir())

    def discard(self, sha256: str, min_age_s: float) -> bool:
        """Delete a blob that nobody needs, unless it was put less than `min_age_s` ago.

        The age protects what is stored and not yet reported. Returns whether it was deleted.
        """
        path = self._path(sha256)
        with self._locked(fcntl.LOCK_EX):
            try:
                if time.time() - path.stat().st_mtime < min_age_s:
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    def discard_uploads(self, min_age_s: float) -> int:
        """Delete half-done uploads that have not grown for `min_age_s`. Returns how many."""
        count = 0
        for path in list(self._uploads.iterdir()):
            with suppress(FileNotFoundError):  # finished meanwhile
                is_old = time.time() - path.stat().st_mtime >= min_age_s
                if is_old and path not in self._busy_uploads:
                    path.unlink()
                    self._announced_bytes.pop(path, None)
                    count += 1
        return count

    def put(self, content: bytes) -> Digest:
        """Store `content`; when this returns it survives a power loss. Safe to repeat."""
        digest = digest_of(content)
        if not self._renew(digest.sha256):
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
            BlobDamaged: If its bytes changed on the disk. It is missing from then on.
        """
        return b"".join(chunk for _, chunk in self.chunks(sha256))

    def chunks(
        self, sha256: str, offset: int = 0, limit: int | None = None
    ) -> Generator[tuple[int, bytes], None, None]:
        """Yield (offset, bytes) pairs of at most `CHUNK_BYTES`.

        A blob that is read from start to end is checked against its name on the way: damage raises
        after the last chunk, and the blob is moved aside.

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
            self._set_aside(sha256)
            raise BlobDamaged(f"blob {sha256} changed on the disk; run its job again")

    def committed_size(self, project: str, upload_id: str, digest: Digest) -> int:
        """Return how many bytes of an upload have arrived, 0 for an unknown one."""
        try:
            return self._upload_path(project, upload_id, digest).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def upload(
        self,
        project: str,
        upload_id: str,
        digest: Digest,
        *,
        is_there: bool,
        check_room: Callable[[int], None],
    ) -> "Iterator[Upload]":
        """Open an upload for writing, new or half-done; what arrived stays after an error.

        Args:
            project: Whose upload. All bytes must come even when another project has the blob:
                that it has is not told.
            upload_id: Of the client.
            digest: What all bytes are to be.
            is_there: Whether the project has the blob: then nothing needs to come.
            check_room: Raises to refuse the upload. It hears how many bytes all half-done uploads
                of the project will have with this one; of those that have not gone on since the
                start of the server, how many have arrived. One that was let in is not asked again.

        Raises:
            UploadBusy: If it is already open.
        """
        path = self._upload_path(project, upload_id, digest)
        if path in self._busy_uploads:
            raise UploadBusy(
                f"upload {upload_id} is being written by another stream; wait and query it again",
                retry_after_s=1.0,
            )
        if not is_there and digest.size_bytes > self._announced_bytes.get(path, -1):
            check_room(self._announced_by_others(path) + digest.size_bytes)
            self._announced_bytes[path] = digest.size_bytes
        self._busy_uploads.add(path)
        try:
            yield Upload(store=self, path=path, digest=digest, is_complete=is_there)
        finally:
            self._busy_uploads.discard(path)
            if not path.exists():  # finished, dropped, or cut before its first byte
                self._announced_bytes.pop(path, None)

    def _announced_by_others(self, path: Path) -> int:
        """Return how many bytes the other half-done uploads of the same project will have."""
        owner = path.name.partition(".")[0]
        return sum(
            size_bytes
            for other, size_bytes in list(self._announced_bytes.items())
            if other != path and other.name.partition(".")[0] == owner
        )

    def _upload_path(self, project: str, upload_id: str, digest: Digest) -> Path:
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise InvalidRequest(
                f"upload_id must be 32 lower-case hex digits, got {upload_id[:64]!r}",
                field="upload_id",
            )
        owner = hashlib.sha256(project.encode()).hexdigest()[:16]
        return self._uploads / f"{owner}.{digest.sha256}.{upload_id}"

    def _path(self, sha256: str) -> Path:
        return self._blobs / sha256[:2] / sha256

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        file = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, how)
            yield
        finally:
            os.close(file)

    def _renew(self, sha256: str) -> bool:
        """Make a blob young again; False when there is none."""
        with self._locked(fcntl.LOCK_SH):
            try:
                os.utime(self._path(sha256))
            except FileNotFoundError:
                return False
        return True

    def _set_aside(self, sha256: str) -> None:
        """Take its name from a damaged blob, so that it can be made or uploaded anew."""
        logger.error("blob %s is damaged: moved aside", sha256)
        with suppress(FileNotFoundError):  # another reader was faster
            self._path(sha256).rename(self._damaged / sha256)

    def _publish(self, temporary: Path, sha256: str) -> None:
        """Give a finished, synced file its name, durably."""
        path = self._path(sha256)
        failpoints.hit("publish.before")
        with _disk_full_named():
            path.parent.mkdir(exist_ok=True)
            temporary.chmod(0o444)
            os.utime(temporary)  # an upload may have waited long for its last byte
            with self._locked(fcntl.LOCK_SH):
                temporary.rename(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # the name itself
            finally:
                os.close(folder)
        failpoints.hit("publish.after")


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
