"""SLAT -> FlexiCubes inputs and color: a swin torso and two subdivisions.

Subdividing makes 1.28 million voxels of 20,000, so memory decides how this is written: children
never copy their parents' features, norms work in place, and the last layer sends its 101 channels
to the host piece by piece.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.blocks import xavier_, zero_
from pipeline.model.convolution import Neighborhood, PointwiseConv, SubmanifoldConv3
from pipeline.model.slat import SwinParams, SwinTorso
from pipeline.model.sparse import SparseTensor
from pipeline.model.torso import cast_torso
from pipeline.types import FloatArray, IntArray

HEAD_CHANNELS = 101  # 8 sdf, 24 deform, 21 weights, 48 color
_CHUNK_ROWS = 1 << 16  # rows that are float32 at once: 25 MB at 96 channels


class SampleGroupNorm(nn.GroupNorm):
    """Group norm whose statistics run over all voxels of one sample, then SiLU; in float32."""

    def norm_silu(self, x: Tensor, lengths: Sequence[int], *, in_place: bool = False) -> Tensor:
        """`x [L, C]`, sample after sample with `lengths` rows -> like `x`.

        in_place: `x` may be overwritten; without gradients it is, and no second one is made.
        """
        if torch.is_grad_enabled():
            parts = [self._differentiable(part) for part in torch.split(x, list(lengths))]
            return torch.cat(parts)
        out = x if in_place else torch.empty_like(x)
        for start, stop in pairwise([0, *accumulate(lengths)]):
            if start == stop:
                continue
            scale, shift = self._scale_shift(x[start:stop])
            for i in range(start, stop, _CHUNK_ROWS):
                rows = slice(i, min(i + _CHUNK_ROWS, stop))
                out[rows] = F.silu(torch.addcmul(shift, x[rows].float(), scale))
        return out

    def _differentiable(self, part: Tensor) -> Tensor:
        normed = self(part.float().T.unsqueeze(0)).squeeze(0).T
        return F.silu(normed).to(part.dtype)

    def _scale_shift(self, part: Tensor) -> tuple[Tensor, Tensor]:
        """`[C]` each: `part * scale + shift` is the norm with affine. Two passes, in float64."""
        count = len(part) * (self.num_channels // self.num_groups)

        def mean(of: Callable[[Tensor], Tensor]) -> Tensor:
            sums = sum(of(rows.float()).sum(0).double() for rows in torch.split(part, _CHUNK_ROWS))
            assert isinstance(sums, Tensor)
            return (
                sums.view(self.num_groups, -1)
                .sum(1)
                .div(count)
                .repeat_interleave(self.num_channels // self.num_groups)
            )

        center = mean(lambda rows: rows)
        variance = mean(lambda rows: (rows - center.float()).square())
        scale = self.weight.double() / (variance + self.eps).sqrt()
        return scale.float(), (self.bias.double() - center * scale).float()


class _SubdivideBlock(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, norm_groups: int) -> None:
        super().__init__()
        self.act_layers = nn.Sequential(SampleGroupNorm(norm_groups, in_channels), nn.SiLU())
        self.out_layers = nn.Sequential(
            SubmanifoldConv3(in_channels, out_channels),
            SampleGroupNorm(norm_groups, out_channels),
            nn.SiLU(),
            SubmanifoldConv3(out_channels, out_channels),
        )
        self.skip_connection = PointwiseConv(in_channels, out_channels)
        zero_(self.out_layers[3])

    def forward(
        self, x: Tensor, near: Neighborhood, children: Neighborhood, lengths: Sequence[int]
    ) -> Tensor:
        """`x [L, in]` on the voxels of `near` -> `[8 L, out]` on their `children`."""
        norm_in, norm_out = self.act_layers[0], self.out_layers[1]
        conv1, conv2 = self.out_layers[0], self.out_layers[3]
        assert isinstance(norm_in, SampleGroupNorm)
        assert isinstance(norm_out, SampleGroupNorm)
        assert isinstance(conv1, SubmanifoldConv3)
        h = conv1.forward_on_children(norm_in.norm_silu(x, lengths), near)
        h = norm_out.norm_silu(h, [8 * n for n in lengths], in_place=True)
        h = conv2(h, children)
        skip = self.skip_connection(x).unsqueeze(1)  # the same for all children
        out: Tensor = h.view(-1, 8, h.shape[1]) + skip
        return out.flatten(0, 1)


class SLatMeshDecoder(SwinTorso):
    """SLAT on R cells per side -> the FlexiCubes head on 4R cells per side.

    Unlike the other decoders it has no layer norm before its last linear layer.

    norm_groups: 32 in every released model; smaller models need fewer.
    """

    def __init__(self, params: SwinParams, norm_groups: int = 32) -> None:
        super().__init__(params)
        width = params.model_channels
        self.resolution = params.resolution
        self.upsample = nn.ModuleList(
            [
                _SubdivideBlock(width, width // 4, norm_groups),
                _SubdivideBlock(width // 4, width // 8, norm_groups),
            ]
        )
        self.out_layer = nn.Linear(width // 8, HEAD_CHANNELS)
        xavier_(self)
        zero_(self.out_layer)

    def cast_torso(self, dtype: torch.dtype) -> None:
        """Hold and run the linear and convolution layers of the torso in `dtype`."""
        super().cast_torso(dtype)
        cast_torso([self.upsample], dtype)

    def forward(self, slat: SparseTensor) -> SparseTensor:
        """`feats [L, latent]` -> `feats [64 L, 101]`, children of a voxel contiguous."""
        h = self._upsampled(slat, lambda _: None)
        return h.with_feats(self.out_layer(h.feats.to(slat.feats.dtype)))

    @torch.no_grad()
    def decode_to_host(
        self, slat: SparseTensor, on_step: Callable[[float], None]
    ) -> tuple[IntArray, FloatArray]:
        """As `forward`, as arrays: what `flexicubes.extract` takes, never on the device as a whole.

        Args:
            slat: One sample.
            on_step: Called with the finished share; what it raises ends the work.

        Returns:
            `[64 L, 3]` int32 cubes, and their head `[64 L, 101]` float32.
        """
        assert slat.batch_size == 1
        h = self._upsampled(slat, on_step)
        head = np.empty((len(h.feats), HEAD_CHANNELS), np.float32)
        for i in range(0, len(head), _CHUNK_ROWS):
            on_step(0.9 + 0.1 * i / len(head))
            rows = slice(i, i + _CHUNK_ROWS)
            head[rows] = self.out_layer(h.feats[rows].to(slat.feats.dtype)).float().cpu().numpy()
        on_step(1.0)
        return h.coords[:, 1:].to(torch.int32).cpu().numpy(), head

    def _upsampled(self, slat: SparseTensor, on_step: Callable[[float], None]) -> SparseTensor:
        on_step(0.0)
        h = self.run_torso(slat).feats
        on_step(0.2)
        near = Neighborhood(slat.coords, self.resolution, slat.batch_size)
        lengths = slat.lengths()
        for done, block in zip((0.5, 0.9), self.upsample, strict=True):
            children = near.subdivided()
            h = block(h, near, children, lengths)
            near, lengths = children, [8 * n for n in lengths]
            on_step(done)
        return SparseTensor(coords=near.coords, feats=h, batch_size=slat.batch_size)
