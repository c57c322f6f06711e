"""Kinds of assets."""

from typing import Any

from unreal.objects import Box, EnumBase, Struct, Vector, recorded
from unreal.project import Asset, project


class TextureCompressionSettings(EnumBase):
    TC_DEFAULT = "TC_DEFAULT"
    TC_NORMALMAP = "TC_NORMALMAP"
    TC_MASKS = "TC_MASKS"


class Texture2D(Asset):
    _properties = {"srgb": True, "compression_settings": TextureCompressionSettings.TC_DEFAULT}

    def to_json(self) -> dict[str, Any]:
        return {**super().to_json(), "values": self._values}

    def from_json(self, document: dict[str, Any]) -> None:
        super().from_json(document)
        self._values.update(document["values"])


class MaterialInterface(Asset): ...


class MaterialInstanceConstant(MaterialInterface):
    """What the importer makes of a glTF material. textures: what it shows."""

    textures: list[Texture2D]

    def to_json(self) -> dict[str, Any]:
        names = [one.get_outermost().get_name() for one in self.textures]
        return {**super().to_json(), "textures": names}

    def from_json(self, document: dict[str, Any]) -> None:
        super().from_json(document)
        self.textures = [project.load(name) for name in document["textures"]]  # type: ignore[misc]


class StaticMaterial(Struct):
    _properties = {"material_interface": None}

    def __init__(self, material_interface: MaterialInterface | None = None) -> None:
        super().__init__()
        self._values["material_interface"] = material_interface


class KAggregateGeom(Struct):
    """Collision shapes. convex: their meshes' names. simple: boxes, balls, capsules."""

    def __init__(self, convex: list[str], simple: list[str]) -> None:
        super().__init__()
        self.convex, self.simple = convex, simple


class BodySetup(Asset):
    _properties = {"agg_geom": lambda: KAggregateGeom([], [])}


class MeshNaniteSettings(Struct):
    _properties = {"enabled": False}


class Lod:
    """One LOD. slots: material slot of each section. low, high: bounds, centimetres."""

    def __init__(self, triangles: int, slots: list[int], low: list[float], high: list[float]):
        self.triangles, self.slots, self.low, self.high = triangles, slots, low, high


class StaticMesh(Asset):
    _properties = {
        "static_materials": list,
        "body_setup": BodySetup,
        "customized_collision": False,
    }

    def __init__(self) -> None:
        super().__init__()
        self.lods: list[Lod] = []
        self.screen_sizes: list[float] = []
        self.nanite = False
        self.auto_screen_sizes = True

    @recorded
    def get_num_triangles(self, lod_index: int) -> int:
        return self.lods[lod_index].triangles

    @recorded
    def get_bounding_box(self) -> Box:
        return Box(Vector(*self.lods[0].low), Vector(*self.lods[0].high))

    @recorded
    def get_material(self, material_index: int) -> MaterialInterface:
        return self._values["static_materials"][material_index]._values["material_interface"]

    @recorded
    def set_material(self, material_index: int, new_material: MaterialInterface) -> None:
        slots = self._values["static_materials"]
        slots[material_index] = StaticMaterial(new_material)
        self.is_dirty = True

    def _changed(self, name: str) -> None:
        super()._changed(name)
        slots = self._values["static_materials"]
        assert all(slot < len(slots) for lod in self.lods for slot in lod.slots), "dangling slot"

    @property
    def shapes(self) -> KAggregateGeom:
        return self._values["body_setup"]._values["agg_geom"]

    def to_json(self) -> dict[str, Any]:
        materials = [one._values["material_interface"] for one in self._values["static_materials"]]
        return {
            **super().to_json(),
            "materials": [one.get_outermost().get_name() if one else "" for one in materials],
            "lods": [vars(lod) for lod in self.lods],
            "screen_sizes": self.screen_sizes,
            "nanite": self.nanite,
            "convex": self.shapes.convex,
            "simple": self.shapes.simple,
        }

    def from_json(self, document: dict[str, Any]) -> None:
        super().from_json(document)
        materials = [project.load(name) if name else None for name in document["materials"]]
        self._values["static_materials"] = [StaticMaterial(one) for one in materials]
        self.lods = [Lod(**lod) for lod in document["lods"]]
        self.screen_sizes = document["screen_sizes"]
        self.nanite = document["nanite"]
        shapes = KAggregateGeom(document["convex"], document["simple"])
        self._values["body_setup"]._values["agg_geom"] = shapes


project.kinds.update(
    {kind.__name__: kind for kind in (StaticMesh, Texture2D, MaterialInstanceConstant)}
)
