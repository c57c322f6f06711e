"""Differences of pictures."""

import numpy as np
import pytest
import torch

from pipeline.training.picture_loss import SSIM_WEIGHT, picture_losses, ssim


def picture(seed: int, side: int = 24) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(size=(side, side, 4))).float()


def ssim_in_one_window(x: np.ndarray, y: np.ndarray) -> float:
    """The formula at the middle of an 11 pixel square, with its weights."""
    steps = np.arange(11) - 5
    weights = np.exp(-(steps[:, None] ** 2 + steps[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    mx, my = (weights * x).sum(), (weights * y).sum()
    vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
    vxy = (weights * (x - mx) * (y - my)).sum()
    c1, c2 = 0.01**2, 0.03**2
    return float((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))


def test_similarity_is_the_papers_formula() -> None:
    a, b = picture(0)[..., :3], (0.6 * picture(0) + 0.4 * picture(1))[..., :3]
    padded = [np.pad(p.double().numpy(), ((5, 5), (5, 5), (0, 0))) for p in (a, b)]
    expected = np.mean(
        [
            ssim_in_one_window(*(p[r : r + 11, c : c + 11, channel] for p in padded))
            for r in range(24)
            for c in range(24)
            for channel in range(3)
        ]
    )
    assert 0.2 < expected < 0.95
    assert float(ssim(a, b)) == pytest.approx(expected, abs=1e-4)


def test_a_picture_is_like_itself() -> None:
    a = picture(2)[..., :3]
    assert float(ssim(a, a)) == pytest.approx(1, abs=1e-5)


def test_the_true_picture_has_no_loss_over_any_background() -> None:
    target = picture(3)
    target[..., :3] *= target[..., 3:]
    for background in (torch.zeros(3), torch.tensor([1.0, 0.2, 0.7])):
        losses = picture_losses(target[..., :3], target[..., 3], target, background)
        assert set(losses) == {"color", "ssim", "alpha"}
        for value in losses.values():
            assert float(value) == pytest.approx(0, abs=1e-5)


def test_losses_are_mean_differences() -> None:
    target = torch.zeros(24, 24, 4)
    alpha = torch.full((24, 24), 0.25)
    losses = picture_losses(torch.zeros(24, 24, 3), alpha, target, torch.tensor([1.0, 0.5, 0.0]))
    assert float(losses["alpha"]) == pytest.approx(0.25)
    assert float(losses["color"]) == pytest.approx(0.25 * (1 + 0.5 + 0) / 3)
    assert 0 < float(losses["ssim"]) < SSIM_WEIGHT
