"""Runs one peer on arrays in a process of its own, so that its memory and CPU time can be told.

    python worker.py PEER IN.npz TARGET OUT.npz

Not imported: a peer's interpreter need not have what Lodsmith needs. IN holds `positions` `[V, 3]`
and `faces` `[F, 3]`; OUT gets both and `cpu_s`, the call alone, from arrays to arrays.
"""

import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_Array = Any  # numpy arrays of whichever numpy the peer needs
_Library = Any  # the peer's module, which our type checker need not know
_Reduce = Callable[[_Library, _Array, _Array, int], tuple[_Array, _Array]]


def qslim(igl: _Library, positions: _Array, faces: _Array, target: int) -> tuple[_Array, _Array]:
    """Garland's quadrics in libigl."""
    # Positions come in libigl's own order of storage, or it refuses them.
    out, triangles, _, _ = igl.qslim(
        np.asfortranarray(positions, np.float64), np.asfortranarray(faces, np.int32), target
    )
    return out, triangles


def vtk(pyvista: _Library, positions: _Array, faces: _Array, target: int) -> tuple[_Array, _Array]:
    """vtkQuadricDecimation."""
    cells = np.concatenate([np.full((len(faces), 1), 3), faces], axis=1)
    reduced = pyvista.PolyData(positions, cells).decimate(1 - target / len(faces))
    return reduced.points, reduced.faces.reshape(-1, 4)[:, 1:]


def blender(bpy: _Library, positions: _Array, faces: _Array, target: int) -> tuple[_Array, _Array]:
    """Blender's Decimate modifier, mode Collapse."""
    mesh = bpy.data.meshes.new("source")
    mesh.vertices.add(len(positions))
    mesh.vertices.foreach_set("co", positions.ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    scene_object = bpy.data.objects.new("source", mesh)
    bpy.context.collection.objects.link(scene_object)
    modifier = scene_object.modifiers.new("decimate", "DECIMATE")
    modifier.ratio = target / len(faces)
    modifier.use_collapse_triangulate = True
    reduced = scene_object.evaluated_get(bpy.context.evaluated_depsgraph_get()).to_mesh()
    reduced.calc_loop_triangles()
    out = np.empty(3 * len(reduced.vertices), np.float32)
    reduced.vertices.foreach_get("co", out)
    triangles = np.empty(3 * len(reduced.loop_triangles), np.int32)
    reduced.loop_triangles.foreach_get("vertices", triangles)
    return out.reshape(-1, 3), triangles.reshape(-1, 3)


def fast_simplification(
    library: _Library, positions: _Array, faces: _Array, target: int
) -> tuple[_Array, _Array]:
    """fast-simplification alone: as careful as reaches the target, going on where it stopped."""
    for aggressiveness in (3, 5, 7):
        positions, faces = library.simplify(
            positions, faces, target_count=target, agg=aggressiveness
        )
        if len(faces) <= target:
            break
    return positions, faces


PEERS: dict[str, tuple[str, _Reduce]] = {  # with what is loaded before the clock starts
    "qslim": ("igl", qslim),
    "vtk": ("pyvista", vtk),
    "blender": ("bpy", blender),
    "fast_simplification": ("fast_simplification", fast_simplification),
}


def main() -> None:
    name, source, target, out = sys.argv[1:]
    with np.load(source) as arrays:
        positions, faces = arrays["positions"], arrays["faces"]
    library_name, reduce = PEERS[name]
    library = importlib.import_module(library_name)
    started = time.process_time()
    reduced, triangles = reduce(library, positions, faces, int(target))
    cpu_s = time.process_time() - started
    np.savez(
        out,
        positions=np.asarray(reduced, np.float32),
        faces=np.asarray(triangles, np.int32),
        cpu_s=np.array(cpu_s),
    )


if __name__ == "__main__":
    main()
