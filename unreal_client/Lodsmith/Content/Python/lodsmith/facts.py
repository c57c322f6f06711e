"""What the server reports of the assets of a job. Nothing is read from the GLB."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from lodsmith.wire import Message

MOST_LODS = 8  # of a Static Mesh

_STEP = 0.999  # between screen sizes that would be the same: the engine wants them to fall


@dataclass(frozen=True)
class AssetFacts:
    """One asset.

    name: The server's name for it: that of its file, and in `SM_<name>_LOD0`.
    glb: The file's Digest.
    triangles: Of LOD0, LOD1, ...
    coverages: Per LOD the least share of the view's height that the bounding sphere covers while
        the LOD is shown, falling, in (0, 1].
    """

    name: str
    seed: int
    glb: Message
    triangles: Sequence[int]
    coverages: Sequence[float]
    hull_count: int

    def lod_mesh(self, level: int) -> str:
        """Return the name of a LOD's mesh in the file."""
        return f"SM_{self.name}_LOD{level}"


def facts_of(job: Message) -> "list[AssetFacts]":
    """Return the assets of a job that has succeeded; one without a mesh is left out."""
    assets = []
    for index, variant in enumerate(job.result.variants):
        for artifact in job.result.artifacts:
            if artifact.role == "model" and artifact.variant == index and variant.lods:
                assets.append(
                    AssetFacts(
                        name=PurePosixPath(artifact.file_name).stem,
                        seed=variant.seed,
                        glb=artifact.digest,
                        triangles=[lod.triangle_count for lod in variant.lods],
                        coverages=[lod.screen_coverage for lod in variant.lods],
                        hull_count=variant.collision.hull_count if variant.collision else 0,
                    )
                )
    return assets


def screen_sizes(coverages: Sequence[float]) -> "list[float]":
    """Return the engine's screen sizes: from 1, strictly falling, at most eight.

    A coverage says where a LOD ends, a screen size where it starts: LOD0 at 1, each other where the
    one before ends. Both measure the bounding sphere's diameter against the view. The last coverage
    has no place there: it is where the asset can be culled.
    """
    sizes = [1.0]
    for coverage in coverages[: MOST_LODS - 1][: max(0, len(coverages) - 1)]:
        sizes.append(min(coverage, sizes[-1] * _STEP))
    return sizes
