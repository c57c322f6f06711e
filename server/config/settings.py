"""ServerConfig: every setting of a server, its default, and what is refused."""

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args, get_origin

from pipeline import STARTER_NAME
from pipeline.errors import InvalidInput
from pipeline.model.kernel_options import AttentionName, PrecisionName, SparseConvolutionName
from pipeline.model.load_options import Offload
from server.config.values import Bytes, Seconds

MiB, GiB = 1 << 20, 1 << 30
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0

Auth = Literal["auto", "token", "none"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
LogFormat = Literal["text", "json"]

_ORIGIN = re.compile(r"https?://[^/\s*@]+")
_URL = re.compile(_ORIGIN.pattern + r"(/\S*)?")  # without a password: the configuration is shown
_MAX_COUNT = 2**31 - 1  # what the contract's int32 can say
_MAX_BYTES = 2**63 - 1
_MAX_SECONDS = 315_576_000_000.0  # what its Duration can say: ten thousand years

_ABOVE_ZERO = frozenset(
    {
        "generator_workers",
        "mesh_workers",
        "max_images",
        "max_variants",
        "max_mesh_triangles",
        "max_watches",
        "max_connection_streams",
        "max_health_watches",
        "max_infer_calls",
        "max_request_items",
        "heartbeat_s",
        "gc_interval_s",
        "stall_factor",
        "stall_min_s",
    }
)


class WrongSetting(InvalidInput):
    """A setting has a value that makes no sense. name: of the setting."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name} {problem}")
        self.name = name


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Every setting of a server. Built once; docs/configuration.md has the whole table.

    Names that end in `_s` are seconds, in `_bytes` bytes. None of them is a secret.

    Where to listen:

    host, port: of gRPC; port 0 takes a free one.
    http, http_port: whether and where the same calls are answered over HTTP/1.1; 0: a free port.
    reflection: whether the server tells tools like grpcurl what it can do.
    allowed_origins: web pages that may call, as `https://tools.example`; none by default.
    allowed_hosts: names in `Host` that are taken, beside loopback's and `host`.

    Who may call:

    auth: "token": who has one; "none": everybody; "auto": "none" on loopback, else "token".
    tls_cert, tls_key: PEM files of the server's certificate and its key. None: no TLS.
    tls_client_ca: PEM file with the authorities whose certificates callers must show (mTLS).
    insecure_allow_remote: allow a host other than loopback without TLS, or without any login.
    call_rate_per_s, call_burst: calls of a project per second, and at once; rate 0: no limit.

    Data:

    data_dir: folder for the journal and the artifacts; one server at a time.
    keep_jobs_s: how long a job is kept after its end; 0: for ever.
    keep_events_s: how long its log is kept, which is then compacted to its last state.
    keep_uploads_s: how long uploads are kept that no job uses.
    keep_cache_s: how long results of stages are kept that no job asks for again.
    gc_interval_s: time between two looks for what need not be kept.

    Models:

    models: names of models (`lodsmith models list`) or their folders, with commas between; a
        request goes to the first one that takes it.
    models_dir: folder of the models that were added on this machine.
    device: "cpu", "cuda:0", several with commas between, or "auto" for all GPUs that there are:
        where the models run.
    attention, sparse_convolution: kernels to use; "auto" takes the fastest of those installed.
    precision: of the transformer blocks; "auto" is float16 on a GPU, float32 on a CPU.
    offload: "on" keeps only the running stage's part of a model on the GPU; "auto" does so where
        all of it would not fit.

    Workers:

    generator_workers: processes that generate, on each device. mesh_workers: that do mesh work.
    spare_mesh_workers: more mesh processes that stand ready to replace one that had to be killed.
    warm_generator: load the model at the start; else with the first job that needs it.
    generator_grace_s, mesh_grace_s: how long a cancelled task may take before its process is
        killed.
    generator_memory_bytes, mesh_memory_bytes: most memory of a worker process; 0: no limit.
    mesh_cpu_s: most processor time of one mesh task; 0: no limit.
    worker_max_tasks: tasks after which a process is replaced; 0: never.
    worker_max_growth_bytes: growth of its memory after which it is; 0: never.
    stall_factor, stall_min_s: a task that tells of no progress for `stall_factor` times what its
        stage usually takes, and at least `stall_min_s`, is given up.
    drain_s: how long running jobs may take to end when the server stops; then they are requeued.

    Limits; see `Limits` in the contract:

    max_..., min_free_disk_bytes: max_project_jobs, max_project_bytes and max_run_timeout_s 0: no
        limit. max_watches: open ones of a project. max_connection_streams: calls at once on one
        connection of gRPC. max_health_watches: open ones of all clients. max_infer_calls: calls of
        /v1/infer at once. max_request_items: elements of one request.

    What it tells:

    heartbeat_s: longest silence of a watch.
    log_level, log_format: lines of text, or JSON, one object per line.
    log_prompts: whether prompts may be in the log.
    otlp_endpoint: where traces go, as `http://127.0.0.1:4318`; "": nowhere.
    pipeline: the module that does the work; other ones are for tests.
    """

    host: str = "127.0.0.1"
    port: int = 50051
    http: bool = True
    http_port: int = 50052
    reflection: bool = True
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()

    auth: Auth = "auto"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None
    insecure_allow_remote: bool = False
    call_rate_per_s: float = 100.0
    call_burst: int = 400

    data_dir: Path = field(default_factory=lambda: default_data_dir(os.environ))
    keep_jobs_s: Seconds = 30 * DAY_S
    keep_events_s: Seconds = 7 * DAY_S
    keep_uploads_s: Seconds = 1 * DAY_S
    keep_cache_s: Seconds = 7 * DAY_S
    gc_interval_s: Seconds = 10 * MINUTE_S

    models: tuple[str, ...] = (STARTER_NAME,)
    models_dir: Path = field(default_factory=lambda: default_data_dir(os.environ) / "models")
    device: str = "auto"
    attention: AttentionName = "auto"
    sparse_convolution: SparseConvolutionName = "auto"
    precision: PrecisionName = "auto"
    offload: Offload = "auto"

    generator_workers: int = 1
    mesh_workers: int = 1
    spare_mesh_workers: int = 1
    warm_generator: bool = True
    generator_grace_s: Seconds = 10.0
    mesh_grace_s: Seconds = 0.2
    generator_memory_bytes: Bytes = 0
    mesh_memory_bytes: Bytes = 8 * GiB
    mesh_cpu_s: Seconds = 0.0
    worker_max_tasks: int = 200
    worker_max_growth_bytes: Bytes = 2 * GiB
    stall_factor: float = 20.0
    stall_min_s: Seconds = 5 * MINUTE_S
    drain_s: Seconds = 30.0

    max_prompt_characters: int = 1000
    max_image_bytes: Bytes = 20_000_000
    max_mesh_bytes: Bytes = 1 * GiB
    max_mesh_triangles: int = 6_000_000
    max_adapter_bytes: Bytes = 1 * GiB
    max_images: int = 8
    max_variants: int = 8
    max_queued_jobs: int = 1000
    max_project_jobs: int = 1000
    max_project_bytes: Bytes = 0
    max_run_timeout_s: Seconds = 2 * HOUR_S
    max_watches: int = 2000
    max_connection_streams: int = 1000
    max_health_watches: int = 1000
    max_infer_calls: int = 16
    max_request_items: int = 4096
    min_free_disk_bytes: Bytes = 512 * MiB

    heartbeat_s: Seconds = 15.0
    log_level: LogLevel = "INFO"
    log_format: LogFormat = "text"
    log_prompts: bool = False
    otlp_endpoint: str = ""
    pipeline: str = "pipeline"

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_numbers()
        self._check_addresses()
        self._check_access()
        if not self.models or not all(self.models):
            raise WrongSetting("models", f"must name at least one model, got {self.models}")

    @property
    def is_remote(self) -> bool:
        """Whether other machines can reach `host`."""
        return not is_loopback(self.host)

    @property
    def needs_token(self) -> bool:
        """Whether callers must have a token, or, with `tls_client_ca`, a certificate."""
        return self.auth == "token" or (self.auth == "auto" and self.is_remote)

    def _check_choices(self) -> None:
        for setting in fields(self):
            if get_origin(setting.type) is Literal:
                value, known = getattr(self, setting.name), get_args(setting.type)
                if value not in known:
                    raise WrongSetting(
                        setting.name, f"must be one of {', '.join(known)}, got {value!r}"
                    )

    def _check_numbers(self) -> None:
        for setting in fields(self):
            name, value = setting.name, getattr(self, setting.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if not math.isfinite(value):
                raise WrongSetting(name, f"must be a finite number, got {value}")
            if name in _ABOVE_ZERO and value <= 0:
                least = "at least 1" if setting.type is int else "more than 0"
                raise WrongSetting(name, f"must be {least}, got {value}")
            if value < 0:
                raise WrongSetting(name, f"must not be negative, got {value}")
            most = _most(setting.type)
            if value > most:
                raise WrongSetting(name, f"must be at most {most:,}, got {value:,}")
        if self.call_rate_per_s and self.call_burst < 1:
            raise WrongSetting(
                "call_burst",
                f"must be at least 1, got {self.call_burst}, or no call is ever let through; "
                "call_rate_per_s = 0 turns the limit off",
            )

    def _check_addresses(self) -> None:
        for name in ("port", "http_port"):
            port = getattr(self, name)
            if port > 65535:
                raise WrongSetting(name, f"must be in [0, 65535], got {port}")
        if self.http and self.http_port and self.http_port == self.port:
            raise WrongSetting(
                "http_port",
                f"must differ from port, both are {self.port}; choose another, or http = false",
            )
        for origin in self.allowed_origins:
            if not _ORIGIN.fullmatch(origin):
                raise WrongSetting(
                    "allowed_origins", f"must be like https://tools.example:8080, got {origin!r}"
                )
        for host in self.allowed_hosts:
            if not host or "/" in host or "*" in host:
                raise WrongSetting(
                    "allowed_hosts", f"must be names like assets.example, got {host!r}"
                )
        if self.otlp_endpoint and not _URL.fullmatch(self.otlp_endpoint):
            raise WrongSetting(
                "otlp_endpoint",
                "must be like http://127.0.0.1:4318, without a name or password in it",
            )

    def _check_access(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "tls_key" if self.tls_key is None else "tls_cert"
            raise WrongSetting(missing, "is missing: a certificate and its key go together")
        if self.tls_client_ca is not None and self.tls_cert is None:
            raise WrongSetting(
                "tls_client_ca", "needs tls_cert and tls_key: only TLS asks for certificates"
            )
        if not self.is_remote or self.insecure_allow_remote:
            return
        if self.tls_cert is None:
            raise WrongSetting(
                "host",
                f"{self.host} can be reached from other machines, and there is no TLS: set "
                "tls_cert and tls_key, or use 127.0.0.1 (for example behind an SSH tunnel), or add "
                "--insecure-allow-remote where you trust the whole network",
            )
        if not self.needs_token and self.tls_client_ca is None:
            raise WrongSetting(
                "auth",
                f"must not be 'none' on host {self.host}, which other machines can reach: use "
                "'token', or set tls_client_ca, or add --insecure-allow-remote where you trust the "
                "whole network",
            )


def _most(kind: object) -> int | float:
    if kind == Bytes:
        return _MAX_BYTES
    return _MAX_COUNT if kind is int else _MAX_SECONDS


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """Return `lodsmith` in the user's folder for application data (XDG base directories)."""
    base = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "lodsmith"
