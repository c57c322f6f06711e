"""What all trainings share: optimizer, schedule, averaged weights, resumable checkpoints."""

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.errors import InvalidInput

NORM_MEMORY = 1000  # gradient norms that adaptive clipping looks back on


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How long and how fast; the defaults are the starter model's.

    steps: optimizer steps. learning_rate: the highest one, after the warm-up. schedule: what
    follows it, down to a fiftieth by half a cosine, or constant. ema: decay of the averaged copy.
    beta2, weight_decay: of AdamW. clip_percentile: gradients are clipped to norm 1, and also to
    this percentile of the last thousand norms, if it is set.
    """

    steps: int
    learning_rate: float
    schedule: Literal["cosine", "constant"] = "cosine"
    ema: float = 0.998
    beta2: float = 0.98
    weight_decay: float = 0.01
    clip_percentile: float | None = None
    warm_up_steps: int = 50
    log_every: int = 25
    save_every: int = 100


Report = Callable[[str, dict[str, float]], None]


def print_row(name: str, row: dict[str, float]) -> None:
    """Show a row of the log as a line."""
    print(name, json.dumps(row), flush=True)


def train(
    model: nn.Module,
    loss: Callable[[int], dict[str, Tensor]],
    options: LoopOptions,
    path: Path,
    *,
    recipe: str = "",
    report: Report = print_row,
) -> nn.Module:
    """Train `model` and return its averaged copy.

    Continues from `path` when it holds an unfinished run; does nothing when it is finished. A run
    that was stopped and continued on the same machine ends with the same weights, bit for bit.

    Args:
        model: Trained in place, where it is.
        loss: Step number -> named losses; they are summed. Draws its batch from the step number,
            so that a resumed run sees the same batches.
        options: How long and how fast.
        path: Checkpoint; a `.jsonl` log stands beside it.
        recipe: What the run depends on, in any words; must be the same to continue.
        report: Is given the checkpoint's name and each row of the log.

    Raises:
        InvalidInput: If `path` holds a run with another recipe, or the loss stops being a number.
    """
    device = next(model.parameters()).device.type
    average = copy.deepcopy(model).eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=options.learning_rate,
        betas=(0.9, options.beta2),
        weight_decay=options.weight_decay,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    first = 0
    norms: list[float] = []
    if path.exists():
        state = torch.load(path, weights_only=True)
        if state.get("recipe", "") != recipe:
            raise InvalidInput(
                f"{path} holds another training ({state.get('recipe', '')}) than was asked for "
                f"({recipe}); delete it, or ask for the same to continue"
            )
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first, norms = state["step"], state.get("norms", [])
    started = time.monotonic()
    sums: dict[str, float] = {}
    for step in range(first, options.steps):
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * _schedule(step, options)
        model.train()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16):
            losses = loss(step)
        total = torch.stack([value.float() for value in losses.values()]).sum()
        if not math.isfinite(float(total.detach())):
            raise InvalidInput(
                f"the loss is no longer a number at step {step}; continue with a learning rate "
                f"below {options.learning_rate:g}"
            )
        total.backward()  # type: ignore[no-untyped-call]
        _clip(model, options, norms)
        optimizer.step()
        _average(average, model, min(options.ema, (1 + step) / (10 + step)))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        done = step + 1
        if done % options.log_every == 0:
            row = {name: round(value / options.log_every, 5) for name, value in sums.items()}
            sums.clear()
            entry = {"step": done, "seconds": round(time.monotonic() - started, 1), **row}
            report(path.stem, entry)
            with path.with_suffix(".jsonl").open("a") as log:
                log.write(json.dumps(entry) + "\n")
        if done % options.save_every == 0 or done == options.steps:
            _save(
                path,
                {
                    "model": model.state_dict(),
                    "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": done,
                    "recipe": recipe,
                    "norms": norms,
                },
            )
    return average


def _schedule(step: int, options: LoopOptions) -> float:
    warm = min(1.0, (step + 1) / options.warm_up_steps)
    if options.schedule == "constant":
        return warm
    return warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / options.steps)))


def _clip(model: nn.Module, options: LoopOptions, norms: list[float]) -> None:
    """Clip the gradients; `norms` remembers what they were before."""
    if options.clip_percentile is None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        return
    limit = min(1.0, float(np.percentile(norms, options.clip_percentile))) if norms else 1.0
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), limit))
    if math.isfinite(norm):
        norms.append(norm)
        del norms[:-NORM_MEMORY]


@torch.no_grad()
def _average(average: nn.Module, model: nn.Module, decay: float) -> None:
    for a, p in zip(average.parameters(), model.parameters(), strict=True):
        a.lerp_(p, 1 - decay)


def _save(path: Path, state: dict[str, object]) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)
