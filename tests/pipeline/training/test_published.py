"""The published sizes are those of the published files."""

import pytest

from pipeline.training import published
from pipeline.training.configs import Args
from tests.pipeline.model.published import CHECKPOINTS


@pytest.mark.parametrize(
    ("args", "name"),
    [
        (published.STRUCTURE_ENCODER, "ss_enc_conv3d_16l8"),
        (published.STRUCTURE_DECODER, "ss_dec_conv3d_16l8"),
        (published.STRUCTURE_FLOW, "ss_flow_img_dit_L_16l8"),
        (published.SLAT_ENCODER, "slat_enc_swin8_B_64l8"),
        (published.MESH_DECODER, "slat_dec_mesh_swin8_B_64l8m256c"),
        (published.SLAT_FLOW, "slat_flow_img_dit_L_64l8p2"),
    ],
)
def test_sizes_are_those_of_the_files(args: Args, name: str) -> None:
    known = next(c.args for c in CHECKPOINTS if c.name == name)
    absent = {"norm_type": "layer", "qk_rms_norm_cross": False}  # only values, or the default
    assert {**absent, **args} == {**absent, **known}
