"""Which pictures come with an asset."""

from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.errors import InvalidInput

PictureKind = Literal["turntable", "switches", "charts", "errors"]


@dataclass(frozen=True, kw_only=True)
class PictureOptions:
    """Options of the pictures that are delivered beside the preview, a second or two each.

    more: "turntable", an animation; "switches", each LOD beside the one before at the size at which
        it takes over; "charts", the atlas; "errors", how far each LOD is from LOD0. Each once.
    """

    more: tuple[PictureKind, ...] = ()

    def __post_init__(self) -> None:
        known = get_args(PictureKind)
        for kind in self.more:
            if kind not in known:
                raise InvalidInput(f"pictures must be some of {', '.join(known)}, got {kind!r}")
        if len(set(self.more)) < len(self.more):
            raise InvalidInput(f"pictures must name each once, got {', '.join(self.more)}")
