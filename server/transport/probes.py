"""What orchestrators and monitoring ask: health, version, models, metrics. The routes are NIM's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.access.principal import Scope
from server.calls.desk import Desk
from server.calls.messages import read_response
from server.calls.rpcs import Rpc
from server.pb import lodsmith_pb2 as pb
from server.transport.exchange import Exchange

PATHS = ("/v1/health/live", "/v1/health/ready", "/v1/version", "/v1/metadata", "/metrics")

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_API_VERSION = "1"


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Answers of the process, not of a service. Models are told to callers, figures to admins.

    info: `GetServerInfo` of the table.
    version: the server's.
    is_ready: whether jobs would be started now.
    metrics: gives Prometheus's text; None: there is none.
    """

    info: Rpc
    desk: Desk
    version: str
    is_ready: Callable[[], bool]
    metrics: Callable[[], bytes] | None

    def has(self, path: str) -> bool:
        """Tell whether a path is one of these."""
        return path in PATHS and (path != "/metrics" or self.metrics is not None)

    async def answer(self, exchange: Exchange) -> None:
        """Answer a GET or HEAD of one of `PATHS`. Raises `CallEnded`."""
        await exchange.body(0)
        if exchange.path == "/metrics":
            assert self.metrics is not None
            await self.desk.admit("Metrics", Scope.ADMIN, exchange.head)
            await exchange.answer(200, self.metrics(), _PROMETHEUS)
        elif exchange.path == "/v1/version":
            await exchange.answer_json(200, {"release": self.version, "api": _API_VERSION})
        elif exchange.path == "/v1/metadata":
            await exchange.answer_json(200, await self._metadata(exchange))
        elif exchange.path == "/v1/health/live":
            await exchange.answer_json(200, _health("live", "Service is live."))
        elif self.is_ready():
            await exchange.answer_json(200, _health("ready", "Service is ready."))
        else:
            await exchange.answer_json(503, _health("not_ready", "Service is not ready."))

    async def _metadata(self, exchange: Exchange) -> Mapping[str, object]:
        request = pb.GetServerInfoRequest()
        response = await self.desk.answer(self.info, exchange.head, request)
        info: pb.GetServerInfoResponse = read_response(self.info, response)
        models = [
            {"shortName": model.name, "modelUrl": "", "digest": model.digest}
            for model in info.models
            if model.name
        ]
        return {"version": info.version, "modelInfo": models, "assetInfo": []}


def _health(status: str, message: str) -> Mapping[str, str]:
    return {"object": "health.response", "message": message, "status": status}
