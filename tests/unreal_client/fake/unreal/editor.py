"""Libraries and subsystems of the editor."""

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unreal.assets import Lod, MeshNaniteSettings, StaticMaterial, StaticMesh
from unreal.assets import Texture2D as Texture
from unreal.objects import EnumBase, Object, Package, Rotator, Struct, Text, Vector, recorded
from unreal.project import Asset, project


def _package(path: str) -> str:
    return path.partition(".")[0].rstrip("/")


class EditorAssetLibrary:
    @classmethod
    @recorded
    def does_asset_exist(cls, asset_path: str) -> bool:
        return project.exists(_package(asset_path))

    @classmethod
    @recorded
    def load_asset(cls, asset_path: str) -> Asset | None:
        return project.load(_package(asset_path))

    @classmethod
    @recorded
    def list_assets(
        cls, directory_path: str, recursive: bool = True, include_folder: bool = False
    ) -> list[str]:
        if project.is_played:
            return []
        prefix = f"{directory_path.rstrip('/')}/"
        found = [name for name in project.packages() if name.startswith(prefix)]
        if not recursive:
            found = [name for name in found if "/" not in name[len(prefix) :]]
        return [f"{name}.{name.rpartition('/')[2]}" for name in sorted(found)]

    @classmethod
    @recorded
    def does_directory_exist(cls, directory_path: str) -> bool:
        return directory_path in project.folders or bool(cls.list_assets(directory_path))

    @classmethod
    @recorded
    def does_directory_have_assets(cls, directory_path: str, recursive: bool = True) -> bool:
        return bool(cls.list_assets(directory_path, recursive))

    @classmethod
    @recorded
    def delete_directory(cls, directory_path: str) -> bool:
        for path in cls.list_assets(directory_path):
            project.delete(_package(path))
        project.folders.discard(directory_path)
        return True

    @classmethod
    @recorded
    def rename_loaded_asset(cls, source_asset: Asset, destination_asset_path: str) -> bool:
        return project.rename(source_asset, destination_asset_path)

    @classmethod
    @recorded
    def save_loaded_asset(cls, asset_to_save: Asset, only_if_is_dirty: bool = True) -> bool:
        return project.save(asset_to_save)

    @classmethod
    @recorded
    def delete_loaded_asset(cls, asset_to_delete: Asset) -> bool:
        return project.delete(asset_to_delete.get_outermost().get_name())

    @classmethod
    @recorded
    def set_metadata_tag(cls, object: Asset, tag: str, value: str) -> None:
        object.tags[tag] = value
        object.is_dirty = True

    @classmethod
    @recorded
    def get_metadata_tag(cls, object: Asset, tag: str) -> str:
        return object.tags.get(tag, "")

    @classmethod
    @recorded
    def sync_browser_to_objects(cls, asset_paths: list[str]) -> None: ...


class EditorSubsystem(Object): ...


class StaticMeshEditorSubsystem(EditorSubsystem):
    @recorded
    def get_lod_count(self, static_mesh: StaticMesh) -> int:
        return len(static_mesh.lods)

    @recorded
    def remove_lods(self, static_mesh: StaticMesh) -> bool:
        static_mesh.lods = static_mesh.lods[:1]
        static_mesh.screen_sizes = []
        static_mesh.is_dirty = True
        return True

    @recorded
    def set_lod_from_static_mesh(
        self,
        destination_static_mesh: StaticMesh,
        destination_lod_index: int,
        source_static_mesh: StaticMesh,
        source_lod_index: int,
        reuse_existing_material_slots: bool,
    ) -> int:
        project.work()
        if project.is_played:
            return -1
        to, source = destination_static_mesh, source_static_mesh.lods[source_lod_index]
        if f"lod {destination_lod_index}" in project.fail:
            return -1
        slots = to._values["static_materials"]
        new = []
        for slot in source.slots:
            material = source_static_mesh.get_material(slot)
            same = [i for i, one in enumerate(slots) if to.get_material(i) is material]
            if not same or not reuse_existing_material_slots:
                slots.append(StaticMaterial(material))
                same = [len(slots) - 1]
            new.append(same[0])
        index = min(destination_lod_index, len(to.lods))
        to.lods[index : index + 1] = [Lod(source.triangles, new, source.low, source.high)]
        to.is_dirty = True
        return index

    @recorded
    def set_lod_screen_sizes(self, static_mesh: StaticMesh, screen_sizes: list[float]) -> bool:
        if len(screen_sizes) != len(static_mesh.lods):
            return False
        static_mesh.screen_sizes = list(screen_sizes)
        static_mesh.auto_screen_sizes = False
        static_mesh.is_dirty = True
        return True

    @recorded
    def get_nanite_settings(self, static_mesh: StaticMesh) -> MeshNaniteSettings:
        settings = MeshNaniteSettings()
        settings._values["enabled"] = static_mesh.nanite
        return settings

    @recorded
    def set_nanite_settings(
        self,
        static_mesh: StaticMesh,
        nanite_settings: MeshNaniteSettings,
        apply_changes: bool = True,
    ) -> None:
        static_mesh.nanite = nanite_settings._values["enabled"]
        static_mesh.is_dirty = True

    @recorded
    def get_simple_collision_count(self, static_mesh: StaticMesh) -> int:
        return len(static_mesh.shapes.simple)

    @recorded
    def get_convex_collision_count(self, static_mesh: StaticMesh) -> int:
        return len(static_mesh.shapes.convex)


class StaticMeshComponent(Object):
    static_mesh: StaticMesh


class StaticMeshActor(Object):
    static_mesh_component: StaticMeshComponent
    location: Vector


class EditorActorSubsystem(EditorSubsystem):
    actors: list[StaticMeshActor] = []
    selected: list[StaticMeshActor] = []

    @recorded
    def spawn_actor_from_object(self, object_to_use: StaticMesh, location: Vector) -> Any:
        actor = StaticMeshActor()
        actor.static_mesh_component = StaticMeshComponent()
        actor.static_mesh_component.static_mesh = object_to_use
        actor.location = location
        self.actors.append(actor)
        transactions[-1].append(actor)
        return actor

    @recorded
    def set_selected_level_actors(self, actors_to_select: list[Any]) -> None:
        self.selected[:] = actors_to_select

    @recorded
    def get_selected_level_actors(self) -> list[Any]:
        return list(self.selected)


class LevelEditorSubsystem(EditorSubsystem):
    """While a game is played, the engine refuses what changes assets."""

    @recorded
    def is_in_play_in_editor(self) -> bool:
        return project.is_played


class UnrealEditorSubsystem(EditorSubsystem):
    camera = (Vector(0.0, 0.0, 200.0), Rotator(pitch=-45.0))

    @recorded
    def get_level_viewport_camera_info(self) -> tuple[Vector, Rotator] | None:
        return self.camera


class MathLibrary:
    @classmethod
    @recorded
    def get_forward_vector(cls, rot: Rotator) -> Vector:
        pitch, yaw = math.radians(rot.pitch), math.radians(rot.yaw)
        flat = math.cos(pitch)
        return Vector(flat * math.cos(yaw), flat * math.sin(yaw), math.sin(pitch))


transactions: list[list[Any]] = []


class ScopedEditorTransaction:
    @recorded
    def __init__(self, desc: str) -> None:
        transactions.append([])

    def __enter__(self) -> "ScopedEditorTransaction":
        return self

    def __exit__(self, *unused: object) -> bool:
        return False


class ReloadPackagesInteractionMode(EnumBase):
    ASSUME_POSITIVE = "ASSUME_POSITIVE"


class EditorLoadingAndSavingUtils:
    @classmethod
    @recorded
    def get_dirty_content_packages(cls) -> list[Package]:
        return [one.get_outermost() for one in project.memory.values() if one.is_dirty]

    @classmethod
    @recorded
    def reload_packages(
        cls, packages_to_reload: list[Package], interaction_mode: object
    ) -> tuple[bool, Text]:
        for package in packages_to_reload:
            project.reload(package.get_name())
        return True, Text()


class SourceControlState(Struct):
    checked_out_other = ""

    @property
    def is_checked_out_other(self) -> bool:
        return bool(self.checked_out_other)


class SourceControl:
    @classmethod
    @recorded
    def is_enabled(cls) -> bool:
        return project.has_source_control

    @classmethod
    @recorded
    def query_file_state(cls, file: str, silent: bool = False) -> SourceControlState:
        state = SourceControlState()
        state.checked_out_other = project.locked.get(file, "")
        return state

    @classmethod
    @recorded
    def check_out_or_add_file(cls, file: str, silent: bool = False) -> bool:
        if file in project.locked:
            return False
        project.checked_out.append(file)
        return True

    @classmethod
    @recorded
    def mark_files_for_add(cls, files: list[str], silent: bool = False) -> bool:
        project.added += files
        return True


class GLTFExportOptions(Object):
    _properties = {"default_level_of_detail": -1}


class GLTFExporter:
    """Writes a cube where the mesh's bounds are, +X where it is: as the real one turns axes."""

    @classmethod
    @recorded
    def export_to_gltf(
        cls, object: StaticMesh, file_path: str, options: GLTFExportOptions, selected_actors: object
    ) -> None:
        if "export" not in project.fail:
            lod = object.lods[0]
            Path(file_path).write_bytes(_box_glb(lod.low, lod.high))


def _box_glb(low: list[float], high: list[float]) -> bytes:
    ends = [[low[axis] / 100, high[axis] / 100] for axis in (0, 2, 1)]
    corners = [(ends[0][i & 1], ends[1][i >> 1 & 1], ends[2][i >> 2]) for i in range(8)]
    faces = ((0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5))
    indices = [corner for a, b, c, d in faces for corner in (a, b, c, a, c, d)]
    positions = struct.pack("<24f", *(value for corner in corners for value in corner))
    binary = positions + struct.pack("<36H", *indices)
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "Exported"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 8, "type": "VEC3",
             "min": [end[0] for end in ends], "max": [end[1] for end in ends]},
            {"bufferView": 1, "componentType": 5123, "count": 36, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 96},
            {"buffer": 0, "byteOffset": 96, "byteLength": 72},
        ],
        "buffers": [{"byteLength": len(binary)}],
    }  # fmt: skip
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    size = 12 + 8 + len(text) + 8 + len(binary)
    head = struct.pack("<4sII", b"glTF", 2, size) + struct.pack("<I4s", len(text), b"JSON")
    return head + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary


class AssetRegistry(Object):
    loading_ticks = 0

    @recorded
    def search_all_assets(self, synchronous_search: bool) -> None:
        if synchronous_search:
            AssetRegistry.loading_ticks = 0

    @recorded
    def is_loading_assets(self) -> bool:
        AssetRegistry.loading_ticks = max(0, AssetRegistry.loading_ticks - 1)
        return AssetRegistry.loading_ticks > 0


class AssetRegistryHelpers:
    @classmethod
    @recorded
    def get_asset_registry(cls) -> AssetRegistry:
        return AssetRegistry()


class AssetTools(Object):
    @recorded
    def create_asset(
        self, asset_name: str, package_path: str, asset_class: type[Asset], factory: Object
    ) -> Asset:
        asset = asset_class()
        project.add(asset, f"{package_path}/{asset_name}")
        return asset


class AssetToolsHelpers:
    @classmethod
    @recorded
    def get_asset_tools(cls) -> AssetTools:
        return AssetTools()


class Paths:
    @classmethod
    @recorded
    def project_dir(cls) -> str:
        return f"{project.folder}/"

    @classmethod
    @recorded
    def convert_relative_path_to_full(cls, path: str, base_path: str = "") -> str:
        return path


class SystemLibrary:
    command_line = ""

    @classmethod
    @recorded
    def get_command_line(cls) -> str:
        return cls.command_line


class RenderingLibrary:
    @classmethod
    @recorded
    def import_file_as_texture2d(cls, world_context_object: Object, filename: str) -> Texture:
        assert Path(filename).is_file()
        return Texture()


class EditorDialogLibraryObjectDetailsViewOptions(Struct):
    _properties = {"show_object_name": True}


class AppMsgType(EnumBase):
    OK = "OK"


class EditorDialog:
    """answers: called in turn with the object of each dialog; whether OK was pressed."""

    answers: list[Callable[[Any], bool]] = []
    messages: list[str] = []

    @classmethod
    @recorded
    def show_object_details_view(cls, title: Text, out_object: Object, options: Struct) -> bool:
        return cls.answers.pop(0)(out_object)

    @classmethod
    @recorded
    def show_message(cls, title: Text, message: Text, message_type: object) -> None:
        cls.messages.append(str(message))


_subsystems: dict[type, Object] = {}


def get_editor_subsystem(subsystem: type) -> Any:
    return _subsystems.setdefault(subsystem, subsystem())


ticks: list[Callable[[float], None]] = []
shutdowns: list[Callable[[], None]] = []


@recorded
def register_slate_post_tick_callback(callable: Callable[[float], None]) -> object:
    ticks.append(callable)
    return callable


@recorded
def unregister_slate_post_tick_callback(handle: Any) -> None:
    ticks.remove(handle)


@recorded
def register_python_shutdown_callback(callable: Callable[[], None]) -> object:
    shutdowns.append(callable)
    return callable
