"""Imports GLBs into Blender and compares what arrives with what the file says.

    python blender_check.py FILE...

Needs `bpy`, in a virtual environment of its own (see README.md). Exits 1 if a mesh is missing, has
another triangle count or size, or an image did not load.
"""

import json
import struct
import sys
from pathlib import Path

import bpy  # type: ignore[import-not-found]  # lives in a virtual environment of its own


def expected_meshes(glb: bytes) -> dict[str, tuple[int, list[float]]]:
    """Return, per node with a mesh, its triangle count and its size along x, y, z in metres."""
    (json_bytes,) = struct.unpack_from("<I", glb, 12)
    root = json.loads(glb[20 : 20 + json_bytes])
    meshes = {}
    for node in root["nodes"]:
        primitives = root["meshes"][node["mesh"]]["primitives"]
        triangles = sum(root["accessors"][p["indices"]]["count"] // 3 for p in primitives)
        bounds = root["accessors"][primitives[0]["attributes"]["POSITION"]]
        size = [high - low for low, high in zip(bounds["min"], bounds["max"], strict=True)]
        meshes[node["name"]] = (triangles, size)
    return meshes


def check(path: Path) -> list[str]:
    """Import one file into an empty scene and return the complaints."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.import_scene.gltf(filepath=str(path))
    complaints = []
    objects = {o.name: o for o in bpy.data.objects if o.type == "MESH"}
    for name, (triangles, (x, y, z)) in expected_meshes(path.read_bytes()).items():
        if name not in objects:
            complaints.append(f"{name} is missing")
            continue
        mesh = objects[name].data
        mesh.calc_loop_triangles()
        if len(mesh.loop_triangles) != triangles:
            complaints.append(f"{name} has {len(mesh.loop_triangles)} triangles, not {triangles}")
        # Blender is Z up: the importer turns glTF's y into its z.
        if any(abs(a - b) > 1e-4 for a, b in zip(objects[name].dimensions, (x, z, y), strict=True)):
            complaints.append(f"{name} measures {tuple(objects[name].dimensions)}, not {(x, z, y)}")
        print(f"  {name}: {len(mesh.loop_triangles)} triangles, {len(mesh.vertices)} vertices")
    for image in bpy.data.images:
        if image.type == "IMAGE" and 0 in image.size:
            complaints.append(f"image {image.name} did not load")
        print(f"  image {image.name}: {image.size[0]} x {image.size[1]}")
    for material in bpy.data.materials:
        print(f"  material {material.name}")
    return complaints


def main() -> int:
    """Check every file named on the command line."""
    failed = 0
    for argument in sys.argv[1:]:
        print(argument)
        for complaint in check(Path(argument)):
            print(f"  error {complaint}")
            failed += 1
    return 1 if failed or len(sys.argv) < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
