"""What a caller chooses about the file, and what differs in it from engine to engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import InvalidInput

Profile = Literal["generic", "unity", "unreal"]
TextureFormat = Literal["png", "jpeg"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the nodes of one file hang together. Meshes, textures and bytes are the same in all.

    lods_in_scene: LOD1.. are roots of the scene like LOD0, and an importer finds them by name.
        Otherwise they hang on LOD0 by `MSFT_lod`, so that a viewer which knows no LODs shows only
        the finest instead of all on top of each other.
    hulls_in_scene: the `UCX_` nodes are roots of the scene. Otherwise they are in no scene: a
        viewer would draw them around the model, a client that wants them finds them by name.
    """

    lods_in_scene: bool
    hulls_in_scene: bool


LAYOUTS: Mapping[Profile, Layout] = {
    # Any viewer or engine: shows LOD0.
    "generic": Layout(lods_in_scene=False, hulls_in_scene=False),
    # UnityGLTF builds its LODGroup from MSFT_lod. glTFast does not know it and imports the scene,
    # so LODs and hulls in it would become visible meshes of the prefab.
    "unity": Layout(lods_in_scene=False, hulls_in_scene=False),
    # Interchange imports what is in the scene and takes UCX_<mesh>_<nn> as collision by its name;
    # the plugin then makes LODs of the meshes by theirs.
    "unreal": Layout(lods_in_scene=True, hulls_in_scene=True),
}


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of `export_glb`.

    profile: which engine the nodes are laid out for.
    texture_format: "png" is lossless; "jpeg" makes base color, ORM and emissive a third of the
        size. Normal maps and base colors with transparency stay PNG.
    """

    profile: Profile = "generic"
    texture_format: TextureFormat = "png"

    def __post_init__(self) -> None:
        if self.profile not in LAYOUTS:
            raise InvalidInput(f"profile must be one of {', '.join(LAYOUTS)}, got {self.profile!r}")
        if self.texture_format not in ("png", "jpeg"):
            raise InvalidInput(f"texture_format must be png or jpeg, got {self.texture_format!r}")
