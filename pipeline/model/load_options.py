"""What to load and where to run it.

Free of torch, because the server reads this where torch is not loaded.
"""

from dataclasses import dataclass, field
from typing import Literal

from pipeline.model.kernel_options import KernelOptions

Offload = Literal["auto", "on", "off"]


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """The models of a generator.

    models: names in `home`, names of repositories in the Hugging Face cache, or folders. A request
        goes to the first one that takes it.
    home: folder of the models that were added on this machine.
    device: "auto", "cpu", "cuda:0", ...
    offload: "on" keeps only the modules of the running stage on the device, which needs less
        memory and takes longer; "auto" does so where all of them would not fit.
    """

    models: tuple[str, ...]
    home: str
    device: str = "auto"
    kernels: KernelOptions = field(default_factory=KernelOptions)
    offload: Offload = "auto"
