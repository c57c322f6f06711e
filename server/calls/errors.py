"""Errors -> gRPC status with details. The one table of who gets which code."""

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from pipeline import errors as pipeline_errors
from pipeline.errors import PipelineError
from server import incident, refusals
from server.refusals import Refusal

DOMAIN = "lodsmith"
DETAILS_KEY = "grpc-status-details-bin"

CODES: Mapping[type[Exception], grpc.StatusCode] = {
    # a stage's own errors, when they are found before there is a job
    pipeline_errors.PipelineError: grpc.StatusCode.INTERNAL,
    pipeline_errors.InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    pipeline_errors.Unsupported: grpc.StatusCode.INVALID_ARGUMENT,
    pipeline_errors.EmptyResult: grpc.StatusCode.FAILED_PRECONDITION,
    pipeline_errors.BudgetUnreachable: grpc.StatusCode.FAILED_PRECONDITION,
    pipeline_errors.ProfileViolation: grpc.StatusCode.FAILED_PRECONDITION,
    pipeline_errors.ModelUnavailable: grpc.StatusCode.FAILED_PRECONDITION,
    pipeline_errors.OutOfMemory: grpc.StatusCode.RESOURCE_EXHAUSTED,
    pipeline_errors.DiskFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    pipeline_errors.Cancelled: grpc.StatusCode.CANCELLED,
    # the server's
    refusals.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    refusals.TooLarge: grpc.StatusCode.INVALID_ARGUMENT,
    refusals.JobNotFound: grpc.StatusCode.NOT_FOUND,
    refusals.RequestIdReused: grpc.StatusCode.ALREADY_EXISTS,
    refusals.QueueFull: grpc.StatusCode.RESOURCE_EXHAUSTED,
    refusals.Draining: grpc.StatusCode.UNAVAILABLE,
    refusals.LogEpochChanged: grpc.StatusCode.FAILED_PRECONDITION,
    refusals.EventsCompacted: grpc.StatusCode.OUT_OF_RANGE,
    refusals.JobNotFinished: grpc.StatusCode.FAILED_PRECONDITION,
    refusals.EtagMismatch: grpc.StatusCode.ABORTED,
    refusals.QuotaExceeded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    refusals.BlobMissing: grpc.StatusCode.NOT_FOUND,
    refusals.BlobDamaged: grpc.StatusCode.DATA_LOSS,
    refusals.DigestMismatch: grpc.StatusCode.INVALID_ARGUMENT,
    refusals.OffsetMismatch: grpc.StatusCode.OUT_OF_RANGE,
    refusals.UploadBusy: grpc.StatusCode.ABORTED,
    refusals.InputMissing: grpc.StatusCode.FAILED_PRECONDITION,
    refusals.SurfaceMissing: grpc.StatusCode.FAILED_PRECONDITION,
    refusals.ModelUnusable: grpc.StatusCode.FAILED_PRECONDITION,
    refusals.TokenInvalid: grpc.StatusCode.UNAUTHENTICATED,
    refusals.ScopeMissing: grpc.StatusCode.PERMISSION_DENIED,
    refusals.RateLimited: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


@dataclass(frozen=True, kw_only=True)
class CallStatus:
    """How a call ends. details: the serialized `google.rpc.Status`."""

    code: grpc.StatusCode
    message: str
    details: bytes


def status_of(error: PipelineError | Refusal) -> CallStatus:
    """Return how a call ends that raised a known error."""
    code = next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)
    extra: list[Message] = []
    metadata: Mapping[str, str]
    if isinstance(error, Refusal):
        metadata = error.metadata
        if error.field:
            extra.append(_bad_request(error.field, str(error)))
        if error.retry_after_s is not None:
            extra.append(_retry_info(error.retry_after_s))
        if isinstance(error, refusals.InputMissing):
            extra.append(_missing(error))
    else:
        metadata = {name: str(value) for name, value in vars(error).items()}
    return _status(code, str(error), error.reason, metadata, extra)


def status_of_defect(defect: incident.Incident) -> CallStatus:
    """Return how a call ends that raised something unforeseen."""
    return _status(grpc.StatusCode.INTERNAL, defect.message, incident.REASON, defect.metadata, [])


def _status(
    code: grpc.StatusCode,
    message: str,
    reason: str,
    metadata: Mapping[str, str],
    extra: list[Message],
) -> CallStatus:
    info = details.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
    status = Status(code=code.value[0], message=message)
    for detail in (info, *extra):
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return CallStatus(code=code, message=message, details=status.SerializeToString())


def _bad_request(field: str, description: str) -> Message:
    message: Message = details.BadRequest(
        field_violations=[details.BadRequest.FieldViolation(field=field, description=description)]
    )
    return message


def _missing(error: Refusal) -> Message:
    violation = details.PreconditionFailure.Violation(
        type="MISSING", subject=f"blobs/{error.metadata['sha256']}", description=str(error)
    )
    message: Message = details.PreconditionFailure(violations=[violation])
    return message


def _retry_info(seconds: float) -> Message:
    delay = Duration()
    delay.FromMilliseconds(round(seconds * 1000))
    message: Message = details.RetryInfo(retry_delay=delay)
    return message
