"""Which parts of a model run in half precision."""

from collections.abc import Iterable

import torch
from torch import nn

from pipeline.model.convolution import PointwiseConv, SubmanifoldConv3


def cast_torso(containers: Iterable[nn.Module], dtype: torch.dtype) -> None:
    """Cast the linear and convolution layers inside `containers`; norms stay float32.

    The released checkpoints hold exactly these tensors in float16.
    """
    castable = (nn.Linear, nn.Conv3d, SubmanifoldConv3, PointwiseConv)
    for container in containers:
        for module in container.modules():
            if isinstance(module, castable):
                module.to(dtype)
