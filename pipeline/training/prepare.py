"""Meshes of a data set -> latents for training: each is encoded once and kept on disk."""

import hashlib
import logging
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.encode.encode import EncodedAsset
from pipeline.errors import InvalidInput, Unsupported
from pipeline.read_glb import read_glb
from pipeline.scene import assembled
from pipeline.training.datasets.asset import Asset, AssetSource
from pipeline.training.datasets.obj import read_obj
from pipeline.training.views import condition_views
from pipeline.types import ByteArray, Progress, Surface

logger = logging.getLogger(__name__)

CACHE_VERSION = "1"  # changes whenever the same mesh would give other numbers
_BESIDE_OBJ = (".mtl", ".png", ".jpg", ".jpeg")
Encode = Callable[[Surface, Progress], EncodedAsset]


@dataclass(frozen=True, kw_only=True, eq=False)
class StudioAsset:
    """An asset in the latent spaces of the model that is trained.

    digest: SHA-256 of what it was made from, hex.
    structure: `[C, r, r, r]` float32.
    coords: `[L, 3]` int64. slat: `[L, C]` float32, in the decoder's scale.
    views: `[V, P, P, 3]` uint8 pictures of it; V is 0 where the model takes none.
    """

    key: str
    digest: str
    captions: tuple[str, ...]
    structure: Tensor
    coords: Tensor
    slat: Tensor
    views: ByteArray


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """count: pictures of each asset, 0 for models that take none. size_px: side of the model's."""

    count: int
    size_px: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """assets: in the order of the source. refused: `(key, why)` of those that are not usable."""

    assets: tuple[StudioAsset, ...]
    refused: tuple[tuple[str, str], ...]


def prepare(
    source: AssetSource,
    encode: Encode,
    model_digest: str,
    views: ViewOptions,
    cache: Path,
    progress: Progress,
    say: Callable[[str], None],
) -> Prepared:
    """Encode every asset, or read it back if an earlier run has.

    Args:
        source: What to encode.
        encode: A surface -> its latents in the model that `model_digest` names.
        model_digest: SHA-256 over the model's files.
        views: Which pictures to draw.
        cache: Folder for the encoded assets; made if need be. May be shared by several runs.
        progress: May raise to stop; what is finished stays.
        say: Is given a line per asset that is encoded now, and one for each that cannot be.
    """
    cache.mkdir(parents=True, exist_ok=True)
    assets: list[StudioAsset] = []
    refused: list[tuple[str, str]] = []
    for number, asset in enumerate(source, 1):
        digest = _digest(asset.path, model_digest, views)
        path = cache / f"{digest}.npz"
        known = _load(path)
        if known is not None:
            assets.append(replace(known, key=asset.key, captions=asset.captions))
            continue
        say(f"encoding {number} of {len(source)}: {asset.key}")
        try:
            found = _encoded(asset, digest, encode, views, progress)
        except (InvalidInput, Unsupported) as e:
            refused.append((asset.key, str(e)))
            say(f"left out: {e}")
            continue
        _save(found, path)
        assets.append(found)
    logger.info("prepare: %d of %d assets encoded", len(assets), len(source))
    return Prepared(assets=tuple(assets), refused=tuple(refused))


def read_surface(path: Path, progress: Progress) -> Surface:
    """Read a mesh file of a data set.

    Raises:
        InvalidInput, Unsupported: If it cannot be read.
    """
    try:
        if path.suffix.lower() == ".obj":
            return read_obj(path, progress)
        return assembled(read_glb(path.read_bytes(), progress))
    except OSError as e:
        raise InvalidInput(f"{path} cannot be read: {e.strerror}") from e


def _encoded(
    asset: Asset, digest: str, encode: Encode, views: ViewOptions, progress: Progress
) -> StudioAsset:
    surface = read_surface(asset.path, progress)
    encoded = encode(surface, progress)
    pictures = condition_views(surface, views.count, views.size_px, progress)
    return StudioAsset(
        key=asset.key,
        digest=digest,
        captions=asset.captions,
        structure=encoded.structure_latent[0].float().cpu(),
        coords=encoded.coords[:, 1:].cpu(),
        slat=encoded.slat.feats.float().cpu(),
        views=pictures,
    )


def _digest(path: Path, model_digest: str, views: ViewOptions) -> str:
    """What the encoded asset depends on; of an OBJ also the materials and pictures beside it."""
    digest = hashlib.sha256(f"{CACHE_VERSION} {model_digest} {views}".encode())
    files = [path]
    if path.suffix.lower() == ".obj":
        beside = sorted(path.parent.iterdir())
        files += [file for file in beside if file.suffix.lower() in _BESIDE_OBJ and file.is_file()]
    for file in files:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as f:
            digest.update(hashlib.file_digest(f, "sha256").digest())
    return digest.hexdigest()


def _save(asset: StudioAsset, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as f:
        np.savez(
            f,
            structure=asset.structure.numpy(),
            coords=asset.coords.numpy().astype(np.int16),
            slat=asset.slat.numpy(),
            views=asset.views,
        )
    temporary.replace(path)


def _load(path: Path) -> StudioAsset | None:
    """What `_save` wrote, without key and captions; None if there is none, or it is damaged."""
    try:
        with np.load(path) as data:
            return StudioAsset(
                key="",
                digest=path.stem,
                captions=(),
                structure=torch.from_numpy(data["structure"]),
                coords=torch.from_numpy(data["coords"].astype(np.int64)),
                slat=torch.from_numpy(data["slat"]),
                views=data["views"],
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def set_digest(assets: Sequence[StudioAsset]) -> str:
    """SHA-256 over all assets and captions, hex: what a training's data is known by."""
    digest = hashlib.sha256()
    for asset in assets:
        digest.update("\0".join([asset.digest, *asset.captions, ""]).encode())
    return digest.hexdigest()
