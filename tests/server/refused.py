"""What is in a failed call, for tests."""

from typing import Any

from google.rpc import error_details_pb2 as details  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from server.calls.errors import DETAILS_KEY


# Any: google.rpc has no stubs, and a failed call has more than grpc's stubs know.
def reason_of(error: Any) -> str:
    """Return why the server refused a call."""
    info = detail_of(error, details.ErrorInfo())
    assert info.domain == "lodsmith"
    return str(info.reason)


def bad_request_of(error: Any) -> Any:
    """Return which fields of the request are wrong."""
    return detail_of(error, details.BadRequest())


def detail_of(error: Any, kind: Any) -> Any:
    """Return the detail of the same type as `kind`, which it is read into."""
    for key, value in error.trailing_metadata():
        if key == DETAILS_KEY:
            for detail in Status.FromString(value).details:
                if detail.Unpack(kind):
                    return kind
    raise AssertionError(f"no {type(kind).__name__} in {error}")
