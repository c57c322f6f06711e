"""`lodsmith train`: fine-tune a model on one's own assets, on this machine.

What it does is imported when it runs, so that --help is instant.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer


def train(
    lora: Annotated[
        Path,
        typer.Option(
            exists=True,
            file_okay=False,
            readable=True,
            help="Folder of GLBs with captions (captions.csv, captions.json, or .txt beside "
            "each), or a data set: TRELLIS-500K, Objaverse, ABO, HSSD, 3D-FUTURE, Toys4k.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", dir_okay=False, help="The adapter, for `generate --lora`."),
    ] = Path("adapter.safetensors"),
    model: Annotated[
        str,
        typer.Option(
            "--models", help="Name or folder of the model to fine-tune.  [default: starter]"
        ),
    ] = "",
    steps: Annotated[int, typer.Option(help="Training steps of each of the two flows.")] = 300,
    rank: Annotated[int, typer.Option(help="Size of the adapter: 4 to 16 are usual.")] = 8,
    learning_rate: Annotated[
        float, typer.Option(help="For large models, try a tenth of the default.")
    ] = 1e-3,
    batch: Annotated[int, typer.Option(help="Assets per step; more needs more memory.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="The only randomness.")] = 0,
    caption: Annotated[
        str, typer.Option(help='For assets that have none: "in the style of our game".')
    ] = "",
    name: Annotated[str, typer.Option(help="What the adapter calls itself. Default: --out.")] = "",
    max_file_mb: Annotated[float | None, typer.Option(help="Leave larger mesh files out.")] = None,
    min_aesthetic_score: Annotated[
        float | None, typer.Option(help="Leave assets with a lower score, or none, out.")
    ] = None,
    allow_license: Annotated[
        list[str] | None,
        typer.Option(help="Take only assets with this license. Give it again for more."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Where it runs: auto, cpu, cuda:0 ...")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only errors.")] = False,
) -> None:
    """Fine-tune a model on your own assets.

    It runs on this machine, without a server. Ctrl-C stops it; the same command goes on where it
    stopped, from the folder that stands beside --out.
    """
    import os

    from server.cli.asset import errors_as_exit_codes
    from server.config import read_config

    with errors_as_exit_codes():
        config = read_config(os.environ, flags={"device": device})
        from pipeline.model.lora import LoraParams
        from pipeline.training.datasets.asset import AssetFilter
        from pipeline.training.fine_tune import FineTuning, Spoken, fine_tune
        from pipeline.training.lora import LoraOptions

        asked = FineTuning(
            folder=lora,
            out=out,
            model=model or config.models[0],
            home=str(config.models_dir),
            device=config.device,
            name=name or out.stem,
            caption=caption,
            wanted=AssetFilter(
                min_aesthetic_score=min_aesthetic_score,
                max_file_bytes=None if max_file_mb is None else int(max_file_mb * 1e6),
                licenses=frozenset(allow_license) if allow_license else None,
            ),
            options=LoraOptions(
                steps=steps,
                learning_rate=learning_rate,
                batch=batch,
                seed=seed,
                params=LoraParams(rank=rank, alpha=float(rank)),
            ),
        )

        def say(line: str) -> None:
            if not quiet:
                print(line, file=sys.stderr, flush=True)

        try:
            fine_tune(asked, Spoken(say), say)
        except KeyboardInterrupt:
            say("stopped; the same command goes on from the last checkpoint")
            raise
    print(out)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(train)
