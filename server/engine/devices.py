"""Which device each generator process runs on. The server itself never imports torch."""

import logging
import os
import shutil
import subprocess
from collections.abc import Mapping

logger = logging.getLogger(__name__)

_PROBE_TIMEOUT_S = 20.0  # a driver that wakes its cards takes seconds


def generator_devices(device: str, per_device: int) -> tuple[str, ...]:
    """Return the device of each generator process.

    Args:
        device: As in the configuration: names with commas between ("cuda:0,cuda:1"), or "auto" for
            all NVIDIA GPUs that are visible. With one or none, "auto" stays: its worker finds out
            by itself, and also finds what only torch knows.
        per_device: How many processes each device gets.
    """
    if device == "auto":
        count = visible_gpu_count(os.environ)
        names = [f"cuda:{index}" for index in range(count)] if count > 1 else ["auto"]
    else:
        names = [name.strip() for name in device.split(",")]
    return tuple(name for name in names for _ in range(per_device))


def visible_gpu_count(environment: Mapping[str, str]) -> int:
    """Return how many NVIDIA GPUs a worker will see: those of CUDA_VISIBLE_DEVICES, else all."""
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return _installed_gpu_count()
    names = [name.strip() for name in listed.split(",")]
    for position, name in enumerate(names):
        if name in ("", "-1"):  # CUDA ignores what comes after a name that is none
            return position
    return len(names)


def _installed_gpu_count() -> int:
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    try:
        listing = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("nvidia-smi does not list the GPUs: %s; one generator runs", error)
        return 0
    return sum(line.startswith("GPU ") for line in listing.stdout.splitlines())
