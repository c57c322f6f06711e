"""Why the server refuses a call. Transport-free; `calls/errors.py` gives each its gRPC status.

Refusal             base: the call cannot be answered
├── InvalidRequest  a field is wrong; the caller can fix it
├── TooLarge        over the server's limits
├── JobNotFound     no such job
├── RequestIdReused the request id belongs to a job with another spec
├── QueueFull       as many jobs wait as may
├── Draining        the server is shutting down
├── LogEpochChanged the cursor is of another log
├── EventsCompacted the cursor is older than the log that is kept
├── JobNotFinished  the job still waits or runs
├── EtagMismatch    the job is not what the caller last saw
├── QuotaExceeded   the project has as many jobs or bytes as it may
├── BlobMissing     no such blob
├── InputMissing    the picture or mesh of a job is not uploaded
├── SurfaceMissing  the job to export again has no dense surface
├── ModelUnusable   the server's model cannot be used
├── BlobDamaged     stored bytes no longer hash to their name
├── DigestMismatch  uploaded bytes do not hash to what was announced
├── OffsetMismatch  bytes do not join what is there
├── UploadBusy      another stream writes the same upload
├── TokenInvalid    who calls is not known
├── ScopeMissing    who calls may not do this
└── RateLimited     more calls than there may be
"""

from collections.abc import Mapping


class Refusal(Exception):
    """The call cannot be answered.

    Attributes:
        reason: Stable word for programs; equal to a value of the contract's `ErrorReason`.
        field: Path of the request field at fault, "" when there is none.
        metadata: The message's variables by name.
        retry_after_s: When it makes sense to try again; None: not by waiting.
    """

    reason = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.field = field
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s


class InvalidRequest(Refusal):
    """A field is wrong; the message names the value and the way out."""

    reason = "INVALID_INPUT"


class TooLarge(Refusal):
    """Over the server's limits."""

    reason = "TOO_LARGE"


class JobNotFound(Refusal):
    """No such job."""

    reason = "JOB_NOT_FOUND"


class RequestIdReused(Refusal):
    """The request id belongs to a job with another spec."""

    reason = "REQUEST_ID_REUSED"


class QueueFull(Refusal):
    """As many jobs wait as may."""

    reason = "QUEUE_FULL"


class Draining(Refusal):
    """The server is shutting down."""

    reason = "DRAINING"


class LogEpochChanged(Refusal):
    """The cursor is of another log: the server's data were replaced."""

    reason = "LOG_EPOCH_CHANGED"


class EventsCompacted(Refusal):
    """The cursor is older than the log that is kept; metadata `oldest_sequence` is the oldest."""

    reason = "EVENTS_COMPACTED"


class JobNotFinished(Refusal):
    """The job still waits or runs; metadata `state`."""

    reason = "JOB_NOT_FINISHED"


class EtagMismatch(Refusal):
    """The job is not what the caller last saw; metadata `etag` is what it is now."""

    reason = "ETAG_MISMATCH"


class QuotaExceeded(Refusal):
    """The project has as many jobs or bytes as it may; metadata `quota`, `limit`."""

    reason = "QUOTA_EXCEEDED"


class BlobMissing(Refusal):
    """No such blob."""

    reason = "BLOB_MISSING"


class InputMissing(Refusal):
    """The picture or mesh of a new job is not uploaded; metadata `sha256` names it."""

    reason = "BLOB_MISSING"


class SurfaceMissing(Refusal):
    """The job to export again has no dense surface; metadata `job` names it."""

    reason = "SURFACE_MISSING"


class ModelUnusable(Refusal):
    """The server's model cannot be used: `pipeline.errors.ModelUnavailable`, as callers hear it.

    What is wrong names folders of the server's machine, so the log has it, and callers do not.
    """

    reason = "MODEL_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__(
            "the server's model cannot be used; its log says why, and so does `lodsmith doctor` on "
            "its machine (a mesh, as for `lodsmith lod`, needs no model)"
        )


class BlobDamaged(Refusal):
    """Stored bytes no longer hash to their name."""

    reason = "BLOB_DAMAGED"


class DigestMismatch(Refusal):
    """Uploaded bytes do not hash to what was announced."""

    reason = "DIGEST_MISMATCH"


class OffsetMismatch(Refusal):
    """Bytes do not join what is there; metadata `committed_size` or `size_bytes` says what is."""

    reason = "OFFSET_MISMATCH"


class UploadBusy(Refusal):
    """Another stream writes the same upload."""

    reason = "UPLOAD_BUSY"


class TokenInvalid(Refusal):
    """No token, or one that is malformed, unknown, expired or revoked: the caller hears not which.

    A caller who could tell them apart would learn which tokens there are.
    """

    reason = "TOKEN_INVALID"

    def __init__(self) -> None:
        super().__init__(
            "this call needs a valid token, as the metadata `authorization: Bearer <token>`; "
            "`lodsmith token add` makes one on the server's machine"
        )


class ScopeMissing(Refusal):
    """The caller's token does not allow this call; metadata `scope` is what it lacks."""

    reason = "SCOPE_MISSING"


class RateLimited(Refusal):
    """More calls than there may be; `retry_after_s` says when the next one may come."""

    reason = "RATE_LIMITED"
