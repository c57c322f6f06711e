"""Make the starter model: `python -m pipeline.training FOLDER` (data, runs, then the weights).

The two halves, structure and slat, hardly need each other, so they can run side by side:
`--half structure` and `--half slat` on one core each, then `--half decoder`, which also writes the
weights.
"""

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend

from pipeline.model.conditioner import MiniLmEncoder, minilm_folder
from pipeline.training import dataset, slat, structure
from pipeline.training.conditions import Conditions, encode_conditions
from pipeline.training.dataset import PropSample
from pipeline.training.export import write_starter
from pipeline.training.loop import LoopOptions
from pipeline.training.props import KINDS

STRUCTURE_VAE = LoopOptions(steps=700, learning_rate=1e-3)
STRUCTURE_FLOW = LoopOptions(steps=2600, learning_rate=6e-4, attention=SDPBackend.MATH)
STRUCTURE_REFINED = LoopOptions(steps=800, learning_rate=4e-4, attention=SDPBackend.MATH)
SLAT_VAE = LoopOptions(steps=1000, learning_rate=1e-3)
SLAT_DECODER = LoopOptions(steps=400, learning_rate=6e-4)
SLAT_FLOW = LoopOptions(steps=1300, learning_rate=8e-4)
STARTER = Path(__file__).parent.parent / "starter"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where samples and checkpoints are kept")
    parser.add_argument(
        "--half", choices=["all", "data", "structure", "slat", "decoder"], default="all"
    )
    parser.add_argument("--samples-per-kind", type=int, default=80)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=STARTER)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    samples_folder, runs = args.folder / "samples", args.folder / "runs"
    runs.mkdir(parents=True, exist_ok=True)
    dataset.build(samples_folder, args.samples_per_kind * len(KINDS), seed=1, workers=2)
    if args.half == "data":
        return
    samples = [dataset.load(path) for path in sorted(samples_folder.glob("*.npz"))]
    conditions = encoded_conditions(samples, args.folder / "conditions.pt")
    if args.half in ("all", "structure"):
        train_structure(samples, conditions, runs)
    if args.half in ("all", "slat"):
        train_slat(samples, conditions, runs)
    if args.half in ("all", "decoder"):
        vae = slat.train_vae(samples, SLAT_VAE, runs / "slat_vae.pt")  # finished: only loads it
        slat.train_decoder(vae, samples, SLAT_DECODER, runs / "slat_decoder.pt")
        write_starter(runs, args.out)


def train_structure(samples: list[PropSample], conditions: Conditions, runs: Path) -> None:
    """The structure's VAE and flow, and the picture encoder."""
    grids = structure.occupancy([s.coords for s in samples])
    vae = structure.train_vae(grids, STRUCTURE_VAE, runs / "structure_vae.pt")
    latents = structure.encode(vae, grids)
    # The flow expects unit scale; the exported weights absorb the factor.
    scale = float(latents.std())
    torch.save({"scale": scale}, runs / "structure_scale.pt")
    latents = latents / scale
    flow = structure.train_flow(latents, conditions, STRUCTURE_FLOW, runs / "structure_flow.pt")
    structure.refine_flow(
        flow, latents, conditions, STRUCTURE_REFINED, runs / "structure_refined.pt"
    )


def train_slat(samples: list[PropSample], conditions: Conditions, runs: Path) -> None:
    """The SLAT encoder with the mesh decoder, then the SLAT flow."""
    vae = slat.train_vae(samples, SLAT_VAE, runs / "slat_vae.pt")
    latents = slat.encode(vae, samples)
    mean, std = slat.statistics(latents)
    torch.save({"mean": mean, "std": std}, runs / "slat_statistics.pt")
    normalized = [(z - mean) / std for z in latents]

    @torch.no_grad()
    def image_tokens() -> Tensor:
        encoder = wait_for_picture_encoder(runs / "structure_flow.pt")
        with torch.autocast("cpu", torch.bfloat16):
            pictures = (v.permute(0, 3, 1, 2).float() / 255 for v in conditions.views)
            # Halved at the end: on a CPU, autocast refuses to stack float16.
            return torch.stack([encoder(p) for p in pictures]).half()

    coords = [s.coords for s in samples]
    slat.train_flow(coords, normalized, conditions, image_tokens, SLAT_FLOW, runs / "slat_flow.pt")


def wait_for_picture_encoder(path: Path) -> nn.Module:
    """The picture encoder once it stands still; waits for the other half to get there."""
    model = structure.StructureFlow()
    while True:
        if path.exists():
            state = torch.load(path, weights_only=True)
            if state["step"] >= structure.IMAGE_ENCODER_STEPS:
                model.load_state_dict(state["model"])
                return model.image.eval().requires_grad_(False)
        time.sleep(10)


def encoded_conditions(samples: list[PropSample], path: Path) -> Conditions:
    """Encode captions and pictures, or read them from an earlier run."""
    if not path.exists():
        conditions = encode_conditions(samples, MiniLmEncoder(minilm_folder(), "cpu"))
        torch.save(vars(conditions), path)
    return Conditions(**torch.load(path, weights_only=True))


if __name__ == "__main__":
    main()
