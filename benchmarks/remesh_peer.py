"""One remeshing by a peer, run by the Python that has it: see `benchmarks.remesh`.

    PYTHON remesh_peer.py {blender,gpytoolbox,pyacvd} IN.npz OUT.npz SIZE

SIZE is Blender's voxel in metres, gpytoolbox's edge in metres, or pyacvd's count of vertices.
Prints CPU seconds and growth of the peak memory in MB.
"""

import resource
import sys
import time

import numpy as np


def main() -> None:
    peer, source, target, size = sys.argv[1:]
    with np.load(source) as arrays:
        positions, faces = arrays["positions"].astype(np.float64), arrays["faces"]
    remesh = {"blender": blender, "gpytoolbox": gpytoolbox, "pyacvd": pyacvd}[peer]
    positions, faces, cpu_s, growth_mb = remesh(positions, faces, float(size))
    np.savez(target, positions=positions.astype(np.float32), faces=faces.astype(np.int32))
    print(cpu_s, growth_mb)


def measured(work):
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.process_time()
    result = work()
    cpu_s = time.process_time() - started
    return result, cpu_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before_mb


def blender(positions, faces, voxel_m):
    import bpy

    data = bpy.data.meshes.new("mesh")
    data.from_pydata(positions.tolist(), [], faces.tolist())
    body = bpy.data.objects.new("mesh", data)
    bpy.context.collection.objects.link(body)
    bpy.context.view_layer.objects.active = body
    data.remesh_voxel_size = voxel_m
    data.remesh_voxel_adaptivity = 0.0
    _, cpu_s, growth_mb = measured(bpy.ops.object.voxel_remesh)
    data = body.data
    data.calc_loop_triangles()
    positions = np.empty(3 * len(data.vertices))
    faces = np.empty(3 * len(data.loop_triangles), np.int32)
    data.vertices.foreach_get("co", positions)
    data.loop_triangles.foreach_get("vertices", faces)
    return positions.reshape(-1, 3), faces.reshape(-1, 3), cpu_s, growth_mb


def gpytoolbox(positions, faces, edge_m):
    from gpytoolbox import remesh_botsch

    (positions, faces), cpu_s, growth_mb = measured(
        lambda: remesh_botsch(positions, faces.astype(np.int32), 10, edge_m, True)
    )
    return positions, faces, cpu_s, growth_mb


def pyacvd(positions, faces, vertex_count):
    import pyvista
    from pyacvd import Clustering

    def cluster():
        clustering = Clustering(pyvista.PolyData.from_regular_faces(positions, faces))
        clustering.cluster(int(vertex_count))
        return clustering.create_mesh()

    mesh, cpu_s, growth_mb = measured(cluster)
    return np.asarray(mesh.points), mesh.regular_faces, cpu_s, growth_mb


if __name__ == "__main__":
    main()
