"""How far a rendered picture is from the true one."""

import torch
import torch.nn.functional as F
from torch import Tensor

SSIM_WEIGHT = 0.2  # against 1 for the mean absolute difference
_WINDOW_PX, _SIGMA_PX = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def picture_losses(
    color: Tensor, alpha: Tensor, target: Tensor, background: Tensor
) -> dict[str, Tensor]:
    """Differences in color over a background, in structure, and in alpha.

    Args:
        color: `[H, W, 3]` over black.
        alpha: `[H, W]`.
        target: `[H, W, 4]` color times alpha, then alpha.
        background: `[3]`; behind both.
    """
    found = color + (1 - alpha)[..., None] * background
    true = target[..., :3] + (1 - target[..., 3:]) * background
    return {
        "color": (found - true).abs().mean(),
        "ssim": SSIM_WEIGHT * (1 - ssim(found, true)),
        "alpha": (alpha - target[..., 3]).abs().mean(),
    }


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Mean structural similarity of two pictures `[H, W, 3]` in 0..1; 1 where they are equal.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity,
    2004, with its Gaussian window. Windows reach over the border, into zeros.
    """
    x, y = a.permute(2, 0, 1), b.permute(2, 0, 1)
    blurred = _blur(torch.cat([x, y, x * x, y * y, x * y]))
    mean_x, mean_y, xx, yy, xy = blurred.chunk(5)
    var_x, var_y, covariance = xx - mean_x**2, yy - mean_y**2, xy - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)) / (
        (mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)
    )
    return similarity.mean()


def _blur(planes: Tensor) -> Tensor:
    """`[C, H, W]`, each plane alone."""
    steps = torch.arange(_WINDOW_PX, dtype=planes.dtype, device=planes.device) - _WINDOW_PX // 2
    kernel = torch.exp(-(steps**2) / (2 * _SIGMA_PX**2))
    kernel = kernel / kernel.sum()
    down, across = kernel[None, None, :, None], kernel[None, None, None, :]
    blurred = F.conv2d(planes[:, None], down, padding=(_WINDOW_PX // 2, 0))
    return F.conv2d(blurred, across, padding=(0, _WINDOW_PX // 2))[:, 0]
