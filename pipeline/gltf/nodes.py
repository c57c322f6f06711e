"""The node graph of a glTF file: what is in the scene, and where."""

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidInput
from pipeline.gltf.container import Gltf
from pipeline.gltf.entry import Entry, broken
from pipeline.types import Progress, Stage

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A node in world space.

    matrix: `[4, 4]` float64, acts on column vectors. parent: the same of what it hangs on.
    """

    node: Entry
    index: int
    matrix: Matrix
    parent: Matrix


_COLLISION_NODE = re.compile(r"(UCX|UBX|USP|UCP)_")
_LOWER_LOD = re.compile(r"(.*)_LOD[1-9]\d*$", re.IGNORECASE)


def root_nodes(gltf: Gltf, progress: Progress) -> list[int]:
    """Return the roots of the default scene, or of all nodes if the file has no scene."""
    nodes, scenes = gltf.items("nodes"), gltf.items("scenes")
    if not scenes:
        children = {child for node in nodes for child in node.indices("children")}
        return [index for index in range(len(nodes)) if index not in children]
    index = gltf.root.integer("scene", 0)
    if len(scenes) > 1:
        progress.warn(Stage.PREPROCESS, f"only scene {index} of {len(scenes)} is read")
    return gltf.item("scenes", index, "scene").indices("nodes")


def lower_levels(gltf: Gltf) -> set[int]:
    """Return the nodes that show another node at a lower level of detail.

    Those that `MSFT_lod` lists, and those named `..._LOD1` and up where there is a `..._LOD0`.
    """
    levels = lower_levels_by_name(gltf)
    for node in gltf.items("nodes"):
        if (lod := node.extension("MSFT_lod")) is not None:
            levels.update(lod.indices("ids"))
    return levels


def lower_levels_by_name(gltf: Gltf) -> set[int]:
    """Return the nodes named `..._LOD1` and up where there is a `..._LOD0`, and no `MSFT_lod`."""
    nodes = gltf.items("nodes")
    if any(node.extension("MSFT_lod") is not None for node in nodes):
        return set()
    names = {node.text("name").upper() for node in nodes}
    return {
        index
        for index, node in enumerate(nodes)
        if (name := _LOWER_LOD.match(node.text("name"))) and f"{name[1]}_LOD0".upper() in names
    }


def collision_nodes(gltf: Gltf) -> set[int]:
    """Return the nodes that are collision hulls by Unreal's naming: `UCX_...` and its kin."""
    return {i for i, n in enumerate(gltf.items("nodes")) if _COLLISION_NODE.match(n.text("name"))}


def place_nodes(gltf: Gltf, roots: Sequence[int], skip: Collection[int] = ()) -> list[Placed]:
    """Return the nodes below `roots` in world space, parents first, without the branches in `skip`.

    Raises:
        InvalidInput: If the graph is no forest, or has more nodes than allowed.
    """
    nodes = gltf.items("nodes")
    if len(nodes) > gltf.limits.max_nodes:
        raise InvalidInput(
            f"the file has {len(nodes):,} nodes, the limit is {gltf.limits.max_nodes:,}; "
            "join the meshes before export"
        )
    placed: list[Placed] = []
    seen: set[int] = set()
    todo = [(index, "scene", np.eye(4)) for index in reversed(roots)]
    while todo:
        index, asked_by, parent = todo.pop()
        node = gltf.item("nodes", index, asked_by)
        if index in seen:
            raise broken(f"{node.name} is reached twice: a cycle, or a child of two parents")
        seen.add(index)
        if index in skip:
            continue
        with np.errstate(over="ignore", invalid="ignore"):  # positions are checked when moved
            matrix = parent @ _local_matrix(node)
        placed.append(Placed(node=node, index=index, matrix=matrix, parent=parent))
        todo += [(child, node.place, matrix) for child in reversed(node.indices("children"))]
    return placed


def _local_matrix(node: Entry) -> Matrix:
    if "matrix" in node:
        identity = tuple(np.eye(4).reshape(-1))
        given = np.array(node.numbers("matrix", identity)).reshape(4, 4).T  # column-major
        if not np.allclose(given[3], (0, 0, 0, 1)):
            raise broken(f"{node.place}.matrix must end its columns with 0, 0, 0, 1")
        given[3] = (0, 0, 0, 1)
        return given
    x, y, z, w = node.numbers("rotation", (0, 0, 0, 1))
    length = math.hypot(x, y, z, w)
    if length == 0:
        raise broken(f"{node.place}.rotation is the zero quaternion")
    x, y, z, w = x / length, y / length, z / length, w / length
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, :3] *= node.numbers("scale", (1, 1, 1))
    matrix[:3, 3] = node.numbers("translation", (0, 0, 0))
    return matrix
