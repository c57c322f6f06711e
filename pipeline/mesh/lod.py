"""The chain LOD0, LOD1 ...: fewer triangles each, with measured error and switch coverage."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.errors import InvalidInput
from pipeline.mesh.measure import Deviation, SurfaceDistance, bounds, deviation, used_vertices
from pipeline.mesh.simplify import MIN_TARGET_COUNT, simplify
from pipeline.types import LodMeasure, Mesh, Progress, Stage, UnwrappedMesh

logger = logging.getLogger(__name__)

MAX_LODS = 8
MAX_BUDGET = 1_000_000

# An LOD that saves less of an untouched source costs its memory, its part of the atlas and a switch
# that may be seen, and no engine draws faster for it.
MIN_SAVING_RATIO = 0.2

# Points per surface and LOD for the mean deviation. The maximum also looks at every vertex.
SAMPLES = 30_000

# An LOD's error may cover this much of a screen before a finer one takes over.
ERROR_PX = 1.0

# Below so small a share of the view height the asset may be culled: 11 pixels at 1080.
CULL_COVERAGE = 0.01

# Each LOD gets at least this much of the coverage range, or engines would skip it.
COVERAGE_STEP = 0.9


@dataclass(frozen=True, kw_only=True)
class LodOptions:
    """Options of `build_lods` and `measure_lods`.

    budgets: most triangles per LOD, finest first; 1 to 8, each in 4..1,000,000, strictly falling.
    reference_height_px: view height for which switch coverages are computed, 100..10,000.
    """

    budgets: tuple[int, ...] = (20_000, 10_000, 4_000, 1_000)
    reference_height_px: int = 1080

    def __post_init__(self) -> None:
        listed = ",".join(map(str, self.budgets))
        if not 1 <= len(self.budgets) <= MAX_LODS:
            raise InvalidInput(f"lods must be 1 to {MAX_LODS} budgets, got {len(self.budgets)}")
        for budget in self.budgets:
            if not MIN_TARGET_COUNT <= budget <= MAX_BUDGET:
                raise InvalidInput(
                    f"lods must be in {MIN_TARGET_COUNT}..{MAX_BUDGET}, got {budget}: "
                    "write triangle counts, as 20000,10000,4000,1000"
                )
        if any(finer <= coarser for finer, coarser in pairwise(self.budgets)):
            falling = ",".join(map(str, sorted(set(self.budgets), reverse=True)))
            raise InvalidInput(f"lods must fall from LOD to LOD, got {listed}: write {falling}")
        if not 100 <= self.reference_height_px <= 10_000:
            raise InvalidInput(
                f"reference_height_px must be in 100..10000, got {self.reference_height_px}"
            )


def build_lods(mesh: Mesh, options: LodOptions, progress: Progress) -> tuple[Mesh, ...]:
    """Cut the LOD chain, each from the one before.

    No LOD has more triangles than its budget, and each has fewer than the one before. A mesh that
    is within the first budget is LOD0 itself, untouched. A budget that would save less than a
    fifth of it is then skipped, with a warning: with the budgets 20,000, 10,000, 4,000, 1,000 a
    mesh of 4,200 triangles makes two LODs, of 4,200 and 1,000.

    Args:
        mesh: A repaired mesh.
        options: The budgets.
        progress: Reports `Stage.SIMPLIFY`.

    Returns:
        1 to `len(options.budgets)` meshes, finest first.

    Raises:
        InvalidInput: If `mesh` has no triangles.
        BudgetUnreachable: If an LOD cannot be brought under its budget.
    """
    progress(Stage.SIMPLIFY, 0.0)
    lods: list[Mesh] = []
    for index, budget in enumerate(options.budgets):
        if lods and len(lods[-1].faces) <= budget:
            continue
        is_uncut = len(lods) == 1 and len(lods[0].faces) == len(mesh.faces)
        if is_uncut and budget > (1 - MIN_SAVING_RATIO) * len(mesh.faces):
            continue
        share = _Share(progress, index / len(options.budgets), 1 / len(options.budgets))
        lods.append(simplify(lods[-1] if lods else mesh, target_count=budget, progress=share))
    kept = {_tightest_budget(lod, options) for lod in lods}
    if without := [str(budget) for budget in options.budgets if budget not in kept]:
        progress.warn(
            Stage.SIMPLIFY,
            f"made {len(lods)} of {len(options.budgets)} LODs, with "
            f"{', '.join(str(len(lod.faces)) for lod in lods)} triangles: the mesh is within or "
            f"near {', '.join(without)} already",
        )
    logger.info("lods: %d -> %s faces", len(mesh.faces), [len(lod.faces) for lod in lods])
    progress(Stage.SIMPLIFY, 1.0)
    return tuple(lods)


def measure_lods(
    lods: Sequence[Mesh | UnwrappedMesh],
    reference: Mesh,
    options: LodOptions,
    progress: Progress,
) -> tuple[LodMeasure, ...]:
    """Measure each LOD's deviation and the screen coverage at which the next may take over.

    An LOD may be seen once its largest deviation is below a pixel: with the bounding sphere of
    diameter `D` covering a share `c` of a view `H` pixels high, a deviation of `d` covers
    `c H d / D` pixels. That coverage is where the LOD before ends. See `LodMeasure`.

    Args:
        lods: The LODs as they go into the file, so that the counts are its counts.
        reference: What they approximate: the repaired mesh. Against the raw one, every dropped
            speck and filled hole would count as error.
        options: As for `build_lods`.
        progress: Reports `Stage.LODS`.
    """
    progress(Stage.LODS, 0.0)
    to_reference = SurfaceDistance(reference)
    deviations = []
    meshes = [Mesh(positions=lod.positions, faces=lod.faces) for lod in lods]
    for index, lod in enumerate(meshes):
        done = index / len(lods)

        def tick(done: float = done) -> None:
            progress(Stage.LODS, done)

        deviations.append(
            Deviation(max_m=0.0, mean_m=0.0)
            if _are_same_triangles(lod, reference)
            else deviation(lod, reference, to_reference, SAMPLES, tick)
        )
    coverages = switch_coverages(
        [each.max_m for each in deviations], sphere_diameter(reference), options.reference_height_px
    )
    progress(Stage.LODS, 1.0)
    return tuple(
        LodMeasure(
            triangle_count=len(lod.faces),
            budget=_tightest_budget(lod, options),
            deviation_max_m=each.max_m,
            deviation_mean_m=each.mean_m,
            screen_coverage=coverage,
        )
        for lod, each, coverage in zip(meshes, deviations, coverages, strict=True)
    )


def _tightest_budget(lod: Mesh, options: LodOptions) -> int:
    return min(budget for budget in options.budgets if budget >= len(lod.faces))


def _are_same_triangles(one: Mesh, two: Mesh) -> bool:
    return np.array_equal(one.positions[one.faces], two.positions[two.faces])


def switch_coverages(
    deviations_m: list[float], diameter_m: float, reference_height_px: int
) -> list[float]:
    """The lowest screen coverage of each LOD, in (0, 1], strictly falling.

    Args:
        deviations_m: Largest deviation per LOD, metres.
        diameter_m: Of the bounding sphere.
        reference_height_px: View height in pixels.
    """
    coverages: list[float] = []
    highest = 1.0
    for deviation_m in deviations_m[1:]:
        error_px = deviation_m * reference_height_px / max(diameter_m, 1e-30)  # at coverage 1
        coverages.append(min(highest, ERROR_PX / max(error_px, 1e-30)))
        highest = coverages[-1] * COVERAGE_STEP
    return [*coverages, min(CULL_COVERAGE, highest)]


def sphere_diameter(mesh: Mesh) -> float:
    """Diameter in metres of the sphere around the center of the bounding box."""
    low, high = bounds(mesh)
    points = mesh.positions[used_vertices(mesh)].astype(np.float64)
    return 2 * float(np.linalg.norm(points - (low + high) / 2, axis=1).max())


class _Share:
    """A `Progress` for one part of a longer stage."""

    def __init__(self, whole: Progress, start: float, share: float) -> None:
        self._whole, self._start, self._share = whole, start, share

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._whole(stage, self._start + self._share * fraction)

    def preview(self, stage: Stage, png: bytes) -> None:
        self._whole.preview(stage, png)

    def warn(self, stage: Stage, message: str) -> None:
        self._whole.warn(stage, message)
