"""Files of pretrained encoders -> tensors, checked before any of them is used.

Encoders are loaded more strictly than their library would: a missing tensor is an error there too,
but a foreign one, or one of half the precision, means that the file is another model.
"""

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline.errors import ModelUnavailable

Shape = tuple[int, ...]
Json = Any  # what json.loads returns; every use below checks what it reads


def read_config(file: Path) -> dict[str, Json]:
    """Read a JSON object.

    Raises:
        ModelUnavailable: Naming the file, if it is none.
    """
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as e:
        raise ModelUnavailable(f"{file} cannot be read: {e}") from e
    if not isinstance(content, dict):
        raise ModelUnavailable(f"{file} must hold a JSON object")
    return content


def check_config(file: Path, found: Mapping[str, Json], expected: Mapping[str, Json]) -> None:
    """Compare the settings that change what a network computes. What `found` lacks passes: files
    leave out the default values, and a wrong size shows in the tensors.

    Raises:
        ModelUnavailable: Naming the file and the first setting that differs.
    """
    for name, value in expected.items():
        if found.get(name, value) != value:
            raise ModelUnavailable(
                f"{file} has {name}={found[name]!r}, not {value!r}; it is another model"
            )


def read_tensors(file: Path, ignored: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Read a safetensors file, or one that torch saved (any other suffix), without running code.

    Args:
        file: The file.
        ignored: Beginnings of the names of tensors that are left out.

    Raises:
        ModelUnavailable: Naming the file, if it cannot be read, is cut short or holds no tensors.
    """
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as content:
                names = [name for name in content.keys() if not name.startswith(ignored)]  # noqa: SIM118 (it is no dict)
                return {name: content.get_tensor(name) for name in names}
        stored = torch.load(file, map_location="cpu", weights_only=True)
    except (
        OSError,
        SafetensorError,
        RuntimeError,  # what torch says of a zip file without its end
        EOFError,
        ValueError,
        LookupError,
        pickle.UnpicklingError,
    ) as e:
        raise ModelUnavailable(f"{file} cannot be read ({e}); copy it again") from e
    if not isinstance(stored, dict) or not all(isinstance(t, Tensor) for t in stored.values()):
        raise ModelUnavailable(f"{file} must hold tensors by name")
    return {name: tensor for name, tensor in stored.items() if not name.startswith(ignored)}


def check_tensors(file: Path, found: Mapping[str, Tensor], expected: Mapping[str, Shape]) -> None:
    """Compare names, shapes and precision (float32).

    Raises:
        ModelUnavailable: Naming the file and the first tensor that is missing, foreign or unlike.
    """
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise ModelUnavailable(f"{file} lacks the tensor {name}; it is another model")
        if name not in expected:
            raise ModelUnavailable(f"{file} holds the foreign tensor {name}; it is another model")
        tensor = found[name]
        if tensor.shape != expected[name]:
            raise ModelUnavailable(
                f"{file}: {name} has shape {list(tensor.shape)}, not {list(expected[name])}"
            )
        if tensor.dtype != torch.float32:
            raise ModelUnavailable(f"{file}: {name} is {tensor.dtype}, not torch.float32")
