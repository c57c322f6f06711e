"""Look at what a model makes: one picture per prompt, side by side.

    python -m pipeline.training.evaluate SHEET.png [PROMPT ...] [--model NAME] [--labels]
    python -m pipeline.training.evaluate SHEET.png --pictures [--model NAME]

Without prompts it takes a caption, or with `--pictures` a picture, of an unseen prop of every kind.
"""

import argparse
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image as Pil
from PIL import ImageDraw

from pipeline import STARTER_NAME, GenerateRequest, LoadOptions, StageMeter, generate, load_models
from pipeline.preview import render_surface
from pipeline.stored_surface import surface_from_bytes
from pipeline.training.props import KINDS, Prop, make_prop
from pipeline.training.render import render_prop
from pipeline.types import Silent

HELD_OUT_SEED = 1000  # the data set has seed 1
TILE_PX = 256
COLUMNS = 6


def held_out_props() -> list[Prop]:
    """One unseen prop of every kind."""
    return [
        make_prop(kind, np.random.default_rng((HELD_OUT_SEED, i))) for i, kind in enumerate(KINDS)
    ]


def picture_of(prop: Prop) -> bytes:
    """PNG with transparent background, seen from the front right and above."""
    file = io.BytesIO()
    pixels = render_prop(prop, yaw_deg=30, pitch_deg=20, size_px=TILE_PX)
    Pil.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("prompts", nargs="*")
    parser.add_argument("--pictures", action="store_true", help="shown small in each tile's corner")
    parser.add_argument("--model", default=STARTER_NAME, help="name or folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--labels", action="store_true", help="write the prompt under each tile")
    args = parser.parse_args()
    models = load_models(LoadOptions(models=(args.model,), home="", device="cpu"))
    if args.pictures:
        pictures = [picture_of(prop) for prop in held_out_props()]
        requests = [GenerateRequest(images=(picture,), seeds=(args.seed,)) for picture in pictures]
    else:
        # The most specific caption comes first.
        prompts = args.prompts or [prop.captions[0] for prop in held_out_props()]
        requests = [GenerateRequest(prompt=prompt, seeds=(args.seed,)) for prompt in prompts]
    rows = -(-len(requests) // COLUMNS)
    sheet = Pil.new("RGB", (COLUMNS * TILE_PX, rows * TILE_PX))
    draw = ImageDraw.Draw(sheet)
    for i, request in enumerate(requests):
        made = generate(request, models, StageMeter(Silent(), time.monotonic))
        stored = made.variants[0].surface
        assert stored is not None
        surface = surface_from_bytes(stored)
        x, y = i % COLUMNS * TILE_PX, i // COLUMNS * TILE_PX
        sheet.paste(_opened(render_surface(surface, size_px=TILE_PX)).convert("RGB"), (x, y))
        if request.images:
            small = _opened(request.images[0]).resize((TILE_PX // 3, TILE_PX // 3))
            sheet.paste(small, (x, y), small)
        elif args.labels:
            draw.text((x + 4, y + TILE_PX - 14), str(request.prompt)[:42], fill=(0, 0, 0))
        print(f"{i + 1}/{len(requests)} {request.prompt or KINDS[i]}", flush=True)
    sheet.save(args.sheet)


def _opened(png: bytes) -> Pil.Image:
    return Pil.open(io.BytesIO(png))


if __name__ == "__main__":
    main()
