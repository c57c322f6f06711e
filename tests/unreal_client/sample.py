"""A GLB to make LODs of: a fluted cone of a metre that points to the front, +Z, from the origin."""

import json
import math
import struct
from collections.abc import Sequence

SEGMENTS, RINGS = 48, 24
WIDTH_M, HEIGHT_M, LENGTH_M = 0.4, 0.2, 1.0


def cone_glb() -> bytes:
    """Return it: about 2,300 triangles, one gray material."""
    return _glb(*_cone())


def cone_bounds() -> tuple[list[float], list[float]]:
    """Return its lowest and highest coordinates, glTF's axes, metres."""
    points = _cone()[0]
    low, high = ([end(p[axis] for p in points) for axis in range(3)] for end in (min, max))
    return low, high


def _cone() -> tuple[list[Sequence[float]], list[int]]:
    positions: list[Sequence[float]] = []
    for ring in range(RINGS + 1):
        share = ring / RINGS
        for segment in range(SEGMENTS):
            angle = 2 * math.pi * segment / SEGMENTS
            radius = (1 - share) * (1 + 0.4 * math.cos(3 * angle))  # one hull does not fit it
            x, y = radius * WIDTH_M / 2 * math.cos(angle), radius * HEIGHT_M / 2 * math.sin(angle)
            positions.append((x, y, share * LENGTH_M))
    indices: list[int] = []
    for ring in range(RINGS):
        for segment in range(SEGMENTS):
            a, b = ring * SEGMENTS + segment, ring * SEGMENTS + (segment + 1) % SEGMENTS
            indices += [a, b, b + SEGMENTS, a, b + SEGMENTS, a + SEGMENTS]
    center = len(positions)
    positions.append((0.0, 0.0, 0.0))
    for segment in range(SEGMENTS):
        indices += [center, (segment + 1) % SEGMENTS, segment]
    return positions, indices


def _glb(positions: Sequence[Sequence[float]], indices: Sequence[int]) -> bytes:
    points = struct.pack(f"<{3 * len(positions)}f", *(v for point in positions for v in point))
    binary = points + struct.pack(f"<{len(indices)}I", *indices)
    ends = [[end(p[axis] for p in positions) for axis in range(3)] for end in (min, max)]
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "Cone"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": len(positions), "type": "VEC3",
             "min": ends[0], "max": ends[1]},
            {"bufferView": 1, "componentType": 5125, "count": len(indices), "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": len(points)},
            {"buffer": 0, "byteOffset": len(points), "byteLength": 4 * len(indices)},
        ],
        "buffers": [{"byteLength": len(binary)}],
    }  # fmt: skip
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    size = 12 + 8 + len(text) + 8 + len(binary)
    head = struct.pack("<4sII", b"glTF", 2, size) + struct.pack("<I4s", len(text), b"JSON")
    return head + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
