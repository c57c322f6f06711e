"""Reads the arrays of a GLB as they are.

Not the pipeline's reader, which makes good what is not: it splits vertices where normals are
missing, and makes tangents anew.
"""

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPES = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass(frozen=True, kw_only=True)
class PlainGlb:
    """A GLB taken apart. document: its JSON. binary: its buffer."""

    document: dict[str, Any]  # JSON
    binary: bytes

    @property
    def primitives(self) -> list[dict[str, Any]]:
        """Those of all meshes, in the file's order."""
        return [p for mesh in self.document["meshes"] for p in mesh["primitives"]]

    def array(self, index: int) -> NDArray[np.generic]:
        """`[count, width]` what accessor `index` holds."""
        entry = self.document["accessors"][index]
        view = self.document["bufferViews"][entry["bufferView"]]
        dtype, width = np.dtype(_DTYPES[entry["componentType"]]), _WIDTHS[entry["type"]]
        start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
        stride = view.get("byteStride", width * dtype.itemsize)
        shape, strides = (entry["count"], width), (stride, dtype.itemsize)
        return np.ndarray(shape, dtype, self.binary, start, strides).copy()


def open_glb(content: bytes) -> PlainGlb:
    """Take a GLB with one buffer apart."""
    (length,) = struct.unpack_from("<I", content, 12)
    return PlainGlb(
        document=json.loads(content[20 : 20 + length]), binary=content[20 + length + 8 :]
    )
