"""Small models of one's own: one whole, and one that borrows the other's decoders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.pipeline.model.tiny_model import write_tiny_model

DECODERS = {"sparse_structure_decoder": "ss_dec", "slat_decoder_mesh": "slat_dec_mesh"}


def write_borrower(folder: Path, lender: str = "studio/props") -> Path:
    """Write a model whose decoders are those of the repository `lender`."""
    write_tiny_model(folder)
    for stem in DECODERS.values():
        for suffix in ("json", "safetensors"):
            (folder / "ckpts" / f"{stem}.{suffix}").unlink()
    for role, stem in DECODERS.items():
        change_json(
            folder / "pipeline.json",
            lambda c, role=role, stem=stem: c["args"]["models"].update(  # type: ignore[misc]
                {role: f"{lender}/ckpts/{stem}"}
            ),
        )
    return folder


def change_json(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
