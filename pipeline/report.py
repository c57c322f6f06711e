"""The quality report, and the meter that times the stages."""

import hashlib
import json
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.types import Collision, LodMeasure, Progress, Stage

Json = str | int | float | bool | None | Mapping[str, "Json"] | Sequence["Json"]


@dataclass(frozen=True, kw_only=True)
class StageRecord:
    """How one stage went.

    seconds: wall-clock time; of a stage that was reused, of reading what it had made; of
        collision, of waiting for it, since it is made beside the stages before it.
    peak_memory_bytes: highest resident memory of the process meanwhile.
    reused: whether it did not run, since what it makes was kept from another build.
    """

    stage: Stage
    seconds: float
    peak_memory_bytes: int
    reused: bool = False


class StageMeter:
    """A `Progress` that passes everything on, and records time and memory of each stage.

    A stage ends when the next one first reports.
    """

    def __init__(
        self,
        inner: Progress,
        clock: Callable[[], float],
        on_reuse: Callable[[Stage], None] | None = None,
    ) -> None:
        """Begin.

        Args:
            inner: Hears everything.
            clock: Seconds that do not jump.
            on_reuse: Hears of stages that did not run, in place of `inner`.
        """
        self._inner = inner
        self._on_reuse = on_reuse or (lambda stage: inner(stage, 1.0))
        self._clock = clock
        self._records: list[StageRecord] = []
        self._warnings: list[str] = []
        self._stage: Stage | None = None
        self._started = 0.0
        self._is_reused = False

    def __call__(self, stage: Stage, fraction: float) -> None:
        self._enter(stage)
        self._inner(stage, fraction)

    def reused(self, stage: Stage) -> None:
        """Report that `stage` is done without having run: what it makes was kept."""
        self._enter(stage)
        self._is_reused = True
        self._on_reuse(stage)

    def preview(self, stage: Stage, png: bytes) -> None:
        self._inner.preview(stage, png)

    def warn(self, stage: Stage, message: str) -> None:
        told = f"{stage}: {message}"
        if told not in self._warnings:  # each LOD or part may come upon the same
            self._warnings.append(told)
            self._inner.warn(stage, message)

    def finish(self) -> tuple[StageRecord, ...]:
        """End the stage that runs and return all records, in order."""
        self._end_stage()
        return tuple(self._records)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went poorer than asked, so far."""
        return tuple(self._warnings)

    def _enter(self, stage: Stage) -> None:
        if stage is not self._stage:
            self._end_stage()
            self._stage, self._started = stage, self._clock()
            _reset_peak_memory()

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._records.append(
                StageRecord(
                    stage=self._stage,
                    seconds=self._clock() - self._started,
                    peak_memory_bytes=_peak_memory(),
                    reused=self._is_reused,
                )
            )
            self._stage, self._is_reused = None, False


_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def _reset_peak_memory() -> None:
    """Start a new high-water mark where the system can (Linux)."""
    try:
        _CLEAR_REFS.write_text("5")
    except OSError:
        return  # the peak is then the process's so far, which is still an upper bound


def _peak_memory() -> int:
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


# What decides the bytes of an asset, beside its inputs.
_LIBRARIES = (
    "lodsmith", "torch", "transformers", "tokenizers", "safetensors", "onnxruntime", "numpy",
    "scipy", "numba", "libigl", "embreex", "meshoptimizer", "pillow",
)  # fmt: skip


def library_versions() -> dict[str, str]:
    """Installed version of every library that has a hand in the result; "" where unknown."""
    from importlib.metadata import PackageNotFoundError, version  # late: it loads `email`

    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = ""
    return versions


def report_json(
    *,
    name: str,
    recipe: Mapping[str, Json],
    records: Sequence[StageRecord],
    outputs: Mapping[str, bytes],
    warnings: Sequence[str],
    passed: bool = True,
    sections: Mapping[str, Json],
) -> bytes:
    """Write down how the asset was made and how good it is.

    `pipeline/quality/report.schema.json` says what is in it.

    Args:
        name: The asset's name.
        recipe: Everything needed to make it again: inputs, seed, options, versions, hashes.
        records: The stages, in order.
        outputs: The files, by name.
        warnings: What went poorer than asked.
        passed: Whether it is what was asked for.
        sections: What was measured; none of an asset without a mesh.
    """
    content = {
        "schema": "lodsmith.report/2",
        "name": name,
        "passed": passed,
        "warnings": list(warnings),
        "recipe": recipe,
        **({"model": recipe["model"]} if recipe.get("model") else {}),
        **sections,
        "stages": [
            {
                "stage": record.stage.value,
                "seconds": round(record.seconds, 3),
                "peak_memory_bytes": record.peak_memory_bytes,
                "reused": record.reused,
            }
            for record in records
        ],
        "outputs": {
            file: {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
            for file, data in outputs.items()
        },
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def keeps_budgets(lods: Sequence[LodMeasure]) -> bool:
    """Whether no LOD has more triangles than asked."""
    return all(lod.budget == 0 or lod.triangle_count <= lod.budget for lod in lods)


def collision_facts(collisions: Sequence[Collision]) -> dict[str, Json]:
    """The collision shapes of all parts as one: how many, of what kind, how well they fit."""
    kinds = {collision.kind for collision in collisions}
    covers = [c.over_cover for c in collisions if c.over_cover is not None]
    return {
        "kind": kinds.pop() if len(kinds) == 1 else "decompose",
        "hull_count": sum(len(collision.hulls) for collision in collisions),
        "over_cover": max(covers) if covers else None,
        "protrusion_m": max(collision.protrusion_m for collision in collisions),
    }
