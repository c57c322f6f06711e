"""Amazon Berkeley Objects: the 3D models with their product listings."""

from pathlib import Path

from pipeline.training.datasets.asset import (
    TAKE_ALL,
    Asset,
    AssetFilter,
    Collected,
    Json,
    captions_of,
    inside,
    read_csv,
    read_json_lines,
)

_LICENSES = {
    "LICENSE-CC-BY-4.0.txt": "CC-BY-4.0",
    "LICENSE-CC-BY-NC-4.0.txt": "CC-BY-NC-4.0",  # earlier releases
}


def read_abo(folder: Path, wanted: AssetFilter = TAKE_ALL) -> Collected:
    """Read the folder that abo-3dmodels.tar and abo-listings.tar were unpacked into.

    `3dmodels/metadata/3dmodels.csv.gz` has a row per model with `3dmodel_id` and `path`, as seen
    from `3dmodels/original/`. `listings/metadata/listings_*.json.gz` has a product per line, some
    with `3dmodel_id`; their English `item_name`, or `product_type` with `color` where there is
    none, become captions. The license is that of the license file in the folder. There are no
    aesthetic scores.

    Source: the data set's README (amazon-berkeley-objects.s3.amazonaws.com), by way of public
    copies and code that reads it.

    Raises:
        InvalidInput: If the table of models is missing or lacks a column.
    """
    found = Collected(wanted=wanted)
    rows = read_csv(folder / "3dmodels" / "metadata" / "3dmodels.csv.gz", ("3dmodel_id", "path"))
    captions: dict[str, list[str]] = {}
    for table in sorted((folder / "listings" / "metadata").glob("listings_*.json.gz")):
        for listing in read_json_lines(table):
            if not isinstance(listing, dict):
                found.skip("a listing is not a JSON object")
            elif isinstance(listing.get("3dmodel_id"), str):
                captions.setdefault(listing["3dmodel_id"], []).extend(_captions(listing))
    license_ = next((name for file, name in _LICENSES.items() if (folder / file).is_file()), None)
    for row in rows:
        key, path = row["3dmodel_id"], inside(folder / "3dmodels" / "original", row["path"])
        if not key or path is None:
            found.skip("no usable id or path")
            continue
        found.add(
            Asset(
                key=key,
                path=path,
                captions=captions_of(captions.get(key, [])),
                license=license_,
                source=f"https://www.amazon.com/dp/{key}",
            )
        )
    return found


def _captions(listing: dict[str, Json]) -> list[str]:
    names = _english(listing.get("item_name"))
    if names:
        return names
    kinds = [
        entry["value"].lower().replace("_", " ")
        for entry in _entries(listing.get("product_type"))
        if isinstance(entry.get("value"), str)
    ]
    colors = _english(listing.get("color"))
    return [" ".join([*colors[:1], *kinds[:1]])] if kinds else []


def _english(value: Json) -> list[str]:
    """The English texts of a field: a list of objects with `language_tag` and `value`."""
    return [
        entry["value"]
        for entry in _entries(value)
        if str(entry.get("language_tag", "")).startswith("en")
        and isinstance(entry.get("value"), str)
    ]


def _entries(value: Json) -> list[dict[str, Json]]:
    return [e for e in value if isinstance(e, dict)] if isinstance(value, list) else []
