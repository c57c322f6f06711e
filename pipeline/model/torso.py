"""Which parts of a model run in half precision."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from pipeline.model.convolution import PointwiseConv, SubmanifoldConv3


@runtime_checkable
class HasTorso(Protocol):
    """A model whose torso can run in another precision."""

    def cast_torso(self, dtype: torch.dtype) -> None:
        """Hold and run the layers of the torso in `dtype`."""


def cast_torso(containers: Iterable[nn.Module], dtype: torch.dtype) -> None:
    """Cast the linear and convolution layers inside `containers`; norms stay float32.

    The released checkpoints hold exactly these tensors in float16.
    """
    castable = (nn.Linear, nn.Conv3d, SubmanifoldConv3, PointwiseConv)
    for container in containers:
        for module in container.modules():
            if isinstance(module, castable):
                module.to(dtype)
