"""The collision shapes of a build: kept from another, or made beside the stages before theirs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pipeline.kept import HULLS, Keeping, kept_or_made
from pipeline.report import StageMeter
from pipeline.stored_parts import hulls_from_bytes, hulls_to_bytes
from pipeline.threads import Ahead
from pipeline.types import Collision, PartOf, Progress, Stage

if TYPE_CHECKING:
    from pipeline.mesh.hulls.collision import CollisionOptions
    from pipeline.repaired import Piece


class CollisionsAhead:
    """Makes a collision shape for each piece while LODs are cut and painted.

    They need nothing of each other, and each leaves a core idle now and then. Together the pieces
    keep the number of hulls. Leaving the `with` block stops what is not done.
    """

    def __init__(
        self, pieces: Sequence["Piece"], options: "CollisionOptions", kept: Mapping[str, bytes]
    ) -> None:
        """Prepare; nothing is made ahead where `kept` has it."""
        self._pieces, self._kept = pieces, kept
        self._share = replace(options, max_hulls=max(1, options.max_hulls // len(pieces)))
        self._told = _Told()
        self._ahead = Ahead(self._made, starts_now=HULLS not in kept)

    def __enter__(self) -> Self:
        self._ahead.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._ahead.__exit__()

    def finish(self, meter: StageMeter) -> tuple[tuple[Collision, ...], Mapping[str, bytes]]:
        """Return the shapes and, if they were made here, their bytes."""
        part = Keeping(
            name=HULLS,
            stages=(Stage.COLLISION,),
            to_bytes=hulls_to_bytes,
            from_bytes=hulls_from_bytes,
        )
        return kept_or_made(part, self._kept, self._waited_for, meter)

    def _waited_for(self, progress: Progress) -> tuple[Collision, ...]:
        def tick() -> None:
            progress(Stage.COLLISION, self._told.fraction)

        tick()
        collisions = self._ahead.result(tick)
        for message in self._told.warnings:
            progress.warn(Stage.COLLISION, message)
        progress(Stage.COLLISION, 1.0)
        return collisions

    def _made(self, check: Callable[[], None]) -> tuple[Collision, ...]:
        from pipeline.mesh.hulls.collision import collide

        self._told.check = check
        return tuple(
            collide(piece.mesh, self._share, PartOf(self._told, index, len(self._pieces)))
            for index, piece in enumerate(self._pieces)
        )


class _Told:
    """A `Progress` that keeps what it is told for the thread that waits."""

    def __init__(self) -> None:
        self.check: Callable[[], None] = lambda: None
        self.fraction = 0.0
        self.warnings: list[str] = []

    def __call__(self, stage: Stage, fraction: float) -> None:
        self.check()
        self.fraction = fraction

    def preview(self, stage: Stage, png: bytes) -> None: ...

    def warn(self, stage: Stage, message: str) -> None:
        self.warnings.append(message)
