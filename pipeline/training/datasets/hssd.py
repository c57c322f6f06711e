"""The objects of the Habitat Synthetic Scenes Dataset."""

from pathlib import Path

from pipeline.training.datasets.asset import (
    TAKE_ALL,
    Asset,
    AssetFilter,
    Collected,
    captions_of,
    read_csv,
)

LICENSE = "CC-BY-NC-4.0"


def read_hssd(folder: Path, wanted: AssetFilter = TAKE_ALL) -> Collected:
    """Read a copy of `hssd/hssd-models` or `hssd/hssd-hab`.

    `objects/<first digit>/<id>.glb` are the objects; `objects/decomposed/` (parts of them) and
    helpers such as `<id>.collider.glb` are not looked at. `semantics/objects.csv` has columns `id`,
    `name`, `main_category`; name and category become captions. The license is that of the data set
    as a whole: objects may have others. There are no aesthetic scores.

    hssd-hab holds textures that this project does not read (KTX2): take hssd-models.

    Source: the data sets' pages on Hugging Face (files, license); the table's columns from public
    code that reads them. That hssd-models has the table too is not confirmed.

    Raises:
        InvalidInput: If the table is missing or lacks a column.
    """
    found = Collected(wanted=wanted)
    rows = read_csv(folder / "semantics" / "objects.csv", ("id", "name"))
    captions = {
        row["id"]: captions_of([row["name"], row.get("main_category", "").replace("_", " ")])
        for row in rows
    }
    for path in sorted(folder.glob("objects/?/*.glb")):
        if "." in path.stem:
            continue
        if path.stem not in captions:
            found.skip("not in semantics/objects.csv")
            continue
        found.add(
            Asset(
                key=path.stem,
                path=path,
                captions=captions.pop(path.stem),
                license=LICENSE,
                source="https://huggingface.co/datasets/hssd/hssd-models",
            )
        )
    for _absent in captions:
        found.skip("not downloaded")
    return found
