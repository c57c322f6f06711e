"""What reducing a skinned mesh costs when it moves: behind ADR 0017.

    python -m benchmarks.skins FILE.glb ...

Each mesh is reduced in its bind pose to a half, a quarter and a tenth. Every vertex of the result
takes the joint weights of the nearest point of the source, the four largest of them. Both are then
posed at five times of the first animation, and their distance is compared with that in the bind
pose. The files: CesiumMan, BrainStem, Monster and RiggedFigure of the glTF sample models.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygltflib
from numpy.typing import NDArray

from pipeline.mesh.lods.simplify import simplify
from pipeline.mesh.measuring.measure import SurfaceDistance, deviation, diagonal
from pipeline.mesh.repairing.repair import RepairOptions, repair
from pipeline.types import Mesh, Silent

Array = NDArray[np.float64]
TIMES = 5
SHARES = (0.5, 0.25, 0.1)
_KINDS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Skinned:
    """The first skinned mesh of a file: bind pose, weights, and poses."""

    def __init__(self, path: Path) -> None:
        self._file = pygltflib.GLTF2().load(str(path))
        self._blob = self._file.binary_blob()
        node = next(n for n in self._file.nodes if n.skin is not None and n.mesh is not None)
        self._skin = self._file.skins[node.skin]
        pieces = [
            (self._rows(p.attributes.POSITION), self._rows(p.attributes.JOINTS_0),
             self._rows(p.attributes.WEIGHTS_0), self._rows(p.indices))
            for p in self._file.meshes[node.mesh].primitives
        ]  # fmt: skip
        starts = np.cumsum([0, *(len(p[0]) for p in pieces[:-1])])
        joint_count = len(self._skin.joints)
        positions = np.concatenate([p[0] for p in pieces])
        faces = [p[3].reshape(-1, 3) + s for p, s in zip(pieces, starts, strict=True)]
        self.mesh = Mesh(
            positions=positions.astype(np.float32), faces=np.concatenate(faces).astype(np.int32)
        )
        self.weights = np.zeros((len(positions), joint_count))
        joints = np.concatenate([p[1] for p in pieces]).astype(int)
        for slot in range(4):
            np.add.at(
                self.weights,
                (np.arange(len(positions)), joints[:, slot]),
                np.concatenate([p[2] for p in pieces])[:, slot],
            )

    def poses(self) -> list[Array]:
        """`[J, 4, 4]` per time: what moves bind positions."""
        inverse = self._rows(self._skin.inverseBindMatrices).reshape(-1, 4, 4).transpose(0, 2, 1)
        channels = self._file.animations[0]
        end = max(self._rows(s.input).max() for s in channels.samplers)
        return [
            self._world(time)[self._skin.joints] @ inverse for time in np.linspace(0, end, TIMES)
        ]

    def _world(self, time: float) -> Array:
        nodes = [
            {
                "translation": np.array(n.translation or (0, 0, 0), float),
                "rotation": np.array(n.rotation or (0, 0, 0, 1), float),
                "scale": np.array(n.scale or (1, 1, 1), float),
            }
            for n in self._file.nodes
        ]
        animation = self._file.animations[0]
        for channel in animation.channels:
            sampler = animation.samplers[channel.sampler]
            times, values = self._rows(sampler.input)[:, 0], self._rows(sampler.output)
            columns = [np.interp(time, times, column) for column in values.T]
            nodes[channel.target.node][channel.target.path] = np.array(columns)
        world = np.tile(np.eye(4), (len(nodes), 1, 1))
        todo = [(i, np.eye(4)) for i in self._file.scenes[self._file.scene or 0].nodes]
        while todo:
            index, parent = todo.pop()
            node = self._file.nodes[index]
            local = np.array(node.matrix).reshape(4, 4).T if node.matrix else _local(**nodes[index])
            world[index] = parent @ local
            todo += [(child, world[index]) for child in node.children or []]
        return world

    def _rows(self, index: int) -> Array:
        accessor = self._file.accessors[index]
        view = self._file.bufferViews[accessor.bufferView]
        dtype, width = np.dtype(_KINDS[accessor.componentType]), _WIDTHS[accessor.type]
        start = (view.byteOffset or 0) + (accessor.byteOffset or 0)
        stride = view.byteStride or dtype.itemsize * width
        rows = np.ndarray(
            (accessor.count, width), dtype, self._blob, start, (stride, dtype.itemsize)
        )
        return rows.astype(np.float64)


def _local(*, translation: Array, rotation: Array, scale: Array) -> Array:
    x, y, z, w = rotation / np.linalg.norm(rotation)
    matrix = np.eye(4)
    matrix[:3, :3] = scale * np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix[:3, 3] = translation
    return matrix


def carried(lod: Mesh, source: Skinned) -> Array:
    """`[V, J]` weights of the nearest points of the source, the four largest."""
    points = lod.positions.astype(np.float64)
    _, face, place = SurfaceDistance(source.mesh).nearest(points, lambda: None)
    corners = source.mesh.faces[face]
    a, b, c = source.mesh.positions[corners].astype(np.float64).transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    squared = np.maximum((normal**2).sum(axis=1), 1e-30)
    v = (np.cross(place - a, c - a) * normal).sum(axis=1) / squared
    w = (np.cross(b - a, place - a) * normal).sum(axis=1) / squared
    shares = np.clip(np.stack([1 - v - w, v, w], axis=1), 0, 1)
    weights = np.einsum("nk,nkj->nj", shares, source.weights[corners])
    fourth = np.sort(weights, axis=1)[:, -4:][:, :1]
    weights = np.where(weights >= fourth, weights, 0)
    result: Array = weights / weights.sum(axis=1, keepdims=True)
    return result


def posed(mesh: Mesh, weights: Array, pose: Array) -> Mesh:
    moved = np.einsum("vj,jab->vab", weights, pose)
    ones = np.ones((len(mesh.positions), 1))
    positions = np.einsum("vab,vb->va", moved, np.concatenate([mesh.positions, ones], axis=1))
    return replace(mesh, positions=positions[:, :3].astype(np.float32))


def _off(one: Mesh, two: Mesh) -> float:
    found = deviation(one, two, SurfaceDistance(two), 30_000, lambda: None)
    return 100 * found.mean_m / diagonal(two)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path)
    print("mean deviation, % of the diagonal: in the bind pose, and the worst of five poses")
    for path in parser.parse_args().files:
        source = Skinned(path)
        welded = repair(source.mesh, RepairOptions.for_upload(), Silent()).mesh
        for share in SHARES:
            count = int(share * len(source.mesh.faces))
            lod = simplify(welded, target_count=count, progress=Silent())
            weights = carried(lod, source)
            moving = [
                _off(posed(lod, weights, pose), posed(source.mesh, source.weights, pose))
                for pose in source.poses()
            ]
            print(f"{path.stem:<14} {count:>7,}  {_off(lod, source.mesh):.3f}  {max(moving):.3f}")


if __name__ == "__main__":
    main()
