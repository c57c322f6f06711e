"""What a caller chooses about the files, and what differs in them from engine to engine.

Sources per profile: docs/profiles.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import InvalidInput

Profile = Literal["generic", "unity", "unreal", "godot", "roblox", "web"]
TextureFormat = Literal["auto", "png", "jpeg", "webp", "ktx2"]
Packing = Literal["none", "quantize", "meshopt"]
Compression = Literal["auto", "none", "quantize", "meshopt"]
FileFormat = Literal["glb", "obj", "ply"]

_TEXTURE_FORMATS = ("auto", "png", "jpeg", "webp", "ktx2")
_COMPRESSIONS = ("auto", "none", "quantize", "meshopt")
_FILE_FORMATS = ("glb", "obj", "ply")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How the file of one profile looks, and how much its reader takes.

    lods: "linked": they hang on LOD0 by `MSFT_lod` outside the scene, so that a viewer which knows
        no LODs shows only the finest instead of all on top of each other. "scene": they are in the
        scene beside LOD0, found by name. "files": each in a file of its own.
    hulls: "unlisted": in no scene, found by name; a viewer would draw them around the model.
        "scene": beside the LODs. "none": left out.
    hull_suffix: What the name of a hull ends in.
    takes_packed: Whether its readers know WebP, KTX2, quantization and meshopt.
    default_texture_format, default_packing: What "auto" means.
    has_separate_maps: Whether color, normal, metalness and roughness also come as files.
    max_texture_size: Texels per side; larger textures are reduced.
    max_lods, max_mesh_triangles: None where the reader sets no limit.
    max_hull_vertices: per hull.
    """

    lods: Literal["linked", "scene", "files"]
    hulls: Literal["unlisted", "scene", "none"]
    hull_suffix: str = ""
    takes_packed: bool = False
    default_texture_format: TextureFormat = "auto"
    default_packing: Packing = "none"
    has_separate_maps: bool = False
    max_texture_size: int = 8192
    max_lods: int | None = None
    max_mesh_triangles: int | None = None
    max_hull_vertices: int = 255


LAYOUTS: Mapping[Profile, Layout] = {
    # Any viewer or engine: shows LOD0.
    "generic": Layout(lods="linked", hulls="unlisted", takes_packed=True),
    # UnityGLTF builds its LODGroup from MSFT_lod. glTFast does not know it and imports the scene,
    # so LODs and hulls in it would become visible meshes of the prefab.
    "unity": Layout(lods="linked", hulls="unlisted"),
    # Interchange imports what is in the scene and takes UCX_<mesh>_<nn> as collision by its name;
    # the plugin then makes LODs of the meshes by theirs. A static mesh has at most 8.
    "unreal": Layout(lods="scene", hulls="scene", max_lods=8),
    # The importer turns meshes named *-convcolonly into bodies with a convex shape. It knows no
    # LODs from outside, and up to 4.3 shows every node without a parent, in the scene or not: LODs
    # must not be in the file.
    "godot": Layout(lods="files", hulls="scene", hull_suffix="-convcolonly"),
    # A mesh becomes a MeshPart, which has limits and finds LODs and collision by itself.
    "roblox": Layout(
        lods="files",
        hulls="none",
        has_separate_maps=True,
        max_texture_size=1024,
        max_mesh_triangles=20_000,
    ),
    # Browsers decode all of it; 2048 is the size that WebGL 2 promises everywhere.
    "web": Layout(
        lods="linked",
        hulls="unlisted",
        takes_packed=True,
        default_texture_format="webp",
        default_packing="meshopt",
        max_texture_size=2048,
    ),
}


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of `export_asset`.

    profile: which engine the files are laid out for.
    texture_format: "auto" is WebP for the web. Elsewhere it is JPEG for textures that keep
        `texture_psnr_db` and become clearly smaller, else PNG. "png" is lossless, and so are normal
        maps and base colors with transparency in all formats but "ktx2". "webp" and "ktx2" are for
        web and generic only.
    texture_psnr_db: what lossy textures must keep at least, over all texels, in 25..60. JPEG and
        WebP take the lowest quality that reaches it; KTX2 knows no target.
    max_texture_size: longest side in texels, a power of two in 64..8192; larger ones are reduced.
        None is what the profile's reader takes.
    compression: "quantize" has positions and UVs of 16 bits and normals of 8; "meshopt" is that,
        compressed. Both for web and generic only, as files that need a reader which knows them.
        "auto" is meshopt for the web, else none.
    split: also a file per LOD, with smaller textures where it is only seen from afar.
    formats: which kinds of files; "glb" is always among them.
    """

    profile: Profile = "generic"
    texture_format: TextureFormat = "auto"
    texture_psnr_db: float = 40.0
    max_texture_size: int | None = None
    compression: Compression = "auto"
    split: bool = False
    formats: tuple[FileFormat, ...] = ("glb",)

    def __post_init__(self) -> None:
        _check_choice("profile", self.profile, tuple(LAYOUTS))
        _check_choice("texture_format", self.texture_format, _TEXTURE_FORMATS)
        _check_choice("compression", self.compression, _COMPRESSIONS)
        for format_ in self.formats:
            _check_choice("formats", format_, _FILE_FORMATS)
        if "glb" not in self.formats or len(set(self.formats)) < len(self.formats):
            raise InvalidInput(
                f"formats must have glb, and each once, got {', '.join(self.formats) or 'none'}"
            )
        if not 25 <= self.texture_psnr_db <= 60:
            raise InvalidInput(f"texture_psnr_db must be in 25..60, got {self.texture_psnr_db}")
        self._check_size()
        if not self.layout.takes_packed:
            for option, value in [
                ("texture_format", self.texture_format),
                ("compression", self.compression),
            ]:
                if value in ("webp", "ktx2", "quantize", "meshopt"):
                    raise InvalidInput(
                        f"{option} {value} needs profile web or generic: the importer of "
                        f"{self.profile} refuses such files"
                    )

    @property
    def layout(self) -> Layout:
        """What the profile says."""
        return LAYOUTS[self.profile]

    @property
    def packing(self) -> Packing:
        """How meshes are stored."""
        return self.layout.default_packing if self.compression == "auto" else self.compression

    @property
    def texture_encoding(self) -> TextureFormat:
        """How textures are stored; "auto" is PNG or JPEG by content."""
        is_auto = self.texture_format == "auto"
        return self.layout.default_texture_format if is_auto else self.texture_format

    @property
    def texture_size_limit(self) -> int:
        """The longest side that a texture may have."""
        return self.max_texture_size or self.layout.max_texture_size

    @property
    def has_all_lods_plain(self) -> bool:
        """Whether `pipeline.preview` can read all LODs from the main file."""
        is_plain = self.packing == "none" and self.texture_encoding != "ktx2"
        return is_plain and self.layout.lods != "files"

    def _check_size(self) -> None:
        size = self.max_texture_size
        if size is None:
            return
        if not 64 <= size <= 8192 or size & (size - 1):
            raise InvalidInput(f"max_texture_size must be a power of two in 64..8192, got {size}")
        if size > self.layout.max_texture_size:
            raise InvalidInput(
                f"max_texture_size must be at most {self.layout.max_texture_size} for profile "
                f"{self.profile}, got {size}; use another profile for larger textures"
            )


def _check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidInput(f"{option} must be one of {', '.join(choices)}, got {value!r}")
