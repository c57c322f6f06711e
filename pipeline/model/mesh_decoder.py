"""SLAT -> FlexiCubes inputs and color: a swin torso and two subdivisions."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.model.blocks import xavier_, zero_
from pipeline.model.convolution import PointwiseConv, SubmanifoldConv3, neighbor_rows
from pipeline.model.slat import SwinParams, SwinTorso
from pipeline.model.sparse import SparseTensor, subdivide
from pipeline.model.torso import cast_torso

HEAD_CHANNELS = 101  # 8 sdf, 24 deform, 21 weights, 48 color


class SampleGroupNorm(nn.GroupNorm):
    """Group norm whose statistics run over all voxels of one sample, computed in float32."""

    def forward_sparse(self, x: SparseTensor) -> SparseTensor:
        """Normalize `feats [L, C]` sample by sample."""
        parts = [
            self(part.float().T.unsqueeze(0)).squeeze(0).T
            for part in torch.split(x.feats, x.lengths())
        ]
        return x.with_feats(torch.cat(parts).to(x.feats.dtype))


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

    def forward(self, x: SparseTensor, side: int) -> SparseTensor:
        """`x` on `side` cells -> its children on `2 side` cells."""
        norm_in, norm_out = self.act_layers[0], self.out_layers[1]
        conv1, conv2 = self.out_layers[0], self.out_layers[3]
        assert isinstance(norm_in, SampleGroupNorm)
        assert isinstance(norm_out, SampleGroupNorm)
        h = norm_in.forward_sparse(x)
        h = subdivide(h.with_feats(F.silu(h.feats)))
        rows = neighbor_rows(h.coords, 2 * side)
        h = norm_out.forward_sparse(conv1(h, rows))
        h = conv2(h.with_feats(F.silu(h.feats)), rows)
        skip: SparseTensor = self.skip_connection(subdivide(x))
        return skip.with_feats(h.feats + skip.feats)


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
        h, side = self.run_torso(slat), self.resolution
        for block in self.upsample:
            h, side = block(h, side), side * 2
        head: Tensor = self.out_layer(h.feats.to(slat.feats.dtype))
        return h.with_feats(head)
