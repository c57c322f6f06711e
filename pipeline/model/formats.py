"""What a SLAT is decoded to: options of a request.

Free of torch, because requests are checked where torch is not loaded.
"""

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import InvalidInput

Format = Literal["mesh", "gaussian", "radiance_field"]
FORMATS: tuple[Format, ...] = ("mesh", "gaussian", "radiance_field")
ColorSource = Literal["auto", "surface", "gaussians"]


@dataclass(frozen=True, kw_only=True)
class DecodeOptions:
    """Options of the decode stage.

    formats: what to make of the SLAT. A mesh goes on to become a GLB with LODs; 3D Gaussians (PLY)
        and a radiance field (safetensors) are results as they are. At least one, each once.
    color_from: where the colors of a mesh come from: the vertices of the decoded "surface", or
        pictures of the 3D "gaussians" of the same SLAT. "auto" takes these where the model makes
        more of them than vertices, for then they show more.
    """

    formats: tuple[Format, ...] = ("mesh",)
    color_from: ColorSource = "auto"

    def __post_init__(self) -> None:
        known = ", ".join(FORMATS)
        if not self.formats:
            raise InvalidInput(f"formats is empty; name at least one of {known}")
        for name in self.formats:
            if name not in FORMATS:
                raise InvalidInput(f"formats must be some of {known}, got {name!r}")
        if len(set(self.formats)) < len(self.formats):
            raise InvalidInput(f"formats must name each one once, got {', '.join(self.formats)}")
        if self.color_from not in ("auto", "surface", "gaussians"):
            raise InvalidInput(
                f"color_from must be auto, surface or gaussians, got {self.color_from!r}"
            )
        if self.color_from == "gaussians" and "mesh" not in self.formats:
            raise InvalidInput("color_from gaussians is for meshes: add mesh to formats")

    @property
    def needed_formats(self) -> tuple[Format, ...]:
        """What a model must be able to make."""
        needs_more = self.color_from == "gaussians" and "gaussian" not in self.formats
        return (*self.formats, "gaussian") if needs_more else self.formats
