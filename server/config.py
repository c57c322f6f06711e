"""ServerConfig: what the server is told once, by flags and by the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pipeline import STARTER_NAME
from pipeline.errors import InvalidInput
from pipeline.model.kernel_options import AttentionName, PrecisionName, SparseConvolutionName
from pipeline.model.load_options import Offload

ENVIRONMENT_PREFIX = "LODSMITH_"
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

MiB = 1 << 20

Setting = str | int | float | bool | Path | tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """Every setting of a server. Built once; each has a variable `LODSMITH_<FIELD>`.

    host, port: where to listen; port 0 takes a free one.
    http, http_port: whether to listen for Connect, gRPC-Web and plain HTTP too, and where; port 0
        takes a free one.
    allowed_origins: of web pages that may use the HTTP port: "https://tools.studio.example".
    allowed_hosts: more names by which HTTP clients know the server, without port.
    insecure_allow_remote: allow a host other than loopback. Whoever reaches the port can then use
        the server: there is no TLS and no login yet.
    data_dir: folder for the journal and the artifacts; one server at a time.
    models: names of models (`lodsmith models list`) or their folders, with commas between; a
        request goes to the first one that takes it.
    models_dir: folder of the models that were added on this machine.
    device: "auto", "cpu", "cuda:0", ...: where the models run.
    attention, sparse_convolution: kernels to use; "auto" takes the fastest of those installed.
    precision: of the transformer blocks; "auto" is float16 on a GPU, float32 on a CPU.
    offload: "on" keeps only the running stage's part of a model on the GPU; "auto" does so where
        all of it would not fit.
    generator_workers, mesh_workers: processes of each kind that take tasks.
    spare_mesh_workers: more mesh processes that stand ready to replace one that had to be killed.
    warm_generator: load the model at the start; else with the first job that needs it.
    generator_grace_s, mesh_grace_s: how long a cancelled task may take before its process is
        killed.
    generator_memory_bytes, mesh_memory_bytes: most memory of a worker process; 0: no limit.
    drain_s: how long running jobs may take to end when the server stops; then they are requeued.
    max_..., min_free_disk_bytes: see `Limits` in the contract.
    log_level: DEBUG, INFO, WARNING or ERROR.
    pipeline: the module that does the work; other ones are for tests.
    """

    host: str = "127.0.0.1"
    port: int = 50051
    http: bool = True
    http_port: int = 50052
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    insecure_allow_remote: bool = False
    data_dir: Path = field(default_factory=lambda: default_data_dir(os.environ))
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
    generator_grace_s: float = 10.0
    mesh_grace_s: float = 0.2
    generator_memory_bytes: int = 0
    mesh_memory_bytes: int = 8192 * MiB
    drain_s: float = 30.0
    max_prompt_characters: int = 1000
    max_image_bytes: int = 20_000_000
    max_mesh_bytes: int = 1024 * MiB
    max_mesh_triangles: int = 6_000_000
    max_adapter_bytes: int = 1024 * MiB
    max_images: int = 8
    max_variants: int = 8
    max_queued_jobs: int = 1000
    min_free_disk_bytes: int = 512 * MiB
    log_level: str = "INFO"
    pipeline: str = "pipeline"

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK_HOSTS and not self.insecure_allow_remote:
            raise InvalidInput(
                f"host {self.host} can be reached from other machines, and the server has no TLS "
                "and no login yet; use 127.0.0.1 (for example behind an SSH tunnel) or add "
                "--insecure-allow-remote where you trust everyone on the network"
            )
        for name in ("port", "http_port"):
            if not 0 <= getattr(self, name) <= 65535:
                raise InvalidInput(f"{name} must be in [0, 65535], got {getattr(self, name)}")
        if self.log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
            raise InvalidInput(
                f"log_level must be DEBUG, INFO, WARNING or ERROR, got {self.log_level!r}"
            )
        if not self.models or not all(self.models):
            raise InvalidInput(f"models must name at least one model, got {self.models}")
        for setting in fields(self):
            if get_origin(setting.type) is Literal:
                value, known = getattr(self, setting.name), get_args(setting.type)
                if value not in known:
                    raise InvalidInput(
                        f"{setting.name} must be one of {', '.join(known)}, got {value!r}"
                    )
        for name in (
            "generator_workers",
            "mesh_workers",
            "max_images",
            "max_variants",
            "max_mesh_triangles",
        ):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} must be at least 1, got {getattr(self, name)}")
        for setting in fields(self):
            value = getattr(self, setting.name)
            if isinstance(value, int | float) and value < 0:
                raise InvalidInput(f"{setting.name} must not be negative, got {value}")


def read_config(
    environment: Mapping[str, str],
    flags: Mapping[str, Setting | None],
    defaults: Mapping[str, Setting] | None = None,
) -> ServerConfig:
    """Build the configuration: `flags` win over `environment`, that over `defaults`.

    Args:
        environment: As `os.environ`; only names that start with LODSMITH_ matter.
        flags: By field name; None for a flag that was not given.
        defaults: By field name, where they differ from those of `ServerConfig`.

    Raises:
        InvalidInput: For a value that does not fit, or a LODSMITH_ variable that does not exist.
    """
    kinds = {setting.name: setting.type for setting in fields(ServerConfig)}
    values: dict[str, Any] = dict(defaults or {})  # Any: checked by `ServerConfig`
    for variable, text in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name not in kinds:
            known = ", ".join(ENVIRONMENT_PREFIX + known.upper() for known in kinds)
            raise InvalidInput(f"there is no setting {variable}; there are {known}")
        values[name] = _parsed(variable, text, kinds[name])
    values.update({name: value for name, value in flags.items() if value is not None})
    return ServerConfig(**values)


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """Return `lodsmith` in the user's folder for application data (XDG base directories)."""
    base = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "lodsmith"


def _parsed(variable: str, text: str, kind: Any) -> Setting:
    if get_origin(kind) is Literal:
        return text  # checked by `ServerConfig`
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in text.split(","))
    if kind is bool:
        if text.lower() not in ("1", "true", "yes", "0", "false", "no"):
            raise InvalidInput(f"{variable} must be true or false, got {text!r}")
        return text.lower() in ("1", "true", "yes")
    try:
        value: Setting = kind(text)
    except ValueError as error:
        raise InvalidInput(f"{variable} must be a {kind.__name__}, got {text!r}") from error
    return value
