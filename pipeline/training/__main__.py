"""Make the starter model: `python -m pipeline.training FOLDER` (data, runs, then the weights).

The two halves, structure and slat, hardly need each other, so they can run side by side:
`--only data`, then `--only structure` and `--only slat` on one core each, then `--only weights`.
"""

import argparse
from pathlib import Path

import torch

from pipeline.model.condition.minilm import MiniLmEncoder, minilm_folder
from pipeline.training import dataset, gaussians, pictures, radiance_field, slat, structure
from pipeline.training.conditions import Conditions, encode_conditions
from pipeline.training.dataset import PropSample
from pipeline.training.export import write_starter
from pipeline.training.loop import LoopOptions
from pipeline.training.props import KINDS

STRUCTURE_VAE = LoopOptions(steps=700, learning_rate=1e-3)
PICTURES = LoopOptions(steps=2000, learning_rate=1e-3)
STRUCTURE_FLOW = LoopOptions(steps=6000, learning_rate=6e-4)
SLAT_COLOR = LoopOptions(steps=1000, learning_rate=1e-3)
COLOR_FIRST = slat.SlatLosses(color=4)
SLAT_VAE = LoopOptions(steps=800, learning_rate=1e-3)
SLAT_FLOW = LoopOptions(steps=3300, learning_rate=8e-4)
SLAT_DECODER = LoopOptions(steps=400, learning_rate=6e-4)
SLAT_GAUSSIANS = LoopOptions(steps=3600, learning_rate=1.5e-3)
RADIANCE_POINTS = LoopOptions(steps=2000, learning_rate=2e-3)
RADIANCE_PICTURES = LoopOptions(steps=500, learning_rate=1e-3, ema=0.99, warm_up_steps=20)
STARTER = Path(__file__).parent.parent / "starter"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where samples and checkpoints are kept")
    parser.add_argument(
        "--only", choices=["data", "structure", "slat", "weights"], help="default: all of them"
    )
    parser.add_argument("--samples-per-kind", type=int, default=80)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=STARTER)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    samples_folder, runs = args.folder / "samples", args.folder / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    dataset.build(samples_folder, args.samples_per_kind * len(KINDS), seed=1, workers=2)
    if args.only == "data":
        return
    if args.only == "weights":
        write_starter(runs, args.out)
        return
    samples = [dataset.load(path) for path in sorted(samples_folder.glob("*.npz"))]
    conditions = encoded_conditions(samples, args.folder / "conditions.pt")
    if args.only in (None, "structure"):
        train_structure(samples, conditions, runs)
    if args.only in (None, "slat"):
        train_slat(samples, conditions, runs)
    if args.only is None:
        write_starter(runs, args.out)


def train_structure(samples: list[PropSample], conditions: Conditions, runs: Path) -> None:
    """The structure's VAE, the picture encoder, then the structure's flow."""
    grids = structure.occupancy([s.coords for s in samples])
    vae = structure.train_vae(grids, STRUCTURE_VAE, runs / "structure_vae.pt")
    conditions = conditions.mirrored()
    latents = structure.encode(vae, torch.cat([grids, grids.flip(1)]))
    # The flow expects unit scale; the exported weights absorb the factor.
    scale = float(latents.std())
    torch.save({"scale": scale}, runs / "structure_scale.pt")
    latents = latents / scale
    encoder = pictures.train_encoder(latents, conditions, PICTURES, runs / "pictures.pt")
    tokens = pictures.encode(encoder, conditions)
    structure.train_flow(latents, conditions, tokens, STRUCTURE_FLOW, runs / "structure_flow.pt")


def train_slat(samples: list[PropSample], conditions: Conditions, runs: Path) -> None:
    """The SLAT encoder with the mesh decoder, the SLAT flow, then the decoders alone."""
    color = slat.train_vae(samples, SLAT_COLOR, runs / "slat_color.pt", losses=COLOR_FIRST)
    vae = slat.train_vae(samples, SLAT_VAE, runs / "slat_vae.pt", start=color)
    latents = slat.encode(vae, samples)
    mean, std = slat.statistics(latents)
    torch.save({"mean": mean, "std": std}, runs / "slat_statistics.pt")
    normalized = [(z - mean) / std for z in latents]
    encoder = pictures.wait_for_encoder(PICTURES, runs / "pictures.pt")
    tokens = pictures.encode(encoder, conditions)
    coords = [s.coords for s in samples]
    slat.train_flow(coords, normalized, conditions, tokens, SLAT_FLOW, runs / "slat_flow.pt")
    slat.train_decoder(vae, samples, SLAT_DECODER, runs / "slat_decoder.pt")
    prop = gaussians.prop_of_sample
    path = runs / "slat_gaussians.pt"
    gaussians.train_decoder(coords, latents, prop, SLAT_GAUSSIANS, path)
    path = runs / "slat_radiance_points.pt"
    field = radiance_field.train_decoder(samples, latents, RADIANCE_POINTS, path)
    path = runs / "slat_radiance_field.pt"
    radiance_field.train_on_pictures(field, samples, latents, prop, RADIANCE_PICTURES, path)


def encoded_conditions(samples: list[PropSample], path: Path) -> Conditions:
    """Encode captions and pictures, or read them from an earlier run."""
    if not path.exists():
        conditions = encode_conditions(samples, MiniLmEncoder(minilm_folder(), "cpu"))
        torch.save(vars(conditions), path)
    return Conditions(**torch.load(path, weights_only=True))


if __name__ == "__main__":
    main()
