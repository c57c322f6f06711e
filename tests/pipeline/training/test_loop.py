"""The training loop: schedule, averages, and runs that go on where they stopped."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.training.loop import LoopOptions, train

OPTIONS = LoopOptions(steps=12, learning_rate=0.05, warm_up_steps=2, log_every=3, save_every=4)


class Line(nn.Module):
    """Two numbers to learn, and a buffer that is not averaged."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(3, 1)


def loss_of(model: Line, stop_at: int | None = None) -> Callable[[int], dict[str, Tensor]]:
    def loss(step: int) -> dict[str, Tensor]:
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        y = x @ torch.tensor([[1.0], [2.0], [3.0]])
        return {"fit": ((model.layer(x) - y) ** 2).mean(), "size": 1e-3 * (x**2).mean()}

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
