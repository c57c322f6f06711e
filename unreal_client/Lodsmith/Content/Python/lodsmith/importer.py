"""The engine's part of a job: a GLB through Interchange, its LODs, screen sizes, hulls and names.

All of it runs on the main thread. An import is a generator that stops between calls that take long,
so that the editor can draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, TypeVar

import unreal

from lodsmith import compat, naming
from lodsmith.facts import MOST_LODS, AssetFacts, screen_sizes
from lodsmith.jobs import ImportFailed, Importing
from lodsmith.records import ImportPlan, JobRecord
from lodsmith.settings import Settings

TEMPORARY = "/Game/Lodsmith_Temporary"
TAG_RECORD = "Lodsmith.Record"  # JobRecord.id of the import that made an asset
TAG_JOB = "Lodsmith.Job"
TAG_SEED = "Lodsmith.Seed"
TAG_CULL = "Lodsmith.CullBelow"  # share of the view's height below which nothing is missed

# The importer turns glTF's front, +Z, into +Y; the engine's front is +X.
FACING_YAW_DEG = -90.0
_SIZE_TOLERANCE = 0.05  # simplification moves the bounds a little
_PLACE_DISTANCE_CM = 500.0
_FARTHEST_PLACE_CM = 5000.0

_assets = unreal.EditorAssetLibrary
T = TypeVar("T", bound=unreal.EditorSubsystem)


class UnrealEditor:
    """`jobs.Editor` in the real editor."""

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings

    def export(self, static_mesh: str, file: Path) -> None:
        """Write LOD0 of a Static Mesh as a GLB. Raises `ImportFailed`."""
        mesh = _static_mesh(static_mesh)
        options = unreal.GLTFExportOptions()
        options.set_editor_property("default_level_of_detail", 0)
        unreal.GLTFExporter.export_to_gltf(mesh, str(file), options, set())  # pyright: ignore[reportArgumentType]  # takes sets
        if not file.is_file():
            raise ImportFailed(f"{static_mesh} could not be exported as glTF; see the log.")

    def plan(self, record: JobRecord, facts: AssetFacts, *, has_siblings: bool) -> ImportPlan:
        """Decide where an asset goes. Raises `ImportFailed`."""
        form, settings, now = record.form, self._settings(), datetime.now()
        base_pattern = form.fileName or settings.fileName
        folder_pattern = form.folder or settings.folder
        if has_siblings and "{seed}" not in base_pattern + folder_pattern:
            base_pattern += "_{seed}"
        folder = naming.expand(folder_pattern, facts, now)
        base = naming.expand(base_pattern, facts, now)
        mesh = form.replaces.partition(".")[0]
        if mesh:
            _check_may_change(_static_mesh(mesh))
            folder, _, name = mesh.rpartition("/")
            base = name[3:] if name.startswith("SM_") else name
        taken = {_name(path) for path in _paths_in(folder)} - {_name(mesh)}
        base = naming.unique(base, lambda one: not any(naming.is_of(name, one) for name in taken))
        return ImportPlan(
            record=record.id,
            mesh=mesh or f"{folder}/SM_{base}",
            base=base,
            folder=folder,
            temporary=f"{TEMPORARY}/{record.id}_{facts.seed}",
            new_folders=[one for one in _lineage(folder) if not _assets.does_directory_exist(one)],
            replaces=bool(mesh),
            triangles=list(facts.triangles),
            seed=facts.seed,
        )

    def importing(
        self, record: JobRecord, plan: ImportPlan, facts: AssetFacts, glb: Path
    ) -> Importing:
        """Import in steps; returns warnings. Raises `ImportFailed`; `undo` then removes it all."""
        nanite = record.form.nanite
        yield "imports the file"
        _interchange(glb, plan.temporary, has_hulls=facts.hull_count > 0)
        meshes, rest = _imported(plan.temporary)
        levels = range(1 if nanite else min(len(facts.triangles), MOST_LODS))
        missing = [facts.lod_mesh(level) for level in levels if facts.lod_mesh(level) not in meshes]
        if missing:
            found = ", ".join(sorted(meshes)) or "none"
            raise ImportFailed(f"The file has no mesh {missing[0]}; there are: {found}.")
        lods = [meshes[facts.lod_mesh(level)] for level in levels]
        mesh = _static_mesh(plan.mesh) if plan.replaces else lods[0]
        if plan.replaces:
            _check_out(mesh)
            _tag(mesh, record, plan, facts)
        for texture in rest:
            if isinstance(texture, unreal.Texture2D):
                _set_up_texture(texture)
        yield from _set_lods(mesh, lods, screen_sizes(facts.coverages)[: len(lods)])
        yield "sets Nanite"
        _set_nanite(mesh, nanite)
        if plan.replaces:
            _copy_collision(lods[0], mesh)
        warnings = _check(mesh, facts, record, len(lods))
        # A move saves what it moves: what is referred to goes first, so that no file on the disk
        # refers to the temporary folder.
        made = rest if plan.replaces else [*rest, mesh]
        for asset in made:
            yield f"renames {asset.get_name()}"
            path = f"{plan.folder}/{naming.renamed(asset.get_name(), facts, plan.base)}"
            _tag(asset, record, plan, facts)
            if not _assets.rename_loaded_asset(asset, path):
                raise ImportFailed(f"{asset.get_name()} cannot be moved to {path}; see the log.")
            _tag(asset, record, plan, facts)  # should the engine leave tags in the old package
        yield "cleans up"
        _delete_folder(plan.temporary)
        _delete_folder(TEMPORARY, only_if_empty=True)
        # The mesh last, and no step after it: one that is on the disk cannot be taken back.
        for asset in (*rest, mesh):
            yield f"saves {asset.get_name()}"
            if not _assets.save_loaded_asset(asset, False):
                raise ImportFailed(f"{asset.get_path_name()} cannot be saved; see the log.")
        if unreal.SourceControl.is_enabled():
            new = [asset.get_path_name().partition(".")[0] for asset in made]
            unreal.SourceControl.mark_files_for_add(new, True)  # pyright: ignore[reportArgumentType]  # takes lists
        return warnings

    def undo(self, plan: ImportPlan) -> None:
        """Remove what an import has made, and take back what it did to a mesh. Safe to repeat."""
        _delete_folder(plan.temporary)
        _delete_folder(TEMPORARY, only_if_empty=True)
        replaced = plan.mesh if plan.replaces else ""
        for path in _paths_in(plan.folder):
            if naming.is_of(_name(path), plan.base) and path.partition(".")[0] != replaced:
                _delete_if_of(path, plan.record)
        if replaced and _assets.does_asset_exist(replaced):
            _reload(replaced)
        for folder in reversed(plan.new_folders):
            _delete_folder(folder, only_if_empty=True)

    def place(self, mesh: str) -> None:
        """Put an actor where the view meets the ground, and select it. One undo takes it back."""
        camera = subsystem(unreal.UnrealEditorSubsystem).get_level_viewport_camera_info()
        actors = subsystem(unreal.EditorActorSubsystem)
        place = _on_ground(*camera) if camera else unreal.Vector()
        with unreal.ScopedEditorTransaction("Place Lodsmith asset"):
            actor = actors.spawn_actor_from_object(_static_mesh(mesh), place)
            actors.set_selected_level_actors([actor])  # pyright: ignore[reportArgumentType]  # takes lists

    def log(self, message: str, *, is_problem: bool = False) -> None:
        """Say something in the Output Log."""
        (unreal.log_warning if is_problem else unreal.log)(f"Lodsmith: {message}")


def subsystem(kind: type[T]) -> T:
    """Return a part of the editor. A commandlet has not got all of them."""
    found = unreal.get_editor_subsystem(kind)
    assert found is not None, kind
    return found


def show_in_browser(mesh: str) -> None:
    """Select an asset in the Content Browser."""
    _assets.sync_browser_to_objects([mesh])  # pyright: ignore[reportArgumentType]  # takes lists


def _static_mesh(path: str) -> unreal.StaticMesh:
    asset = _assets.load_asset(path) if _assets.does_asset_exist(path) else None
    if not isinstance(asset, unreal.StaticMesh):
        raise ImportFailed(f"{path} is no Static Mesh; choose another one.")
    return asset


def _check_may_change(mesh: unreal.StaticMesh) -> None:
    """Refuse a mesh that could not be brought back to what is on the disk, or not be saved."""
    package = mesh.get_outermost()
    if package in unreal.EditorLoadingAndSavingUtils.get_dirty_content_packages():
        raise ImportFailed(f"{mesh.get_name()} has unsaved changes; save it and try again.")
    if unreal.SourceControl.is_enabled():
        state = unreal.SourceControl.query_file_state(package.get_name(), True)
        if state.is_checked_out_other:
            raise ImportFailed(f"{mesh.get_name()} is checked out by {state.checked_out_other}.")


def _check_out(mesh: unreal.StaticMesh) -> None:
    if unreal.SourceControl.is_enabled():
        # Adding, too: a mesh that source control has never seen may be replaced.
        package = mesh.get_outermost().get_name()
        if not unreal.SourceControl.check_out_or_add_file(package):
            raise ImportFailed(f"{mesh.get_name()} cannot be checked out; see the log.")


def _interchange(glb: Path, folder: str, *, has_hulls: bool) -> None:
    assets = unreal.InterchangeGenericAssetsPipeline()
    assets.set_editor_property("use_source_name_for_asset", False)
    assets.set_editor_property("import_offset_rotation", unreal.Rotator(yaw=FACING_YAW_DEG))
    meshes = assets.get_editor_property("mesh_pipeline")
    assert isinstance(meshes, unreal.InterchangeGenericMeshPipeline)
    compat.set_property(meshes, compat.KEEP_MESHES_APART)
    compat.set_property(meshes, compat.collision(has_hulls))
    for name, value in (
        ("import_static_meshes", True),
        ("import_skeletal_meshes", False),
        ("import_collision_according_to_mesh_name", True),
        ("one_convex_hull_per_ucx", True),
        ("build_nanite", False),  # set once the LODs are there
        ("generate_lightmap_u_vs", True),
    ):
        meshes.set_editor_property(name, value)
    common = assets.get_editor_property("common_meshes_properties")
    assert isinstance(common, unreal.InterchangeGenericCommonMeshesProperties)
    common.set_editor_property("recompute_normals", False)

    parameters = unreal.ImportAssetParameters()
    parameters.set_editor_property("is_automated", True)
    # The second one gives the materials the parents that the engine has for glTF.
    pipelines = [assets, unreal.InterchangeGLTFPipeline()]
    paths = [unreal.SoftObjectPath(one.get_path_name()) for one in pipelines]
    parameters.set_editor_property("override_pipelines", paths)
    manager = unreal.InterchangeManager.get_interchange_manager_scripted()
    source = unreal.InterchangeManager.create_source_data(str(glb))
    # What it returns differs between engines; what counts is what is in the folder afterwards.
    manager.import_asset(folder, source, parameters)


def _imported(folder: str) -> tuple[dict[str, unreal.StaticMesh], Sequence[unreal.Object]]:
    """Return the meshes by name; textures, then the materials that show them."""
    found: list[Any] = [_assets.load_asset(path) for path in _assets.list_assets(folder)]
    meshes = {one.get_name(): one for one in found if isinstance(one, unreal.StaticMesh)}
    textures = [one for one in found if isinstance(one, unreal.Texture2D)]
    return meshes, [*textures, *(one for one in found if isinstance(one, unreal.MaterialInterface))]


def _tag(asset: unreal.Object, record: JobRecord, plan: ImportPlan, facts: AssetFacts) -> None:
    tags = {TAG_RECORD: plan.record, TAG_JOB: record.job, TAG_SEED: str(facts.seed)}
    tags[TAG_CULL] = f"{facts.coverages[-1]:.4f}"
    for tag, value in tags.items():
        _assets.set_metadata_tag(asset, unreal.Name(tag), value)


def _set_up_texture(texture: unreal.Texture2D) -> None:
    """Set what the importer may have guessed otherwise; each change builds the texture again."""
    compression = unreal.TextureCompressionSettings
    suffix = texture.get_name().rpartition("_")[2]
    is_color, kind = {
        "N": (False, compression.TC_NORMALMAP),
        "ORM": (False, compression.TC_MASKS),
    }.get(suffix, (True, compression.TC_DEFAULT))
    for name, value in (("srgb", is_color), ("compression_settings", kind)):
        if texture.get_editor_property(name) != value:
            texture.set_editor_property(name, value)


def _set_lods(
    mesh: unreal.StaticMesh, lods: list[unreal.StaticMesh], sizes: list[float]
) -> Iterator[str]:
    """Bring the LODs into one mesh. They share a material, so they share its slot."""
    editor = subsystem(unreal.StaticMeshEditorSubsystem)
    begin = 1
    if mesh is not lods[0]:
        begin = 0
        yield "removes old LODs"
        if editor.get_lod_count(mesh) > 1 and not editor.remove_lods(mesh):
            raise ImportFailed(f"The LODs of {mesh.get_name()} cannot be removed; see the log.")
        mesh.set_material(0, lods[0].get_material(0))
    for level in range(begin, len(lods)):
        yield f"sets LOD{level}"
        if editor.set_lod_from_static_mesh(mesh, level, lods[level], 0, True) != level:
            raise ImportFailed(f"LOD{level} of {mesh.get_name()} cannot be set; see the log.")
    if mesh is not lods[0]:
        # All sections use slot 0 by now; those of the old materials are left.
        slots: Any = mesh.get_editor_property("static_materials")
        mesh.set_editor_property("static_materials", list(slots)[:1])
    yield "sets screen sizes"
    if not editor.set_lod_screen_sizes(mesh, sizes):  # pyright: ignore[reportArgumentType]  # takes lists
        raise ImportFailed(f"The screen sizes of {mesh.get_name()} cannot be set; see the log.")


def _set_nanite(mesh: unreal.StaticMesh, is_wanted: bool) -> None:
    editor = subsystem(unreal.StaticMeshEditorSubsystem)
    settings = editor.get_nanite_settings(mesh)
    if settings.get_editor_property("enabled") != is_wanted:
        settings.set_editor_property("enabled", is_wanted)
        editor.set_nanite_settings(mesh, settings, True)


def _copy_collision(source: unreal.StaticMesh, target: unreal.StaticMesh) -> None:
    bodies: list[Any] = [mesh.get_editor_property("body_setup") for mesh in (source, target)]
    bodies[1].set_editor_property("agg_geom", bodies[0].get_editor_property("agg_geom"))
    target.set_editor_property("customized_collision", True)


def _check(
    mesh: unreal.StaticMesh, facts: AssetFacts, record: JobRecord, lod_count: int
) -> list[str]:
    """Return where the engine has something else than the server reported."""
    editor = subsystem(unreal.StaticMeshEditorSubsystem)
    warnings = []
    hulls = editor.get_simple_collision_count(mesh) + editor.get_convex_collision_count(mesh)
    if hulls != facts.hull_count:
        warnings.append(f"it has {hulls} collision shapes, {facts.hull_count} were made")
    # With Nanite, what can be counted is the mesh that stands in for it.
    for level in range(0 if record.form.nanite else lod_count):
        count = mesh.get_num_triangles(level)
        if count != facts.triangles[level]:
            warnings.append(f"LOD{level} has {count:,} triangles, not {facts.triangles[level]:,}")
    box: Any = mesh.get_bounding_box()  # Any: the stub has no types for what structs hold
    size_cm = (box.max.x - box.min.x, box.max.y - box.min.y, box.max.z - box.min.z)
    form = record.form
    wanted_cm, found_cm = 100.0 * form.height, size_cm[2]
    if not form.height and (form.prompt or form.images):
        wanted_cm, found_cm = 100.0, max(size_cm)  # a metre along the longest side
    if wanted_cm and abs(found_cm - wanted_cm) > _SIZE_TOLERANCE * wanted_cm:
        warnings.append(f"it is {found_cm:.0f} cm large, not {wanted_cm:.0f} cm")
    return warnings


def _on_ground(location: Any, rotation: unreal.Rotator) -> unreal.Vector:
    """Return where the view meets the plane z = 0, or a point on it before the camera."""
    forward: Any = unreal.MathLibrary.get_forward_vector(rotation)
    meets = location.z * forward.z < 0
    distance = min(_FARTHEST_PLACE_CM, -location.z / forward.z) if meets else _PLACE_DISTANCE_CM
    return unreal.Vector(location.x + distance * forward.x, location.y + distance * forward.y, 0.0)


def _paths_in(folder: str) -> list[str]:
    """Return the assets of a folder; asking for one that is not there is an error in the log."""
    return list(_assets.list_assets(folder, False)) if _assets.does_directory_exist(folder) else []


def _name(path: str) -> str:
    return path.partition(".")[0].rpartition("/")[2]


def _lineage(folder: str) -> list[str]:
    """Return a folder and those above it, outermost first, without the root."""
    parts = folder.strip("/").split("/")
    return ["/" + "/".join(parts[:count]) for count in range(2, len(parts) + 1)]


def _delete_if_of(path: str, record: str) -> None:
    asset = _assets.load_asset(path)
    if asset is not None and _assets.get_metadata_tag(asset, unreal.Name(TAG_RECORD)) == record:
        _assets.delete_loaded_asset(asset)


def _delete_folder(folder: str, *, only_if_empty: bool = False) -> None:
    is_there = _assets.does_directory_exist(folder)
    if is_there and not (only_if_empty and _assets.does_directory_have_assets(folder)):
        _assets.delete_directory(folder)


def _reload(path: str) -> None:
    """Bring a mesh back to what is on the disk, where it was changed."""
    package = _static_mesh(path).get_outermost()
    if package in unreal.EditorLoadingAndSavingUtils.get_dirty_content_packages():
        mode = unreal.ReloadPackagesInteractionMode.ASSUME_POSITIVE
        unreal.EditorLoadingAndSavingUtils.reload_packages([package], mode)  # pyright: ignore[reportArgumentType]
