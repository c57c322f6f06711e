"""Options of decoding are refused with the way out, and say what a model must be able to make."""

from typing import Any

import pytest

from pipeline.errors import InvalidInput
from pipeline.model.formats import DecodeOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ()}, "formats is empty; name at least one of mesh, gaussian"),
        ({"formats": ("glb",)}, "got 'glb'"),
        ({"formats": ("mesh", "mesh")}, "each one once, got mesh, mesh"),
        ({"color_from": "photos"}, "color_from must be auto, surface or gaussians, got 'photos'"),
        ({"color_from": "gaussians", "formats": ("gaussian",)}, "add mesh to formats"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        DecodeOptions(**options)


def test_colors_from_gaussians_need_a_model_that_makes_them() -> None:
    assert DecodeOptions().needed_formats == ("mesh",)
    assert DecodeOptions(color_from="gaussians").needed_formats == ("mesh", "gaussian")
    both = DecodeOptions(formats=("gaussian", "mesh"), color_from="gaussians")
    assert both.needed_formats == ("gaussian", "mesh")
