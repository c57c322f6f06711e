"""gRPC's health service, with a limit on how many watch it."""

from typing import Any

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

from server.calls.errors import DETAILS_KEY, status_of
from server.refusals import RateLimited

Context = grpc.aio.ServicerContext[Any, Any]  # Any: as gRPC's own


class BoundedHealth(HealthServicer):  # type: ignore[misc]  # no stubs
    """Tells who asks and who watches. It asks nobody for a token, so it cannot count by project."""

    def __init__(self, *, max_watches: int) -> None:
        super().__init__()
        self._max_watches = max_watches
        self._watch_count = 0

    async def Watch(  # noqa: N802  # gRPC's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> None:
        """Tell a service's state and each change of it; end with RATE_LIMITED where it is full."""
        if self._watch_count >= self._max_watches:
            full = status_of(
                RateLimited(
                    f"{self._max_watches:,} clients watch the server's health, which is the most "
                    "that may; try again later, or ask with Check",
                    retry_after_s=10.0,
                )
            )
            await context.abort(full.code, full.message, ((DETAILS_KEY, full.details),))
        self._watch_count += 1
        try:
            await super().Watch(request, context)
        finally:
            self._watch_count -= 1
