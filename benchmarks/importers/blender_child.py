"""Imports GLBs into Blender and prints what arrives, a line of JSON per file.

    python blender_child.py FILE...

Runs in a virtual environment of its own, see README.md. Blender is Z up: boxes are turned back to
glTF's axes. It imports all nodes, in the scene or not, so `outside` is not told apart.
"""

import contextlib
import json
import sys
from typing import Any

import bpy  # type: ignore[import-not-found]  # lives in a virtual environment of its own

# Any: bpy has no types here.
_SLOTS = {
    "Base Color": "base color",
    "Normal": "normal",
    "Metallic": "metallic-roughness",
    "Emission Color": "emissive",
}


def described(thing: Any) -> dict[str, object]:
    """What the object is called, hangs on, has and fills in world space."""
    parent = thing.parent.name if thing.parent else None
    found: dict[str, object] = {"name": thing.name, "parent": parent}
    if thing.type == "MESH":
        thing.data.calc_loop_triangles()
        points = [thing.matrix_world @ vertex.co for vertex in thing.data.vertices]
        turned = [(x, z, -y) for x, y, z in points]
        found["triangles"] = len(thing.data.loop_triangles)
        found["min"] = [min(axis) for axis in zip(*turned, strict=True)]
        found["max"] = [max(axis) for axis in zip(*turned, strict=True)]
    return found


def pictures(material: Any) -> list[str]:
    """The inputs of a material that a decoded picture reaches."""
    found: list[str] = []
    shader = next((n for n in material.node_tree.nodes if n.type == "BSDF_PRINCIPLED"), None)
    if shader is None:
        return found
    for socket, slot in _SLOTS.items():
        todo = [link.from_node for link in shader.inputs[socket].links]
        while todo:
            node = todo.pop()
            if node.type == "TEX_IMAGE" and node.image and node.image.size[0] > 0:
                found.append(slot)
                break
            todo += [link.from_node for entry in node.inputs for link in entry.links]
    return found


def main() -> None:
    """Import every file named on the command line into an empty scene."""
    for file in sys.argv[1:]:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                bpy.ops.import_scene.gltf(filepath=file)
        except RuntimeError as error:
            said = str(error).strip().splitlines()
            print(json.dumps({"file": file, "error": said[-1] if said else "refused"}))
            continue
        nodes = [described(thing) for thing in bpy.data.objects if thing.type in ("MESH", "EMPTY")]
        materials = {material.name: pictures(material) for material in bpy.data.materials}
        print(json.dumps({"file": file, "nodes": nodes, "outside": None, "materials": materials}))


if __name__ == "__main__":
    main()
