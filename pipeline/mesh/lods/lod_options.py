"""What a caller may ask of the LOD chain: budgets, targets, presets."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pipeline.errors import InvalidInput

MAX_LODS = 8
MIN_BUDGET = 4  # a tetrahedron
MAX_BUDGET = 1_000_000

DEFAULT_BUDGETS = (20_000, 10_000, 4_000, 1_000)

Preset = Literal["auto", "desktop", "console", "mobile", "vr"]


@dataclass(frozen=True, kw_only=True)
class LodTarget:
    """How far one LOD is reduced: at least one of the four.

    triangles: at most so many, 4 to 1,000,000.
    ratio: at most this share of the repaired mesh's triangles, in (0, 1].
    deviation_m: as few triangles as keep the largest measured deviation within this.
    screen_coverage: as few as keep it below a pixel while the asset's bounding sphere covers this
        share of the view's height, in (0, 10].
    stop: of several, "any" ends at the first that is reached, "all" when all are: counts are then
        kept whatever the deviation, and a LOD becomes even smaller while it looks the same.
    """

    triangles: int | None = None
    ratio: float | None = None
    deviation_m: float | None = None
    screen_coverage: float | None = None
    stop: Literal["any", "all"] = "all"

    def __post_init__(self) -> None:
        given = (self.triangles, self.ratio, self.deviation_m, self.screen_coverage)
        if all(value is None for value in given):
            raise InvalidInput(
                "a LOD target is empty: give triangles, ratio, deviation_m or screen_coverage"
            )
        if self.triangles is not None and not MIN_BUDGET <= self.triangles <= MAX_BUDGET:
            raise InvalidInput(
                f"lods must be in {MIN_BUDGET}..{MAX_BUDGET}, got {self.triangles}: "
                "write triangle counts, as 20000,10000,4000,1000"
            )
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise InvalidInput(f"a LOD's ratio must be in (0, 1], got {self.ratio}")
        if self.deviation_m is not None and not 0 < self.deviation_m < math.inf:
            raise InvalidInput(f"a LOD's deviation_m must be above 0, got {self.deviation_m}")
        if self.screen_coverage is not None and not 0 < self.screen_coverage <= 10:
            raise InvalidInput(
                f"a LOD's screen_coverage must be in (0, 10], got {self.screen_coverage}"
            )
        if self.stop not in ("any", "all"):
            raise InvalidInput(f"a LOD's stop must be any or all, got {self.stop!r}")

    def most_triangles(self, source_count: int) -> int | None:
        """At how many triangles the counts are content, for a mesh of `source_count`; None for
        targets without counts."""
        counts = [] if self.triangles is None else [self.triangles]
        if self.ratio is not None:
            counts.append(max(MIN_BUDGET, int(self.ratio * source_count)))
        if not counts:
            return None
        return max(counts) if self.stop == "any" else min(counts)

    def most_deviation_m(self, diameter_m: float, reference_height_px: int) -> float | None:
        """Up to what deviation it may be reduced, for a bounding sphere of that diameter; None for
        targets without deviation."""
        deviations = [] if self.deviation_m is None else [self.deviation_m]
        if self.screen_coverage is not None:
            pixels = self.screen_coverage * reference_height_px
            deviations.append(diameter_m / pixels)
        if not deviations:
            return None
        return min(deviations) if self.stop == "any" else max(deviations)

    @property
    def is_budget(self) -> bool:
        """Whether a LOD made for it never has more than `most_triangles`."""
        has_counts = self.triangles is not None or self.ratio is not None
        has_deviations = self.deviation_m is not None or self.screen_coverage is not None
        return has_counts and (self.stop == "all" or not has_deviations)


def _preset(budgets: tuple[int, ...], coverages: tuple[float, ...]) -> tuple[LodTarget, ...]:
    return tuple(
        LodTarget(triangles=budget, screen_coverage=coverage)
        for budget, coverage in zip(budgets, coverages, strict=True)
    )


# Each LOD looks the same as the dense mesh down to its coverage, within what the platform affords.
PRESETS: Mapping[str, tuple[LodTarget, ...]] = {
    "auto": _preset((100_000, 50_000, 25_000, 12_000), (1.0, 0.5, 0.25, 0.125)),
    "desktop": _preset((50_000, 20_000, 8_000, 2_000), (1.0, 0.5, 0.25, 0.125)),
    "console": _preset((30_000, 12_000, 5_000, 1_500), (1.0, 0.5, 0.25, 0.125)),
    "mobile": _preset((8_000, 3_000, 1_000, 300), (0.6, 0.3, 0.15, 0.08)),
    "vr": _preset((20_000, 8_000, 3_000, 1_000), (1.0, 0.6, 0.35, 0.2)),
}


@dataclass(frozen=True, kw_only=True)
class LodOptions:
    """Options of the LOD chain.

    At most one of budgets, targets and preset says how many triangles the LODs have; without any
    it is `DEFAULT_BUDGETS`.

    budgets: most triangles per LOD, finest first; each in 4..1,000,000, strictly falling.
    targets: what each LOD is to reach, finest first.
    preset: a chain that suits a platform, see `PRESETS`.
    reference_height_px: view height for which coverages are meant, 100..10,000.
    max_deviation_ratio: a LOD that is farther off than this share of the bounding box's diagonal
        fails the job; None lets any pass.
    merge_parts: where collapsing edges does not reach a budget, parts may be merged or the surface
        rebuilt. Otherwise that fails the job.
    impostor: add a billboard behind the last LOD.
    """

    budgets: tuple[int, ...] = ()
    targets: tuple[LodTarget, ...] = ()
    preset: Preset | None = None
    reference_height_px: int = 1080
    max_deviation_ratio: float | None = None
    merge_parts: bool = True
    impostor: bool = False

    def __post_init__(self) -> None:
        if (len(self.budgets) > 0) + (len(self.targets) > 0) + (self.preset is not None) > 1:
            raise InvalidInput("lods: give budgets, targets or a preset, not several of them")
        if self.preset is not None and self.preset not in PRESETS:
            raise InvalidInput(f"preset must be one of {', '.join(PRESETS)}, got {self.preset!r}")
        count = len(self.chain)
        if count > MAX_LODS:
            raise InvalidInput(f"lods must be 1 to {MAX_LODS}, got {count}")
        if any(finer <= coarser for finer, coarser in pairwise(self.budgets)):
            listed = ",".join(map(str, self.budgets))
            falling = ",".join(map(str, sorted(set(self.budgets), reverse=True)))
            raise InvalidInput(f"lods must fall from LOD to LOD, got {listed}: write {falling}")
        if not 100 <= self.reference_height_px <= 10_000:
            raise InvalidInput(
                f"reference_height_px must be in 100..10000, got {self.reference_height_px}"
            )
        if self.max_deviation_ratio is not None and not 0 < self.max_deviation_ratio < math.inf:
            raise InvalidInput(
                f"max_deviation_ratio must be above 0, got {self.max_deviation_ratio}"
            )

    @property
    def chain(self) -> tuple[LodTarget, ...]:
        """What each LOD is to reach."""
        if self.targets:
            return self.targets
        if self.preset is not None:
            return PRESETS[self.preset]
        return tuple(LodTarget(triangles=budget) for budget in self.budgets or DEFAULT_BUDGETS)
