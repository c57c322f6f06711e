"""What the server refuses, and when it takes nothing new."""

from dataclasses import dataclass

from pipeline.preprocess import MAX_PIXELS
from server.config import ServerConfig
from server.refusals import Draining, TooLarge


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the server refuses; see `Limits` in the contract. All ends included; 0 is no limit.

    heartbeat_s: longest silence of a watch that asks for nothing else.
    """

    max_prompt_characters: int
    max_image_bytes: int
    max_image_pixels: int
    max_mesh_bytes: int
    max_mesh_triangles: int
    max_adapter_bytes: int
    max_images: int
    max_variants: int
    max_queued_jobs: int
    min_free_disk_bytes: int
    max_project_jobs: int
    max_project_bytes: int
    max_run_timeout_s: float
    keep_jobs_s: float
    max_watches: int
    max_connection_streams: int
    max_health_watches: int
    max_infer_calls: int
    heartbeat_s: float

    @property
    def max_blob_bytes(self) -> int:
        """Largest upload, whatever it is for; each job checks its inputs by their use."""
        return max(self.max_image_bytes, self.max_mesh_bytes, self.max_adapter_bytes)


def limits_of(config: ServerConfig) -> Limits:
    """Return what a server with that configuration refuses."""
    return Limits(
        max_prompt_characters=config.max_prompt_characters,
        max_image_bytes=config.max_image_bytes,
        max_image_pixels=MAX_PIXELS,
        max_mesh_bytes=config.max_mesh_bytes,
        max_mesh_triangles=config.max_mesh_triangles,
        max_adapter_bytes=config.max_adapter_bytes,
        max_images=config.max_images,
        max_variants=config.max_variants,
        max_queued_jobs=config.max_queued_jobs,
        min_free_disk_bytes=config.min_free_disk_bytes,
        max_project_jobs=config.max_project_jobs,
        max_project_bytes=config.max_project_bytes,
        max_run_timeout_s=config.max_run_timeout_s,
        keep_jobs_s=config.keep_jobs_s,
        max_watches=config.max_watches,
        max_connection_streams=config.max_connection_streams,
        max_health_watches=config.max_health_watches,
        max_infer_calls=config.max_infer_calls,
        heartbeat_s=config.heartbeat_s,
    )


class DrainFlag:
    """Whether the server is shutting down. One per server, shared by its services."""

    def __init__(self) -> None:
        self.is_set = False

    def check(self) -> None:
        """Raise `Draining` once the flag is set."""
        if self.is_set:
            raise Draining("the server is shutting down; try again later", retry_after_s=5.0)


def check_size(size_bytes: int, max_bytes: int, field: str) -> None:
    """Raise `TooLarge` for a blob of more than `max_bytes`; `field` is its path in the request."""
    if size_bytes > max_bytes:
        raise TooLarge(
            f"{field} must have at most {max_bytes:,} bytes, got {size_bytes:,}",
            field=field,
            metadata={"max_bytes": str(max_bytes)},
        )
