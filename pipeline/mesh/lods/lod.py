"""The chain LOD0, LOD1 ...: fewer triangles each, with measured error and switch coverage."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from pipeline.errors import BudgetUnreachable, InvalidInput
from pipeline.mesh.lods.lod_options import MIN_BUDGET, LodOptions, LodTarget
from pipeline.mesh.lods.parts import PartMesh, joined, split_by_area
from pipeline.mesh.lods.simplify import Simplifier
from pipeline.mesh.measuring.measure import (
    Deviation,
    SurfaceDistance,
    bounds,
    deviation,
    diagonal,
    used_vertices,
)
from pipeline.mesh.repairing.manifold import without_unused_vertices
from pipeline.threads import together
from pipeline.types import (
    FloatArray,
    IntArray,
    LodMeasure,
    Mesh,
    PartOf,
    Progress,
    Stage,
    UnwrappedMesh,
)

logger = logging.getLogger(__name__)

# An LOD larger than this share of an untouched LOD0, or of the LOD before where its error decides,
# costs its memory, its part of the atlas and a switch that may be seen, and no engine draws faster
# for it.
_LARGEST_STEP = 0.8

# Points per surface and LOD for the means; the maximum is searched for by bounds.
SAMPLES = 20_000

# An LOD's error may cover this much of a screen before a finer one takes over.
ERROR_PX = 1.0

# Below so small a share of the view height the asset may be culled: 11 pixels at 1080.
CULL_COVERAGE = 0.01

# Each LOD gets at least this much of the coverage range, or engines would skip it.
COVERAGE_STEP = 0.9

# The search for the fewest triangles within a deviation begins where the collapses' own estimate, a
# root mean square, is this share of it, or the next if that was too far already. It goes on in
# steps that leave so much of the triangles.
_ESTIMATES = (0.2, 0.05, 0.0125)
_LARGEST_SEARCH_STEP, _SMALLEST_SEARCH_STEP = 0.5, 0.93

# The number of triangles that is told with a failure is looked for upward in such steps.
_SURE_STEP = 1.15


@dataclass(frozen=True, kw_only=True)
class Lod:
    """One LOD of a whole asset.

    mesh: all parts, one copy of each. face_parts: `[F]` int32, which part each face belongs to.
    triangle_count: as drawn, with all copies.
    budget: the tightest of the asked budgets that it keeps, so not always the one of its place:
        3,000 triangles with the budgets 20,000, 10,000, 4,000, 1,000 are LOD0 and keep 4,000.
        0 where no number of triangles was asked for.
    """

    mesh: Mesh
    face_parts: IntArray
    triangle_count: int
    budget: int


def build_lods(
    parts: Sequence[PartMesh],
    options: LodOptions,
    progress: Progress,
    *,
    diameter_m: float,
    is_split_by_area: bool = False,
) -> tuple[Lod, ...]:
    """Cut the LOD chain, each from the one before.

    No LOD has more triangles than its budget, and each has fewer than the one before. A mesh that
    is within the first budget is LOD0 itself, untouched. A LOD that would save less than a fifth
    of an untouched LOD0 is skipped, with a warning: with the budgets 20,000, 10,000, 4,000, 1,000
    a mesh of 4,200 triangles makes two LODs, of 4,200 and 1,000. So is one whose deviation allows
    no fewer triangles than that.

    Args:
        parts: Repaired meshes. Several share each budget so that all get about the same error,
            and small ones may vanish from far LODs.
        options: Budgets, targets or a preset.
        progress: Reports `Stage.SIMPLIFY`.
        diameter_m: Of the bounding sphere of the asset as drawn, see `sphere_diameter`.
        is_split_by_area: Share budgets by area instead.

    Returns:
        1 to `len(options.chain)` LODs, finest first.

    Raises:
        InvalidInput: If a part has no triangles.
        BudgetUnreachable: If an LOD cannot be brought under its budget, or not within
            `max_deviation_ratio`.
    """
    progress(Stage.SIMPLIFY, 0.0)
    if any(len(part.mesh.faces) == 0 for part in parts):
        raise InvalidInput("the mesh has 0 triangles: export at least one")
    chain = _Chain(parts, options, progress, diameter_m, is_split_by_area=is_split_by_area)
    for index in range(len(options.chain)):
        chain.step(index)
    lods = chain.lods
    if len(lods) < len(options.chain):
        counts = ", ".join(str(lod.triangle_count) for lod in lods)
        progress.warn(
            Stage.SIMPLIFY,
            f"made {len(lods)} of {len(options.chain)} LODs, with {counts} triangles: "
            + chain.why_left_out(),
        )
    logger.info(
        "lods: %d -> %s faces",
        sum(len(part.mesh.faces) * part.copies for part in parts),
        [lod.triangle_count for lod in lods],
    )
    progress(Stage.SIMPLIFY, 1.0)
    return tuple(lods)


class _Relay:
    """A `Progress` for who works on several LODs, one after the other."""

    def __init__(self, to: Progress) -> None:
        self.to = to

    def __call__(self, stage: Stage, fraction: float) -> None:
        self.to(stage, fraction)

    def preview(self, stage: Stage, png: bytes) -> None:
        self.to.preview(stage, png)

    def warn(self, stage: Stage, message: str) -> None:
        self.to.warn(stage, message)


class _Chain:
    """The LODs so far, and what the next one is cut from."""

    def __init__(
        self,
        parts: Sequence[PartMesh],
        options: LodOptions,
        progress: Progress,
        diameter_m: float,
        *,
        is_split_by_area: bool,
    ) -> None:
        self.lods: list[Lod] = []
        self._parts, self._options, self._whole_progress = parts, options, progress
        self._progress = _Relay(progress)
        self._is_split_by_area = is_split_by_area and len(parts) > 1
        self._source = self._lod(*joined([part.mesh for part in parts]))
        self._diameter_m = diameter_m
        self._simplifier: Simplifier | None = None
        self._alone: dict[int, Simplifier] = {}  # by part, where they are split by area
        self._to_source: SurfaceDistance | None = None  # takes its time, and counts need none
        self._left_out: list[int] = []  # places in the chain

    def step(self, index: int) -> None:
        """Make the LOD for place `index` of the chain, or leave it out."""
        target = self._options.chain[index]
        most = self._most(target)
        error_m = target.most_deviation_m(self._diameter_m, self._options.reference_height_px)
        before = self.lods[-1] if self.lods else self._source
        self._progress.to = PartOf(self._whole_progress, index, len(self._options.chain))
        if error_m is None:
            assert most is not None
            if self._is_near(before, most):
                self._left_out.append(index)
                return
            lod = self._reduced(before, most)
        else:
            lod = self._fewest_within(error_m) or before
            is_wrong_side = most is not None and (
                lod.triangle_count < most if target.stop == "any" else lod.triangle_count > most
            )
            if is_wrong_side and most is not None:
                lod = self._reduced(before, most)
            if self.lods and lod.triangle_count > _LARGEST_STEP * before.triangle_count:
                self._left_out.append(index)
                return
        self._check_deviation(lod, before, index)
        self.lods.append(replace(lod, budget=self._budget(lod.triangle_count)))

    def why_left_out(self) -> str:
        """The reason in the words of a warning."""
        if all(target.is_budget for target in self._options.chain):
            budgets = [self._most(target) for target in self._options.chain]
            kept = {lod.budget for lod in self.lods}
            without = ", ".join(str(budget) for budget in budgets if budget not in kept)
            return f"the mesh is within or near {without} already"
        places = ", ".join(f"LOD{index}" for index in self._left_out)
        return f"what was asked of {places} saves too little of the LOD before"

    def _most(self, target: LodTarget) -> int | None:
        return target.most_triangles(self._source.triangle_count)

    def _is_near(self, before: Lod, most: int) -> bool:
        """Whether a LOD of so many triangles would save nothing, or little of an untouched LOD0."""
        is_untouched = len(self.lods) == 1 and before.mesh is self._source.mesh
        share = _LARGEST_STEP if is_untouched else 1.0
        return bool(self.lods) and most >= share * before.triangle_count

    def _budget(self, triangle_count: int) -> int:
        """The tightest budget that a LOD of so many triangles keeps; 0 if none was asked for."""
        budgets = [self._most(target) or 0 for target in self._options.chain if target.is_budget]
        return min((budget for budget in budgets if budget >= triangle_count), default=0)

    def _check_deviation(self, lod: Lod, before: Lod, index: int) -> None:
        ratio = self._options.max_deviation_ratio
        if ratio is None:
            return
        allowed_m = ratio * diagonal(self._source.mesh)
        found_m = self._deviation_m(lod)
        if found_m > allowed_m:
            smallest = self._smallest_within(allowed_m, lod, before)
            raise BudgetUnreachable(
                f"LOD{index} with {lod.triangle_count} triangles is {found_m:.3g} m off, "
                f"{allowed_m:.3g} m are allowed: {smallest} triangles keep that; raise the budget "
                "or max_deviation_ratio",
                smallest,
            )

    def _smallest_within(self, allowed_m: float, lod: Lod, before: Lod) -> int:
        """The number of triangles with which this LOD would be within a deviation: a little more
        than is needed, but surely enough when it is asked for in its place."""
        count = len(lod.mesh.faces)
        while True:
            count = int(count * _SURE_STEP) + 1
            if count >= len(before.mesh.faces):
                return before.triangle_count
            self._simplifier = None  # the whole way again: it decides over the result
            for earlier in self.lods:
                self._joint(len(earlier.mesh.faces), None)
            found = self._joint(count, None)
            if self._deviation_m(found) <= allowed_m:
                return found.triangle_count

    def _reduced(self, before: Lod, most: int) -> Lod:
        """The LOD before with at most so many triangles as drawn."""
        if before.triangle_count <= most:
            return before
        if self._is_split_by_area:
            return self._split_by_area(before, most)
        count = int(most * len(before.mesh.faces) / before.triangle_count)
        while True:
            lod = self._joint(max(count, MIN_BUDGET), None)
            if lod.triangle_count <= most:
                return lod
            if count <= MIN_BUDGET:
                raise BudgetUnreachable(
                    f"the parts cannot be brought to {most} triangles, only to "
                    f"{lod.triangle_count}, as copies count as often as they are drawn",
                    lod.triangle_count,
                )
            # What is drawn often kept more than its share.
            count = min(int(count * most / lod.triangle_count), count - 1)

    def _split_by_area(self, before: Lod, most: int) -> Lod:
        shares = split_by_area(self._parts, most)
        meshes = []
        for part, share in enumerate(shares):
            reduced = self._of_part(part, share)
            nothing = replace(self._parts[part].mesh, faces=self._source.mesh.faces[:0])
            meshes.append(without_unused_vertices(nothing) if reduced is None else reduced)
        lod = self._lod(*joined(meshes))
        lost = len(np.unique(before.face_parts)) - len(np.unique(lod.face_parts))
        if lost > 0:
            self._progress.warn(
                Stage.SIMPLIFY,
                f"at {most} triangles {lost} of {len(self._parts)} parts vanish: "
                "give this LOD more triangles to keep them",
            )
        return lod

    def _of_part(self, part: int, share: int) -> Mesh | None:
        """A part with at most its share of triangles; None where there is no such thing."""
        mesh = self._parts[part].mesh
        if share < min(MIN_BUDGET, len(mesh.faces)):
            return None
        if part not in self._alone:
            self._alone[part] = Simplifier(
                mesh,
                labels=self._parts[part].labels,
                is_merging_allowed=False,
                progress=PartOf(self._progress, part, len(self._parts)),
            )
        try:
            return self._alone[part].reduce(target_count=max(share, MIN_BUDGET)).mesh
        except BudgetUnreachable:
            return None

    def _fewest_within(self, error_m: float) -> Lod | None:
        """A LOD with as few triangles as stay within a deviation from the source; None if fewer
        than there are now do not.

        The collapses' own estimate says where to look; the measured deviation decides.
        """
        for share in _ESTIMATES:
            lod, best = self._joint(MIN_BUDGET, share * error_m), None
            while (found_m := self._deviation_m(lod)) <= error_m:
                best, count = lod, len(lod.mesh.faces)
                # Deviation rises about as fast as the number of triangles falls.
                step = np.clip(
                    (found_m / error_m) ** 0.5, _LARGEST_SEARCH_STEP, _SMALLEST_SEARCH_STEP
                )
                try:
                    lod = self._joint(max(int(step * count), MIN_BUDGET), None)
                except BudgetUnreachable:
                    break  # no number was asked for, and the surface allows no fewer
                if len(lod.mesh.faces) == count:
                    break
            if best is not None or self.lods:
                return best
            self._simplifier = None  # from the source again, less far
        return None

    def _joint(self, count: int, estimate_m: float | None) -> Lod:
        """Reduce all parts together; errors weigh by part. Goes on from where it is."""
        if self._simplifier is None:
            mesh = self._source.mesh
            self._simplifier = Simplifier(
                Mesh(positions=mesh.positions * self._scales(self._source), faces=mesh.faces),
                labels=self._labels(),
                is_merging_allowed=self._options.merge_parts and len(self._parts) == 1,
                progress=self._progress,
            )
        reduced = self._simplifier.reduce(target_count=count, max_error_m=estimate_m)
        lod = self._lod(reduced.mesh, self._source.face_parts[reduced.face_source])
        positions = reduced.mesh.positions / self._scales(lod)
        return replace(lod, mesh=Mesh(positions=positions, faces=reduced.mesh.faces))

    def _labels(self) -> IntArray | None:
        """The material of each face of the source; parts never share an edge."""
        if all(part.labels is None for part in self._parts):
            return None
        nothing = [np.zeros(len(part.mesh.faces), np.int32) for part in self._parts]
        return np.concatenate(
            [
                none if part.labels is None else part.labels
                for part, none in zip(self._parts, nothing, strict=True)
            ]
        )

    def _deviation_m(self, lod: Lod) -> float:
        def tick() -> None:
            self._progress(Stage.SIMPLIFY, 0.9)

        if self._to_source is None:
            self._to_source = SurfaceDistance(self._source.mesh, tick)
        to_lod = SurfaceDistance(lod.mesh, tick)
        # From the finer surface it is quickly found, and helps the other way.
        farthest_m = to_lod.farthest_of(self._to_source, 0.0, tick)
        return self._to_source.farthest_of(to_lod, farthest_m, tick)

    def _scales(self, lod: Lod) -> FloatArray:
        """`[V, 1]`: how much larger each vertex' part is made, so that its errors count more."""
        weights = np.array([part.weight for part in self._parts], np.float32)
        scales = np.ones((len(lod.mesh.positions), 1), np.float32)
        scales[lod.mesh.faces] = weights[lod.face_parts][:, None, None]
        return scales

    def _lod(self, mesh: Mesh, face_parts: IntArray) -> Lod:
        copies = np.array([part.copies for part in self._parts], np.int64)
        count = int(copies[face_parts].sum())
        return Lod(mesh=mesh, face_parts=face_parts, triangle_count=count, budget=0)


def delivered(lod: Lod, unwrapped: UnwrappedMesh, parts: Sequence[PartMesh]) -> Lod:
    """The LOD as it goes into the file: unwrapping leaves faces without area out."""
    copies = np.array([part.copies for part in parts], np.int64)
    face_parts = lod.face_parts[unwrapped.face_source]
    return replace(
        lod,
        mesh=Mesh(positions=unwrapped.positions, faces=unwrapped.faces),
        face_parts=face_parts,
        triangle_count=int(copies[face_parts].sum()),
    )


def measure_lods(
    lods: Sequence[Lod],
    reference: Mesh,
    options: LodOptions,
    progress: Progress,
    *,
    diameter_m: float,
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
        diameter_m: As for `build_lods`.
    """
    from pipeline.mesh.measuring.silhouette import Outlines, silhouette_px

    progress(Stage.LODS, 0.0)

    to_reference = SurfaceDistance(reference, lambda: progress(Stage.LODS, 0.0))
    outlines = Outlines(reference, lambda: progress(Stage.LODS, 0.1))

    def measured(lod: Lod, tick: Callable[[], None]) -> tuple[Deviation, float]:
        if _are_same_triangles(lod.mesh, reference):
            return Deviation(max_m=0.0, mean_m=0.0, normal_deg=0.0), 0.0
        off = deviation(lod.mesh, reference, to_reference, SAMPLES, tick)
        return off, outlines.shift_m(lod.mesh, tick)

    found = together(
        [partial(measured, lod) for lod in lods],
        lambda done: progress(Stage.LODS, 0.2 + 0.8 * done / len(lods)),
    )
    deviations, shifts_m = [off for off, _ in found], [shift_m for _, shift_m in found]
    height_px = options.reference_height_px
    coverages = switch_coverages([each.max_m for each in deviations], diameter_m, height_px)
    progress(Stage.LODS, 1.0)
    return tuple(
        LodMeasure(
            triangle_count=lod.triangle_count,
            budget=lod.budget,
            deviation_max_m=each.max_m,
            deviation_mean_m=each.mean_m,
            normal_deviation_deg=each.normal_deg,
            silhouette_px=silhouette_px(
                shift_m, diameter_m=diameter_m, coverage=taken_over_at, height_px=height_px
            ),
            screen_coverage=coverage,
        )
        for lod, each, shift_m, taken_over_at, coverage in zip(
            lods, deviations, shifts_m, [1.0, *coverages[:-1]], coverages, strict=True
        )
    )


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
