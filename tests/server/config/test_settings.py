"""What a configuration may not be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InvalidInput
from server.config import ServerConfig, default_data_dir
from server.config.settings import is_loopback

TLS: dict[str, Any] = {"tls_cert": Path("cert.pem"), "tls_key": Path("key.pem")}
MTLS: dict[str, Any] = {**TLS, "tls_client_ca": Path("ca.pem")}
REMOTE = "0.0.0.0"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"port": 70000}, r"port must be in \[0, 65535\], got 70000"),
        ({"http_port": -1}, "http_port must not be negative"),
        ({"http_port": 50051}, "http_port must differ from port, both are 50051"),
        ({"log_level": "LOUD"}, "log_level must be one of DEBUG, INFO"),
        ({"log_format": "xml"}, "log_format must be one of text, json, got 'xml'"),
        ({"auth": "password"}, "auth must be one of auto, token, none"),
        ({"precision": "float8"}, "precision must be one of auto, float16"),
        ({"models": ()}, "models must name at least one model"),
        ({"models": ("starter", "")}, "models must name at least one model"),
        ({"mesh_workers": 0}, "mesh_workers must be at least 1"),
        ({"heartbeat_s": 0.0}, "heartbeat_s must be more than 0"),
        ({"drain_s": -1.0}, "drain_s must not be negative"),
        ({"drain_s": float("nan")}, "drain_s must be a finite number"),
        ({"keep_jobs_s": float("inf")}, "keep_jobs_s must be a finite number"),
        ({"keep_jobs_s": 1e12}, "keep_jobs_s must be at most"),
        ({"max_queued_jobs": 2**31}, "max_queued_jobs must be at most 2,147,483,647"),
        ({"max_mesh_bytes": 2**63}, "max_mesh_bytes must be at most"),
        ({"call_burst": 0}, "call_burst must be at least 1, got 0"),
        ({"allowed_origins": ("*",)}, "allowed_origins must be like https://"),
        ({"allowed_origins": ("https://a.example/x",)}, "allowed_origins must be like https://"),
        ({"allowed_hosts": ("http://a",)}, "allowed_hosts must be names"),
        ({"otlp_endpoint": "127.0.0.1:4318"}, "otlp_endpoint must be like http://"),
        ({"otlp_endpoint": "http://ada:pw@a.example"}, "without a name or password"),
        ({"tls_cert": Path("cert.pem")}, "tls_key is missing"),
        ({"tls_key": Path("key.pem")}, "tls_cert is missing"),
        ({"tls_client_ca": Path("ca.pem")}, "tls_client_ca needs tls_cert and tls_key"),
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        replace(ServerConfig(), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"host": "127.9.9.9"},
        {"host": "::1"},
        {"host": "localhost", "auth": "token"},
        {"host": REMOTE, **TLS},
        {"host": REMOTE, **TLS, "auth": "token"},
        {"host": REMOTE, **MTLS, "auth": "none"},
        {"host": REMOTE, "insecure_allow_remote": True},
        {"host": REMOTE, "insecure_allow_remote": True, "auth": "none"},
        {"http_port": 50051, "http": False},
        {"port": 0, "http_port": 0},
        {"call_rate_per_s": 0.0, "call_burst": 0},
        {"worker_max_tasks": 0},
        {"otlp_endpoint": "https://otel.example/prefix"},
    ],
)
def test_what_makes_sense_is_taken(changes: dict[str, Any]) -> None:
    ServerConfig(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "tls_cert and tls_key"),
        ({"auth": "token"}, "tls_cert and tls_key"),
        ({**TLS, "auth": "none"}, "auth must not be 'none' on host 0.0.0.0"),
    ],
)
def test_others_get_in_by_tls_and_a_login_only(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        ServerConfig(host=REMOTE, **changes)
    assert "--insecure-allow-remote" in str(caught.value)  # the way out is named


@pytest.mark.parametrize(
    ("changes", "needs_token"),
    [
        ({}, False),
        ({"auth": "token"}, True),
        ({"host": REMOTE, **TLS}, True),
        ({"host": REMOTE, **MTLS, "auth": "none"}, False),
        ({"host": REMOTE, "insecure_allow_remote": True}, True),
        ({"host": REMOTE, "insecure_allow_remote": True, "auth": "none"}, False),
    ],
)
def test_auto_asks_for_a_token_unless_on_loopback(
    changes: dict[str, Any], needs_token: bool
) -> None:
    assert ServerConfig(**changes).needs_token is needs_token


def test_loopback_is_known() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.1.2.3", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "", "assets.example")))


def test_data_live_where_the_desktop_says() -> None:
    assert default_data_dir({"XDG_DATA_HOME": "/data"}) == Path("/data/lodsmith")
    assert default_data_dir({}) == Path.home() / ".local" / "share" / "lodsmith"
