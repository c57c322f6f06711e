"""What all trainings share: optimizer, schedule, averaged weights, resumable checkpoints."""

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """steps: optimizer steps; learning_rate: highest one, after the warm-up; ema: decay."""

    steps: int
    learning_rate: float
    ema: float = 0.998
    warm_up_steps: int = 50
    log_every: int = 25
    save_every: int = 100


def train(
    model: nn.Module,
    loss: Callable[[int], dict[str, Tensor]],
    options: LoopOptions,
    path: Path,
) -> nn.Module:
    """Train `model` and return its averaged copy.

    Continues from `path` when it holds an unfinished run; does nothing when it is finished.

    Args:
        model: Trained in place.
        loss: Step number -> named losses; they are summed. Draws its batch from the step number,
            so that a resumed run sees the same batches.
        options: How long and how fast.
        path: Checkpoint; a `.jsonl` log stands beside it.
    """
    average = copy.deepcopy(model).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=options.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    first = 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    started = time.monotonic()
    sums: dict[str, float] = {}
    for step in range(first, options.steps):
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * _schedule(step, options)
        model.train()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            losses = loss(step)
        total = torch.stack([value.float() for value in losses.values()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        _average(average, model, min(options.ema, (1 + step) / (10 + step)))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        done = step + 1
        if done % options.log_every == 0:
            row = {name: round(value / options.log_every, 5) for name, value in sums.items()}
            sums.clear()
            entry = {"step": done, "seconds": round(time.monotonic() - started, 1), **row}
            print(path.stem, json.dumps(entry), flush=True)
            with path.with_suffix(".jsonl").open("a") as log:
                log.write(json.dumps(entry) + "\n")
        if done % options.save_every == 0 or done == options.steps:
            _save(path, model, average, optimizer, done)
    return average


def _schedule(step: int, options: LoopOptions) -> float:
    warm = min(1.0, (step + 1) / options.warm_up_steps)
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / options.steps)))


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, decay: float) -> None:
    for a, p in zip(average.parameters(), model.parameters(), strict=True):
        a.lerp_(p, 1 - decay)


def _save(
    path: Path, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer, step: int
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(
        {
            "model": model.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "step": step,
        },
        temporary,
    )
    temporary.replace(path)
