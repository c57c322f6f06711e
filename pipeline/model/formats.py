"""What a SLAT is decoded to: options of a request.

Free of torch, because requests are checked where torch is not loaded.
"""

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import InvalidInput

Format = Literal["mesh", "gaussian", "radiance_field"]
FORMATS: tuple[Format, ...] = ("mesh", "gaussian", "radiance_field")


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """Options of the decode stage.

    formats: what to make of the SLAT. A mesh goes on to become a GLB with LODs; 3D Gaussians (PLY)
        and a radiance field (safetensors) are results as they are. At least one, each once.
    """

    formats: tuple[Format, ...] = ("mesh",)

    def __post_init__(self) -> None:
        known = ", ".join(FORMATS)
        if not self.formats:
            raise InvalidInput(f"formats is empty; name at least one of {known}")
        for name in self.formats:
            if name not in FORMATS:
                raise InvalidInput(f"formats must be some of {known}, got {name!r}")
        if len(set(self.formats)) < len(self.formats):
            raise InvalidInput(f"formats must name each one once, got {', '.join(self.formats)}")
