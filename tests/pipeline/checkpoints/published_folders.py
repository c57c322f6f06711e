"""The published repositories at their real sizes, as files of which only the headers are written.

Tensors are holes: a gigabyte takes no disk and no time, and reads as zeros.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from pipeline.checkpoints.catalog import (
    SLAT_MEAN,
    SLAT_STD,
    Published,
    checkpoint,
    published,
)
from pipeline.checkpoints.header import TensorFacts
from pipeline.checkpoints.manifest import conditioner_tensors, expected_tensors

ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8}
IMAGE_ALIAS = "JeffreyXiang/TRELLIS-image-large"  # what the text models' files call it


def entry(name: str) -> Published:
    found = published(name)
    assert found is not None
    return found


def write_tensors(file: Path, tensors: Mapping[str, TensorFacts]) -> None:
    """Write a safetensors file as the library lays it out: wide types first, then by name."""
    header: dict[str, object] = {}
    at = 0
    for name, facts in sorted(tensors.items(), key=lambda kv: (-ITEM_BYTES[kv[1].dtype], kv[0])):
        end = at + math.prod(facts.shape) * ITEM_BYTES[facts.dtype]
        header[name] = {"dtype": facts.dtype, "shape": facts.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        out.truncate(8 + len(text) + at)


def write_checkpoint(path: Path) -> None:
    """Write `<path>.json` and `<path>.safetensors` of a released checkpoint of that name."""
    released = checkpoint(path.name)
    assert released is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"name": released.kind, "args": released.args}
    path.with_name(path.name + ".json").write_text(json.dumps(content))
    write_tensors(
        path.with_name(path.name + ".safetensors"), expected_tensors(released.kind, released.args)
    )


def write_pipeline(folder: Path, name: str) -> Path:
    """Write a published model's folder; text models borrow from `JeffreyXiang/...`."""
    facts = entry(name).pipeline
    assert facts is not None
    for file in entry(name).files:
        if file.path.endswith(".safetensors"):
            write_checkpoint(folder / file.path.removesuffix(".safetensors"))
    sampler = {
        "name": "FlowEulerGuidanceIntervalSampler",
        "args": {"sigma_min": 1e-5},
        "params": {
            "steps": facts.sampler.steps,
            "cfg_strength": facts.sampler.cfg_strength,
            "cfg_interval": list(facts.sampler.cfg_interval),
            "rescale_t": facts.sampler.rescale_t,
        },
    }
    borrowed = {
        role: path.replace("microsoft/TRELLIS-image-large", IMAGE_ALIAS)
        for role, path in facts.borrowed.items()
    }
    role, conditioner = facts.conditioner
    content = {
        "name": facts.name,
        "args": {
            "models": {**facts.models, **borrowed},
            "sparse_structure_sampler": sampler,
            "slat_sampler": sampler,
            "slat_normalization": {"mean": SLAT_MEAN, "std": SLAT_STD},
            role: conditioner,
        },
    }
    (folder / "pipeline.json").write_text(json.dumps(content))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A card\n")
    return folder


def write_conditioner(folder: Path, name: str) -> Path:
    """Write dinov2 or clip in the layout of transformers."""
    for file in entry(name).files:
        if file.path == "model.safetensors":
            write_tensors(folder / file.path, conditioner_tensors(name))
        elif file.path not in entry(name).optional:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / file.path).write_text("{}")
    return folder


def into_cache(cache: Path, repository: str, revision: str, folder: Path) -> Path:
    """Put a folder's files where huggingface_hub keeps them: blobs, and links in a snapshot."""
    kept = cache / f"models--{repository.replace('/', '--')}"
    snapshot = kept / "snapshots" / revision
    for number, file in enumerate(sorted(f for f in folder.rglob("*") if f.is_file())):
        blob = kept / "blobs" / f"{number:040x}"
        blob.parent.mkdir(parents=True, exist_ok=True)
        file.rename(blob)
        link = snapshot / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blob)
    return snapshot
