"""The training loop: schedule, averages, and runs that go on where they stopped."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import InvalidInput
from pipeline.training import loop
from pipeline.training.loop import LoopOptions, train

OPTIONS = LoopOptions(steps=12, learning_rate=0.05, warm_up_steps=2, log_every=3, save_every=4)


class Line(nn.Module):
    """Two numbers to learn, and a buffer that is not averaged."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1)


def loss_of(
    model: Line, stop_at: int | None = None, scale: float = 1.0
) -> Callable[[int], dict[str, Tensor]]:
    def loss(step: int) -> dict[str, Tensor]:
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        y = x @ torch.tensor([[1.0], [2.0], [3.0]])
        return {"fit": scale * ((model.layer(x) - y) ** 2).mean(), "size": 1e-3 * (x**2).mean()}

    return loss


def state(path: Path) -> dict[str, dict[str, Tensor]]:
    loaded: dict[str, dict[str, Tensor]] = torch.load(path, weights_only=True)
    return loaded


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("stop_at", [4, 7, 8])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path: Path, stop_at: int) -> None:
    whole = Line()
    average = train(whole, loss_of(whole), OPTIONS, tmp_path / "whole.pt")

    stopped = Line()
    with pytest.raises(KeyboardInterrupt):
        train(stopped, loss_of(stopped, stop_at), OPTIONS, tmp_path / "parts.pt")
    assert state(tmp_path / "parts.pt")["step"] == stop_at // 4 * 4
    resumed = Line()
    average_of_parts = train(resumed, loss_of(resumed), OPTIONS, tmp_path / "parts.pt")

    assert_same(resumed.state_dict(), whole.state_dict())
    assert_same(average_of_parts.state_dict(), average.state_dict())
    for key in ("model", "average"):
        assert_same(state(tmp_path / "parts.pt")[key], state(tmp_path / "whole.pt")[key])


def test_a_finished_run_is_only_loaded(tmp_path: Path) -> None:
    model = Line()
    average = train(model, loss_of(model), OPTIONS, tmp_path / "run.pt")
    before = (tmp_path / "run.pt").read_bytes()
    again = Line()
    loaded = train(again, loss_of(again, stop_at=0), OPTIONS, tmp_path / "run.pt")
    assert_same(loaded.state_dict(), average.state_dict())
    assert (tmp_path / "run.pt").read_bytes() == before


def test_losses_fall_and_are_logged_by_name(tmp_path: Path) -> None:
    model = Line()
    train(model, loss_of(model), OPTIONS, tmp_path / "run.pt")
    rows = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [3, 6, 9, 12]
    assert rows[-1]["fit"] < rows[0]["fit"]
    assert all(row.keys() == {"step", "seconds", "fit", "size"} for row in rows)


def test_the_average_lags_behind_and_takes_no_gradient(tmp_path: Path) -> None:
    model = Line()
    start = Line().layer.weight.detach().clone()
    average = train(model, loss_of(model), OPTIONS, tmp_path / "run.pt")
    assert isinstance(average, Line)
    assert not average.layer.weight.requires_grad
    assert not average.training
    way = (model.layer.weight - start).norm()
    assert 0 < (average.layer.weight - start).norm() < way


def test_a_crash_while_saving_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Line()
    with pytest.raises(KeyboardInterrupt):
        train(model, loss_of(model, stop_at=5), OPTIONS, tmp_path / "run.pt")
    before = (tmp_path / "run.pt").read_bytes()

    def broken(content: object, path: Path) -> None:
        path.write_bytes(b"half a check")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", broken)
    again = Line()
    with pytest.raises(OSError, match="disk full"):
        train(again, loss_of(again), OPTIONS, tmp_path / "run.pt")
    assert (tmp_path / "run.pt").read_bytes() == before


@pytest.mark.parametrize("stop_at", [4, 7])
def test_adaptive_clipping_remembers_across_a_stop(tmp_path: Path, stop_at: int) -> None:
    options = replace(OPTIONS, schedule="constant", clip_percentile=50.0)
    small = 1e-3  # so that gradients are shorter than 1, which limits them otherwise
    whole = Line()
    train(whole, loss_of(whole, scale=small), options, tmp_path / "whole.pt")
    stopped = Line()
    with pytest.raises(KeyboardInterrupt):
        train(stopped, loss_of(stopped, stop_at, small), options, tmp_path / "parts.pt")
    resumed = Line()
    train(resumed, loss_of(resumed, scale=small), options, tmp_path / "parts.pt")
    assert_same(resumed.state_dict(), whole.state_dict())
    assert state(tmp_path / "parts.pt")["norms"] == state(tmp_path / "whole.pt")["norms"]
    plain, options = Line(), replace(options, clip_percentile=None)
    train(plain, loss_of(plain, scale=small), options, tmp_path / "plain.pt")
    assert not torch.equal(plain.layer.weight, whole.layer.weight)


def test_gradients_are_clipped_to_what_was_usual() -> None:
    model, norms = Line(), [0.5, 0.5, 0.5]
    options = replace(OPTIONS, clip_percentile=95.0)

    def norm_after(gradient: float) -> float:
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, gradient)
        loop._clip(model, options, norms)
        return float(torch.cat([p.grad.flatten() for p in model.parameters()]).norm())

    assert norm_after(10.0) == pytest.approx(0.5, rel=1e-4)  # four tens: norm 20
    assert norms[-1] == pytest.approx(20)
    assert norm_after(0.01) == pytest.approx(0.02, rel=1e-4)
    norms[:] = [30.0] * loop.NORM_MEMORY
    assert norm_after(10.0) == pytest.approx(1.0, rel=1e-4)  # never above 1
    assert len(norms) == loop.NORM_MEMORY


def test_the_schedule_is_half_a_cosine_or_none() -> None:
    options = replace(OPTIONS, steps=100, warm_up_steps=10)
    rates = [loop._schedule(step, options) for step in range(100)]
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert max(rates) == pytest.approx(0.98, abs=0.01)
    assert rates[-1] == pytest.approx(0.02, abs=0.001)
    constant = replace(options, schedule="constant")
    assert [loop._schedule(step, constant) for step in (0, 9, 50, 99)] == [0.1, 1, 1, 1]


def test_another_recipe_is_not_continued(tmp_path: Path) -> None:
    model = Line()
    train(model, loss_of(model), OPTIONS, tmp_path / "run.pt", recipe="rank 4")
    again = Line()
    with pytest.raises(InvalidInput, match=r"rank 4.*rank 8"):
        train(again, loss_of(again), OPTIONS, tmp_path / "run.pt", recipe="rank 8")
    assert_same(again.state_dict(), Line().state_dict())


def test_a_loss_that_is_no_number_ends_the_run_before_it_spoils_the_weights(
    tmp_path: Path,
) -> None:
    model = Line()

    def loss(step: int) -> dict[str, Tensor]:
        good = loss_of(model)(step)
        return good if step < 5 else {"fit": good["fit"] * torch.inf}

    with pytest.raises(InvalidInput, match=r"at step 5.*below 0.05"):
        train(model, loss, OPTIONS, tmp_path / "run.pt")
    assert all(p.isfinite().all() for p in model.parameters())
    assert state(tmp_path / "run.pt")["step"] == 4


def test_rows_go_where_they_are_wanted(tmp_path: Path) -> None:
    model, rows = Line(), []
    train(
        model, loss_of(model), OPTIONS, tmp_path / "run.pt",
        report=lambda name, row: rows.append((name, row["step"])),
    )  # fmt: skip
    assert rows == [("run", 3), ("run", 6), ("run", 9), ("run", 12)]
