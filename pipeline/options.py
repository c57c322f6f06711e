"""AssetOptions: one field per stage. Each stage's options live beside the stage."""

from dataclasses import dataclass, field

from pipeline.errors import InvalidInput
from pipeline.export.profiles import ExportOptions
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.mesh.hulls.collision import CollisionOptions
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.mesh.remeshing.remesh import RemeshOptions
from pipeline.mesh.repairing.repair import RepairOptions
from pipeline.model.condition.options import ConditionOptions
from pipeline.model.formats import DecodeOptions
from pipeline.model.sampler import SamplerOptions
from pipeline.pictures.options import PictureOptions
from pipeline.place import PlaceOptions
from pipeline.quality.provenance import ProvenanceOptions
from pipeline.scene import PartOptions
from pipeline.texture.bake import BakeOptions


@dataclass(frozen=True, kw_only=True)
class AssetOptions:
    """What a request may ask of each stage.

    repair: None takes what fits the input: thorough for generated meshes, careful for uploads.
    """

    condition: ConditionOptions = field(default_factory=ConditionOptions)
    sparse_structure: SamplerOptions = field(default_factory=SamplerOptions)
    slat: SamplerOptions = field(default_factory=SamplerOptions)
    decode: DecodeOptions = field(default_factory=DecodeOptions)
    place: PlaceOptions = field(default_factory=PlaceOptions)
    repair: RepairOptions | None = None
    remesh: RemeshOptions = field(default_factory=RemeshOptions)
    lod: LodOptions = field(default_factory=LodOptions)
    unwrap: UnwrapOptions = field(default_factory=UnwrapOptions)
    bake: BakeOptions = field(default_factory=BakeOptions)
    collision: CollisionOptions = field(default_factory=CollisionOptions)
    export: ExportOptions = field(default_factory=ExportOptions)
    parts: PartOptions = field(default_factory=PartOptions)
    provenance: ProvenanceOptions = field(default_factory=ProvenanceOptions)
    pictures: PictureOptions = field(default_factory=PictureOptions)

    def __post_init__(self) -> None:
        if self.lod.impostor and self.parts.mode == "separate":
            raise InvalidInput(
                "an impostor shows the whole asset: leave it out, or set parts mode to merged"
            )
        self._check_limits()

    def _check_limits(self) -> None:
        """Refuse what the profile's importer would refuse at the end of the job."""
        profile, layout = self.export.profile, self.export.layout
        count = len(self.lod.chain) + self.lod.impostor
        if layout.max_lods is not None and count > layout.max_lods:
            raise InvalidInput(
                f"profile {profile} takes at most {layout.max_lods} LODs, got {count}: ask for "
                "fewer, or for another profile"
            )
        most = layout.max_mesh_triangles
        if most is None or self.parts.mode == "separate":
            return
        for level, target in enumerate(self.lod.chain):
            if target.triangles is not None and target.triangles > most:
                raise InvalidInput(
                    f"profile {profile} takes at most {most:,} triangles per mesh, but LOD{level} "
                    f"may have {target.triangles:,}: lower it, or keep parts separate"
                )
