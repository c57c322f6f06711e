"""What gRPC's standard health service says of a server."""

import ipaddress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from server.config import ServerConfig


def health_of(address: str, service: str, timeout_s: float) -> str:
    """Return SERVING, NOT_SERVING, or why there is no answer."""
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def own_address(config: ServerConfig) -> str:
    """Return where a server with these settings can be asked from its own machine."""
    host = config.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"{host}:{config.port}"
    if address.is_unspecified:  # every address of the machine
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"[{host}]:{config.port}" if ":" in host else f"{host}:{config.port}"
