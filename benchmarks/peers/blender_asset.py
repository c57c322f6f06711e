"""Makes LODs with textures by Blender alone, in an interpreter of its own.

    python blender_asset.py asset IN.npz OUT.npz TRIANGLES SIZES
    python blender_asset.py bake IN.npz OUT.npz SIZE

`asset` reduces a dense mesh (Decimate), unwraps it (Smart UV Project) and bakes base color and
normal from it (Cycles, on the CPU), for each of TRIANGLES with the texture side of SIZES.
IN holds `positions` `[V, 3]`, `faces` `[F, 3]` and `colors` `[V, 4]` linear; OUT gets for each
LOD k, corner by corner: `positions_k`, `normals_k` `[3F, 3]`, `tangents_k` `[3F, 4]`, `uvs_k`
`[3F, 2]` with v down, and `base_color_k`, `normal_k` `[S, S, 3]` uint8, row 0 at the top.

`bake` only bakes the normal; IN also holds the low mesh: `low_positions`, `low_faces`, `low_uvs`
with v down. OUT gets `normal`.

Both add `cpu_s`, `wall_s`: from the dense mesh in Blender to the finished arrays.
"""

import importlib
import math
import sys
import time
from typing import Any

import numpy as np

_Array = Any  # numpy arrays of whichever numpy Blender needs
_Object = Any  # Blender's own, which our type checker need not know

bpy: _Object = importlib.import_module("bpy")

_CAGE = 0.01  # of the diagonal: how far outside of the low mesh rays start
_SAMPLES = 4  # each bake: one leaves the edges of its texels rough
_MARGIN_TEXELS = 16
_SMART_ANGLE_DEG = 66.0  # its default


def _mesh(name: str, positions: _Array, faces: _Array) -> _Object:
    mesh = bpy.data.meshes.new(name)
    mesh.vertices.add(len(positions))
    mesh.vertices.foreach_set("co", np.ascontiguousarray(positions, np.float32).ravel())
    mesh.loops.add(faces.size)
    mesh.loops.foreach_set("vertex_index", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.add(len(faces))
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    mesh.shade_smooth()
    placed = bpy.data.objects.new(name, mesh)
    bpy.context.collection.objects.link(placed)
    return placed


def _paint(dense: _Object, colors: _Array) -> None:
    """Let the vertex colors glow, so that a bake of what is emitted has them without light."""
    attribute = dense.data.color_attributes.new("Color", "FLOAT_COLOR", "POINT")
    attribute.data.foreach_set("color", np.ascontiguousarray(colors, np.float32).ravel())
    material = bpy.data.materials.new("dense")
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    color = nodes.new("ShaderNodeVertexColor")
    color.layer_name = "Color"
    emission = nodes.new("ShaderNodeEmission")
    links.new(color.outputs["Color"], emission.inputs["Color"])
    output = nodes.new("ShaderNodeOutputMaterial")
    links.new(emission.outputs["Emission"], output.inputs["Surface"])
    dense.data.materials.append(material)


def _select(active: _Object, *others: _Object) -> None:
    bpy.context.view_layer.update()  # or what was just linked cannot be selected
    for each in bpy.context.view_layer.objects:
        each.select_set(each == active or each in others)
    bpy.context.view_layer.objects.active = active


def _reduced(dense: _Object, count: int) -> _Object:
    low = dense.copy()
    low.data = dense.data.copy()
    low.data.materials.clear()
    bpy.context.collection.objects.link(low)
    modifier = low.modifiers.new("decimate", "DECIMATE")
    modifier.ratio = count / len(dense.data.polygons)
    modifier.use_collapse_triangulate = True
    _select(low)
    bpy.ops.object.modifier_apply(modifier=modifier.name)
    return low


def _unwrap(low: _Object, size: int) -> None:
    _select(low)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.uv.smart_project(
        angle_limit=math.radians(_SMART_ANGLE_DEG),
        island_margin=4 / size,
        margin_method="FRACTION",
    )
    bpy.ops.object.mode_set(mode="OBJECT")


def _bake(dense: _Object, low: _Object, kind: str, size: int) -> _Array:
    """`[S, S, 3]` uint8, row 0 at the top."""
    image = bpy.data.images.new(kind, size, size, alpha=False)
    image.colorspace_settings.name = "sRGB" if kind == "EMIT" else "Non-Color"
    material = bpy.data.materials.new(kind)
    node = material.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    material.node_tree.nodes.active = node
    low.data.materials.clear()
    low.data.materials.append(material)
    corners = np.array(dense.bound_box)
    diagonal = float(np.linalg.norm(corners.max(axis=0) - corners.min(axis=0)))
    _select(low, dense)
    bpy.ops.object.bake(
        type=kind,
        use_selected_to_active=True,
        cage_extrusion=_CAGE * diagonal,
        margin=_MARGIN_TEXELS,
        normal_space="TANGENT",
    )
    values = np.empty(4 * size * size, np.float32)
    image.pixels.foreach_get(values)
    pixels = values.reshape(size, size, 4)[::-1, :, :3]
    return (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)


def _corners(low: _Object) -> dict[str, _Array]:
    mesh = low.data
    mesh.calc_tangents()
    count = len(mesh.loops)
    vertex = np.empty(count, np.int32)
    mesh.loops.foreach_get("vertex_index", vertex)
    positions = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", positions)
    rows = {"normal": 3, "tangent": 3, "bitangent_sign": 1}
    values = {name: np.empty(width * count, np.float32) for name, width in rows.items()}
    for name, flat in values.items():
        mesh.loops.foreach_get(name, flat)
    uvs = np.empty(2 * count, np.float32)
    mesh.uv_layers.active.data.foreach_get("uv", uvs)
    return {
        "positions": positions.reshape(-1, 3)[vertex],
        "normals": values["normal"].reshape(-1, 3),
        "tangents": np.column_stack([values["tangent"].reshape(-1, 3), values["bitangent_sign"]]),
        "uvs": _v_turned(uvs.reshape(-1, 2)),
    }


def _v_turned(uvs: _Array) -> _Array:
    """Blender's v points up, glTF's down."""
    return np.stack([uvs[:, 0], 1 - uvs[:, 1]], axis=1)


def _asset(arrays: dict[str, _Array], counts: list[int], sizes: list[int]) -> dict[str, _Array]:
    dense = _mesh("dense", arrays["positions"], arrays["faces"])
    _paint(dense, arrays["colors"])
    cpu, wall = time.process_time(), time.monotonic()
    found = {}
    for level, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        low = _reduced(dense, count)
        _unwrap(low, size)
        found[f"base_color_{level}"] = _bake(dense, low, "EMIT", size)
        found[f"normal_{level}"] = _bake(dense, low, "NORMAL", size)
        found |= {f"{name}_{level}": values for name, values in _corners(low).items()}
        bpy.data.objects.remove(low)
    return _timed(found, cpu, wall)


def _normal(arrays: dict[str, _Array], size: int) -> dict[str, _Array]:
    dense = _mesh("dense", arrays["positions"], arrays["faces"])
    low = _mesh("low", arrays["low_positions"], arrays["low_faces"])
    layer = low.data.uv_layers.new(name="UVMap")
    uvs = _v_turned(arrays["low_uvs"][arrays["low_faces"].ravel()])
    layer.data.foreach_set("uv", np.ascontiguousarray(uvs, np.float32).ravel())
    cpu, wall = time.process_time(), time.monotonic()
    return _timed({"normal": _bake(dense, low, "NORMAL", size)}, cpu, wall)


def _timed(found: dict[str, _Array], cpu: float, wall: float) -> dict[str, _Array]:
    spent = {"cpu_s": time.process_time() - cpu, "wall_s": time.monotonic() - wall}
    return found | {name: np.array(value) for name, value in spent.items()}


def main() -> None:
    what, source, out, *rest = sys.argv[1:]
    with np.load(source) as arrays:
        given = dict(arrays)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.engine = "CYCLES"
    bpy.context.scene.cycles.device = "CPU"
    bpy.context.scene.cycles.samples = _SAMPLES
    numbers = [[int(number) for number in words.split(",")] for words in rest]
    found = _asset(given, *numbers) if what == "asset" else _normal(given, numbers[0][0])
    np.savez(out, **found)


if __name__ == "__main__":
    main()
