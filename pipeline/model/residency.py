"""Which networks are on the device, and when.

A GPU with less memory than the models need can still run them: every stage needs one network at a
time, and the others wait in main memory.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from pipeline.model.load_options import Offload

# Beside the networks: image-large with 20,000 voxels takes up to 1.4 GB (`memory.py`), most of it
# in the mesh decoder.
WORKING_BYTES = 3 << 29

_Place = tuple[nn.Module, str, Tensor]  # where a parameter or buffer belongs, and its value


class Residency:
    """Puts networks on the device: all of them for good, or those of the running stage only.

    Attributes:
        device: Where networks run.
        by_stage: Whether networks leave the device after use.
    """

    def __init__(
        self, device: torch.device, networks: Sequence[nn.Module], why: str, *, by_stage: bool
    ) -> None:
        """Use `choose`. why: for people; empty where nobody asks."""
        self.device = device
        self.by_stage = by_stage
        self._networks = list(networks)
        self._why = why
        self._in_use: list[nn.Module] = []
        # What waits in main memory for networks that are on the device now.
        self._waiting: dict[nn.Module, list[_Place]] = {}

    @classmethod
    def choose(
        cls, requested: Offload, device: torch.device, networks: Sequence[nn.Module]
    ) -> "Residency":
        """Decide, and put the networks where they then belong.

        Args:
            requested: "on" offloads, "off" does not, "auto" does where memory is short.
            device: Where the networks will run.
            networks: All that will be asked for, on the CPU.
        """
        if device.type == "cpu":
            return cls(device, networks, "", by_stage=False)
        by_stage, why = requested == "on", "asked for" if requested == "on" else ""
        if requested == "auto" and device.type == "cuda":
            needed = sum(map(size_bytes, networks)) + WORKING_BYTES
            free, _ = torch.cuda.mem_get_info(device)
            by_stage = needed > free
            why = f"{needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free"
        chosen = cls(device, networks, why, by_stage=by_stage)
        for network in networks:
            if by_stage:
                _pin(network)
            else:
                network.to(device)
        return chosen

    def describe(self) -> str:
        """ "on" or "off" and why."""
        state = "on" if self.by_stage else "off"
        return f"{state} ({self._why})" if self._why else state

    def leaner(self) -> "Residency":
        """One for the same networks that keeps only the running stage on the device."""
        if self.by_stage or self.device.type == "cpu":
            return self
        return Residency(self.device, self._networks, "memory ran out", by_stage=True)

    @contextmanager
    def on_device(self, *networks: nn.Module) -> Iterator[None]:
        """Have these networks on the device for the length of a `with` block.

        Blocks may be nested. Weights may be changed between blocks, not within.
        """
        if self.device.type == "cpu":
            yield
            return
        self._in_use.extend(networks)
        try:
            if self.by_stage:  # the room first
                self._dismiss(self._networks)
            for network in networks:
                self._fetch(network)
            yield
        finally:
            for network in networks:
                self._in_use.remove(network)
            if self.by_stage:
                self._dismiss(networks)

    def _fetch(self, network: nn.Module) -> None:
        if _is_on(network, self.device):
            return
        if not self.by_stage:
            network.to(self.device)
            return
        places = list(_places(network))
        self._waiting[network] = places
        for owner, name, value in places:
            _put(owner, name, value, value.to(self.device, non_blocking=True))

    def _dismiss(self, networks: Sequence[nn.Module]) -> None:
        """Send back to main memory what is on the device and not in use."""
        idle = [n for n in networks if n not in self._in_use and _is_on(n, self.device)]
        for network in idle:
            if network in self._waiting:  # unchanged, so nothing needs to be copied
                for owner, name, value in self._waiting.pop(network):
                    setattr(owner, name, value)
            else:
                network.to("cpu")
        if idle and self.device.type == "cuda":
            torch.cuda.empty_cache()  # in whole blocks, before the next network cuts them up


def size_bytes(network: nn.Module) -> int:
    """Of all parameters and buffers."""
    return sum(value.numel() * value.element_size() for _, _, value in _places(network))


_ALLOCATION_FAILURES = (
    "out of memory",
    "DefaultCPUAllocator",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the device or the host, as PyTorch, NumPy and kernels say it."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(w in str(error) for w in _ALLOCATION_FAILURES)


def _places(network: nn.Module) -> Iterator[_Place]:
    for owner in network.modules():
        for name, parameter in owner.named_parameters(recurse=False):
            yield owner, name, parameter
        for name, buffer in owner.named_buffers(recurse=False):
            yield owner, name, buffer


def _put(owner: nn.Module, name: str, old: Tensor, new: Tensor) -> None:
    is_parameter = isinstance(old, nn.Parameter)
    setattr(owner, name, nn.Parameter(new, requires_grad=False) if is_parameter else new)


def _is_on(network: nn.Module, device: torch.device) -> bool:
    return all(
        value.device.type == device.type and value.device.index in (None, device.index or 0)
        for _, _, value in _places(network)
    )


def _pin(network: nn.Module) -> None:
    """Copies from pinned memory take the bus' full speed."""
    for owner, name, value in list(_places(network)):
        _put(owner, name, value, value.detach().pin_memory())
