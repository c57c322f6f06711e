"""TRELLIS-500K: Objaverse-XL, ABO, HSSD, 3D-FUTURE or Toys4k as TRELLIS' toolkit lays them out."""

import json
import math
from pathlib import Path

from pipeline.training.datasets.asset import (
    TAKE_ALL,
    Asset,
    AssetFilter,
    Collected,
    captions_of,
    inside,
    read_csv,
)


def read_trellis500k(folder: Path, wanted: AssetFilter = TAKE_ALL) -> Collected:
    """Read one of the five data sets after TRELLIS' `build_metadata.py` and `download.py`.

    `metadata.csv` has `sha256` (of the source file), `file_identifier` (an address for
    Objaverse-XL, else a path in the original data set), `aesthetic_score`, `captions` (a JSON list,
    or empty) and, once downloaded, `local_path` as seen from `folder`, such as
    `raw/hf-objaverse-v1/glbs/000-012/<uid>.glb` or `raw/3D-FUTURE-model/<id>/raw_model.obj`.
    Downloads that were not merged yet stand in `downloaded_*.csv`, with `sha256` and `local_path`.
    The table says nothing about licenses.

    Source: microsoft/TRELLIS, DATASET.md and dataset_toolkits/; looked up in public copies.

    Raises:
        InvalidInput: If `metadata.csv` is missing or lacks a column.
    """
    found = Collected(wanted=wanted)
    rows = read_csv(folder / "metadata.csv", ("sha256", "file_identifier", "captions"))
    downloaded = {
        row["sha256"]: row["local_path"]
        for table in sorted(folder.glob("downloaded_*.csv"))
        for row in read_csv(table, ("sha256", "local_path"))
    }
    for row in rows:
        key = row["sha256"]
        local_path = downloaded.get(key) or row.get("local_path", "")
        if not key:
            found.skip("no sha256")
            continue
        if not local_path:
            found.skip("not downloaded")
            continue
        path = inside(folder, local_path)
        if path is None:
            found.skip("local_path leaves the folder")
            continue
        if any(part.endswith(".zip") for part in path.parts):  # Objaverse-XL from GitHub
            found.skip("inside a zip archive: unpack it")
            continue
        try:
            captions = captions_of(json.loads(row["captions"] or "[]"))
        except (ValueError, RecursionError):
            found.skip("captions are not a JSON list")
            continue
        found.add(
            Asset(
                key=key,
                path=path,
                captions=captions,
                source=row["file_identifier"] or None,
                aesthetic_score=_score(row.get("aesthetic_score", "")),
            )
        )
    return found


def _score(text: str) -> float | None:
    try:
        score = float(text)
    except ValueError:
        return None
    return score if math.isfinite(score) else None
