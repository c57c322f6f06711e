"""Counts the bytes of all tensors that are alive, after every operation."""

from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Within a `with` block, the most that tensors made in it took at once.

    Sees every operation that reaches PyTorch's dispatcher, but not the scratch space of a kernel.

    Attributes:
        peak_bytes: So far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak_bytes = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # Any: as PyTorch calls it
        out = func(*args, **(kwargs or {}))
        before = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if _is_tensor(t)}
        for made in tree_leaves(out):
            if _is_tensor(made) and made.untyped_storage()._cdata not in before:
                reference = StorageWeakRef(made.untyped_storage())
                self._alive[reference.cdata] = (reference, made.untyped_storage().nbytes())
        self._alive = {k: v for k, v in self._alive.items() if not v[0].expired()}
        self.peak_bytes = max(self.peak_bytes, sum(n for _, n in self._alive.values()))
        return out


def _is_tensor(value: object) -> bool:
    return isinstance(value, torch.Tensor)
