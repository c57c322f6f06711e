"""Interchange for glTF, as far as Epic documents it: files become assets."""

import json
import math
import os
import struct
from pathlib import Path
from typing import Any

from unreal.assets import (
    KAggregateGeom,
    Lod,
    MaterialInstanceConstant,
    StaticMaterial,
    StaticMesh,
    Texture2D,
    TextureCompressionSettings,
)
from unreal.objects import EnumBase, Object, Rotator, Struct, by_path, recorded
from unreal.project import project

VERSION = tuple(int(part) for part in os.environ.get("UNREAL_FAKE_VERSION", "5.6").split("."))
KNOWN_EXTENSIONS = {"KHR_mesh_quantization", "KHR_texture_transform", "KHR_materials_unlit"}
CONVEX, SIMPLE = "UCX_", ("UBX_", "USP_", "UCP_")


class InterchangeCombineStaticMeshesBehavior(EnumBase):
    if VERSION >= (5, 8):
        DO_NOT_COMBINE = "DO_NOT_COMBINE"
        ALL = "ALL"


class InterchangeGenericMeshPipeline(Object):
    _properties = {
        "import_static_meshes": True,
        "import_skeletal_meshes": True,
        "combine_static_meshes": False,
        **({"combine_static_meshes_behavior": None} if VERSION >= (5, 8) else {}),
        **({"collision": True} if VERSION >= (5, 5) else {"import_collision": True}),
        "import_collision_according_to_mesh_name": True,
        "one_convex_hull_per_ucx": True,
        "build_nanite": True,
        "generate_lightmap_u_vs": False,
    }


class InterchangeGenericCommonMeshesProperties(Object):
    _properties = {"recompute_normals": False}


class InterchangeGenericAssetsPipeline(Object):
    _properties = {
        "use_source_name_for_asset": True,
        "import_offset_rotation": Rotator,
        "mesh_pipeline": InterchangeGenericMeshPipeline,
        "common_meshes_properties": InterchangeGenericCommonMeshesProperties,
    }


class InterchangeGLTFPipeline(Object): ...


class ImportAssetParameters(Struct):
    _properties = {"is_automated": False, "override_pipelines": list}


class InterchangeSourceData:
    def __init__(self, file_name: str) -> None:
        self.file_name = file_name


class InterchangeManager(Object):
    @classmethod
    def get_interchange_manager_scripted(cls) -> "InterchangeManager":
        return cls()

    @classmethod
    def create_source_data(cls, file_name: str) -> InterchangeSourceData:
        return InterchangeSourceData(file_name)

    @recorded
    def import_asset(
        self,
        content_path: str,
        source_data: InterchangeSourceData,
        import_asset_parameters: ImportAssetParameters,
    ) -> bool:
        project.work()
        values = import_asset_parameters._values
        assert values["is_automated"], "a dialog would open"
        pipelines = [by_path[path.path_string] for path in values["override_pipelines"]]
        assert isinstance(pipelines[0], InterchangeGenericAssetsPipeline)
        document, _ = read_glb(Path(source_data.file_name))
        if set(document.get("extensionsRequired", [])) - KNOWN_EXTENSIONS:
            return False  # with a line in the log
        _Importing(document, content_path, pipelines[0]).run()
        return True


def read_glb(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the JSON and the binary chunk."""
    data = path.read_bytes()
    assert data[:4] == b"glTF"
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[20 : 20 + length]), data[28 + length :]


class _Importing:
    def __init__(
        self, document: dict[str, Any], folder: str, pipeline: InterchangeGenericAssetsPipeline
    ) -> None:
        self.document = document
        self.folder = folder
        self.meshes: dict[str, Any] = pipeline._values["mesh_pipeline"]._values
        self.yaw = math.radians(pipeline._values["import_offset_rotation"].yaw)

    def run(self) -> None:
        textures = [self.texture(index) for index in range(len(self.document.get("images", [])))]
        materials = [self.material(one, textures) for one in self.document.get("materials", [])]
        nodes = [node for node in self.document["nodes"] if "mesh" in node]
        in_scene = [self.document["nodes"][n] for n in self.document["scenes"][0]["nodes"]]
        sources = [self.document["meshes"][node["mesh"]] for node in nodes if node in in_scene]
        hulls = [one for one in sources if one["name"].startswith((CONVEX, *SIMPLE))]
        by_name = self.meshes["import_collision_according_to_mesh_name"]
        combined = self.meshes.get("combine_static_meshes_behavior") or (
            "ALL" if self.meshes["combine_static_meshes"] else "DO_NOT_COMBINE"
        )
        assert combined == "DO_NOT_COMBINE", "not modelled"
        for source in sources:
            if source not in hulls or not by_name:
                mesh = self.mesh(source, materials)
                self.collide(mesh, source["name"], hulls)

    def add(self, asset: Any, name: str) -> Any:
        project.add(asset, f"{self.folder}/{name}")
        return asset

    def texture(self, index: int) -> Texture2D:
        texture = self.add(Texture2D(), self.document["images"][index]["name"])
        normals = [m.get("normalTexture", {}).get("index") for m in self.document["materials"]]
        is_normal = any(
            self.document["textures"][number]["source"] == index
            for number in normals
            if number is not None
        )
        if is_normal:
            texture._values["srgb"] = False
            texture._values["compression_settings"] = TextureCompressionSettings.TC_NORMALMAP
        return texture  # an ORM map stays a color one: what the plugin has to put right

    def material(self, source: dict[str, Any], textures: list[Texture2D]) -> Any:
        material = self.add(MaterialInstanceConstant(), source["name"])
        material.textures = textures
        return material

    def mesh(self, source: dict[str, Any], materials: list[Any]) -> StaticMesh:
        mesh = self.add(StaticMesh(), source["name"])
        used = list(dict.fromkeys(one["material"] for one in source["primitives"]))
        mesh._values["static_materials"] = [StaticMaterial(materials[one]) for one in used]
        accessors = self.document["accessors"]
        triangles = sum(accessors[one["indices"]]["count"] // 3 for one in source["primitives"])
        boxes = [accessors[one["attributes"]["POSITION"]] for one in source["primitives"]]
        corners = [self.turned(box[end]) for box in boxes for end in ("min", "max")]
        low = [min(corner[axis] for corner in corners) for axis in range(3)]
        high = [max(corner[axis] for corner in corners) for axis in range(3)]
        slots = [used.index(one["material"]) for one in source["primitives"]]
        mesh.lods = [Lod(triangles, slots, low, high)]
        mesh.nanite = self.meshes["build_nanite"]
        return mesh

    def turned(self, point: list[float]) -> list[float]:
        """glTF's metres, Y up, to centimetres, Z up, and the pipeline's rotation about Z."""
        x, y, z = (100.0 * point[axis] for axis in (0, 2, 1))
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        return [x * cos - y * sin, x * sin + y * cos, z]

    def collide(self, mesh: StaticMesh, name: str, hulls: list[dict[str, Any]]) -> None:
        if not self.meshes.get("collision", self.meshes.get("import_collision")):
            return
        own = [one["name"] for one in hulls if one["name"][4:].startswith(f"{name}_")]
        convex = [one for one in own if one.startswith(CONVEX)]
        simple = [one for one in own if not one.startswith(CONVEX)]
        if not own:
            simple = ["generated"]  # without hulls the engine makes its own
        mesh._values["body_setup"]._values["agg_geom"] = KAggregateGeom(convex, simple)
