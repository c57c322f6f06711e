"""Imports GLBs with assimp and prints what arrives, a line of JSON per file.

    python assimp_child.py FILE...

Runs in a virtual environment of its own, see README.md. assimp reads the scene only.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

import assimp_py  # type: ignore[import-not-found]  # lives in a virtual environment of its own
import numpy as np
from numpy.typing import NDArray

# Any: assimp_py has no types. The numbers are assimp's aiTextureType.
_SLOTS = {12: "base color", 6: "normal", 15: "metallic-roughness", 4: "emissive"}


def walk(
    scene: Any, node: Any, parent: str | None, above: NDArray[np.float64]
) -> Iterator[dict[str, object]]:
    """Yield all nodes below one, with what each has and fills in world space."""
    place = above @ np.array(node.transformation, float)
    found: dict[str, object] = {"name": node.name, "parent": parent}
    meshes = [scene.meshes[index] for index in node.mesh_indices]
    if meshes:
        vertices = np.concatenate([np.array(mesh.vertices).reshape(-1, 3) for mesh in meshes])
        world = vertices @ place[:3, :3].T + place[:3, 3]
        found["triangles"] = sum(mesh.num_faces for mesh in meshes)
        found["min"] = world.min(axis=0).tolist()
        found["max"] = world.max(axis=0).tolist()
    yield found
    for child in node.children:
        yield from walk(scene, child, node.name, place)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """assimp's C code prints warnings where the JSON should go."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def main() -> None:
    """Import every file named on the command line."""
    for file in sys.argv[1:]:
        try:
            with quiet():
                scene = assimp_py.import_file(file, assimp_py.Process_Triangulate)
        except (RuntimeError, ValueError) as error:
            print(json.dumps({"file": file, "error": str(error)}), flush=True)
            continue
        root = scene.root_node
        # One root of a scene is the root itself; several hang on one that assimp adds.
        tops = root.children if root.name == "ROOT" else [root]
        nodes = [node for top in tops for node in walk(scene, top, None, np.eye(4))]
        drawn = {mesh.material_index for mesh in scene.meshes if mesh.num_uv_components}
        materials = {
            scene.materials[index]["NAME"]: [
                slot for kind, slot in _SLOTS.items() if kind in scene.materials[index]["TEXTURES"]
            ]
            for index in sorted(drawn)
        }
        found = {"file": file, "nodes": nodes, "outside": None, "materials": materials}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
