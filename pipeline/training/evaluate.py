"""Look at what a model makes: one picture per prompt, side by side.

    python -m pipeline.training.evaluate SHEET.png [--models FOLDER] [--labels] [PROMPT ...]

Without prompts it takes a caption of an unseen prop of every kind.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image as Pil
from PIL import ImageDraw

from pipeline.preview import render_surface
from pipeline.run import STARTER, GenerateRequest, generate, load_models
from pipeline.stored_surface import surface_from_bytes
from pipeline.training.props import KINDS, make_prop
from pipeline.types import Silent

HELD_OUT_SEED = 1000  # the data set has seed 1
TILE_PX = 256
COLUMNS = 6


def held_out_prompts() -> list[str]:
    """The most specific caption of one unseen prop of every kind."""
    return [
        make_prop(kind, np.random.default_rng((HELD_OUT_SEED, i))).captions[0]
        for i, kind in enumerate(KINDS)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("prompts", nargs="*")
    parser.add_argument("--models", type=Path, default=STARTER)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--labels", action="store_true", help="write the prompt under each tile")
    args = parser.parse_args()
    models = load_models(args.models, "cpu")
    prompts = args.prompts or held_out_prompts()
    rows = -(-len(prompts) // COLUMNS)
    sheet = Pil.new("RGB", (COLUMNS * TILE_PX, rows * TILE_PX))
    draw = ImageDraw.Draw(sheet)
    for i, prompt in enumerate(prompts):
        surface = generate(GenerateRequest(prompt=prompt, seed=args.seed), models, Silent())
        picture = render_surface(surface_from_bytes(surface), size_px=TILE_PX)
        x, y = i % COLUMNS * TILE_PX, i // COLUMNS * TILE_PX
        sheet.paste(Pil.open(io.BytesIO(picture)).convert("RGB"), (x, y))
        if args.labels:
            draw.text((x + 4, y + TILE_PX - 14), prompt[:42], fill=(0, 0, 0))
        print(f"{i + 1}/{len(prompts)} {prompt}", flush=True)
    sheet.save(args.sheet)


if __name__ == "__main__":
    main()
