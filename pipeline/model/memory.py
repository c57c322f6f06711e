"""How much memory a stage takes, told before it is spent.

Counted from the widths of the layers: what is alive at once where most is. Kernels that keep whole
attention matrices are not among ours, so everything grows with the number of rows only.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.errors import OutOfMemory
from pipeline.model.convolution import gather_bytes
from pipeline.model.mesh_decoder import HEAD_CHANNELS, SLatMeshDecoder
from pipeline.model.residency import size_bytes
from pipeline.model.slat import SLatFlowModel
from pipeline.model.sparse_structure import SparseStructureFlowModel

# Rows of the model's width that are alive at once, in a flow block (its input, the hidden layer
# before and after its activation, and modulation where samples differ in length) and in a window
# block (whose padded windows may be twice as many rows).
_FLOW_BLOCK_ROWS = 16
_WINDOW_BLOCK_ROWS = 20
_COARSE_SHARE = 0.4  # of the active voxels; 0.25 to 0.35 on surfaces
_NEIGHBOR_TABLE_BYTES = 27 * 4  # per voxel
_PAIRS_BYTES = 15 * 2 * 8  # about 15 of the 27 are there
_COORDS_BYTES = 4 * 8


@dataclass(frozen=True, kw_only=True)
class MemoryEstimate:
    """Of one stage.

    weights_bytes: the network.
    working_bytes: beside it, at the peak. An upper bound, mostly by less than half.
    """

    weights_bytes: int
    working_bytes: int

    @property
    def total_bytes(self) -> int:
        """Both."""
        return self.weights_bytes + self.working_bytes

    def require(self, device: torch.device, stage: str) -> None:
        """Refuse what would not fit beside what is there.

        Args:
            device: Where the stage runs; CUDA and Linux tell what is free.
            stage: For the message.

        Raises:
            OutOfMemory: Naming both amounts.
        """
        free = _free_bytes(device)
        if free is not None and self.working_bytes > free:
            raise OutOfMemory(
                f"{stage} needs about {self.working_bytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are "
                f"free on {device}; ask for fewer variants or pictures, or use a smaller model",
                is_estimate=True,
            )


def _free_bytes(device: torch.device) -> int | None:
    """What can still be had on a device; None where nobody says."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What PyTorch holds without using it is free for it.
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    available = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(available[0]) * 1024 if available and device.type == "cpu" else None


def structure_flow_memory(
    flow: SparseStructureFlowModel, batch: int, condition_tokens: int
) -> MemoryEstimate:
    """For `batch` samples at once, both guidance passes counted."""
    tokens, width = flow.pos_emb.shape
    rows = batch * (tokens * _FLOW_BLOCK_ROWS + 3 * condition_tokens)
    working = rows * width * flow.dtype.itemsize
    return MemoryEstimate(weights_bytes=size_bytes(flow), working_bytes=working)


def slat_flow_memory(
    flow: SLatFlowModel, voxels: int, batch: int, condition_tokens: int, device: torch.device
) -> MemoryEstimate:
    """For `voxels` active voxels over all samples of the batch, both guidance passes counted."""
    width, item = flow.model_channels, flow.dtype.itemsize
    coarse = int(_COARSE_SHARE * voxels)
    tokens = (coarse * _FLOW_BLOCK_ROWS + 3 * batch * condition_tokens) * width * item
    # The first output block: twice the width on the fine voxels, and once more as neighbours (or
    # with a row of zeros).
    convolution = voxels * 4 * width * item + coarse * 2 * width * (item + 4)
    if device.type != "cpu" or flow.dtype != torch.float32:  # there, only neighbours that exist
        convolution += 3 * gather_bytes(device)
    io = flow.input_layer.out_features
    kept = voxels * (_NEIGHBOR_TABLE_BYTES + _PAIRS_BYTES + 2 * _COORDS_BYTES + 8 * io * item)
    return MemoryEstimate(
        weights_bytes=size_bytes(flow), working_bytes=kept + max(tokens, convolution)
    )


def mesh_decoder_memory(
    decoder: SLatMeshDecoder, voxels: int, device: torch.device
) -> MemoryEstimate:
    """For `voxels` active voxels of one sample; the head itself goes to the host."""
    width, item = decoder.model_channels, decoder.dtype.itemsize
    torso = voxels * _WINDOW_BLOCK_ROWS * width * item
    # The second convolution after each subdivision: input, input with a row of zeros, output. The
    # first one sums taps.
    taps = (64 + 27) * width * (width // 4) * item
    first = 8 * voxels * (3 * (width // 4) * item + _NEIGHBOR_TABLE_BYTES)
    second = 64 * voxels * (3 * (width // 8) * item + _NEIGHBOR_TABLE_BYTES + _COORDS_BYTES)
    between = 8 * voxels * ((width // 4) * item + _NEIGHBOR_TABLE_BYTES)
    upsampling = max(first + voxels * width * item, second + between)
    upsampling = max(upsampling, taps) + 3 * gather_bytes(device)
    return MemoryEstimate(weights_bytes=size_bytes(decoder), working_bytes=max(torso, upsampling))


def mesh_head_bytes(voxels: int) -> int:
    """What `decode_to_host` leaves in main memory."""
    return 64 * voxels * (4 * HEAD_CHANNELS + 3 * 4)
