"""What a safetensors file says of its tensors, read without reading them.

Source: the format's description in huggingface/safetensors: eight bytes with the header's length,
a JSON object of names with type, shape and place, then the tensors without gaps.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import ModelUnavailable

_MOST_HEADER_BYTES = 100_000_000  # the format's own limit
_LFS_POINTER = b"version https://git-lfs"
_ITEM_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TensorFacts:
    """Shape and type of a tensor. dtype: as safetensors spells it, "F16", "F32", ..."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def size_bytes(self) -> int:
        """Bytes in a file."""
        return math.prod(self.shape) * _ITEM_BITS[self.dtype] // 8


def read_header(file: Path) -> dict[str, TensorFacts]:
    """Read names, shapes and types; check that the file holds all that it announces.

    Raises:
        ModelUnavailable: Naming the file and what is wrong: it is missing, cut short, longer than
            it should be, or no safetensors file.
    """
    try:
        file_bytes = file.stat().st_size
        with file.open("rb") as content:
            start = content.read(8)
            header_bytes = int.from_bytes(start, "little")
            if start == _LFS_POINTER[:8]:
                raise ModelUnavailable(
                    f"{file} is a Git LFS pointer, not the file itself; run `git lfs pull` there"
                )
            if file_bytes < 8 + header_bytes <= 8 + _MOST_HEADER_BYTES or file_bytes < 8:
                raise _cut_short(file, file_bytes, 8 + header_bytes if file_bytes >= 8 else 8)
            if header_bytes > _MOST_HEADER_BYTES:
                raise ModelUnavailable(f"{file} is no safetensors file")
            header = json.loads(content.read(header_bytes))
    except FileNotFoundError as e:
        raise ModelUnavailable(f"{file} is missing") from e
    except OSError as e:
        raise ModelUnavailable(f"{file} cannot be read: {e.strerror}") from e
    except ValueError as e:
        raise ModelUnavailable(f"{file} is no safetensors file: its header is no JSON") from e
    tensors, tensor_bytes = _tensors(file, header)
    whole = 8 + header_bytes + tensor_bytes
    if file_bytes < whole:
        raise _cut_short(file, file_bytes, whole)
    if file_bytes > whole:
        raise ModelUnavailable(
            f"{file} has {file_bytes - whole:,} bytes behind its last tensor; copy it again"
        )
    return tensors


def _tensors(file: Path, header: Any) -> tuple[dict[str, TensorFacts], int]:
    """Facts by name, and the bytes of all tensors."""
    places: list[tuple[int, int, str]] = []
    tensors: dict[str, TensorFacts] = {}
    try:
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            shape = tuple(int(side) for side in entry["shape"])
            tensors[name] = facts = TensorFacts(shape=shape, dtype=str(entry["dtype"]))
            begin, end = (int(offset) for offset in entry["data_offsets"])
            if min(shape, default=0) < 0 or end - begin != facts.size_bytes:
                raise ValueError(name)
            places.append((begin, end, name))
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise ModelUnavailable(f"{file} is no safetensors file: its header makes no sense") from e
    at = 0
    for begin, end, name in sorted(places):
        if begin != at:
            raise ModelUnavailable(f"{file} is damaged: {name} does not lie behind its predecessor")
        at = end
    return tensors, at


def _cut_short(file: Path, found: int, whole: int) -> ModelUnavailable:
    return ModelUnavailable(
        f"{file} is cut short: it has {found:,} of at least {whole:,} bytes; copy it again"
    )
