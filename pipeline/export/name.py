"""Prompts and file names -> names that every engine and file system takes."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

_NAME_MAX_LENGTH = 40
_FILE_SUFFIX = re.compile(r"\.(glb|gltf|png|jpe?g|webp)$", re.IGNORECASE)
_ARTICLE = re.compile(r"^(an?|the)\s+(?=\w)", re.IGNORECASE)
_OUR_AFFIXES = re.compile(r"^SM_(?=.)|_LOD\d+$")
# Windows takes no file of these names, whatever its suffix.
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)


def asset_name(text: str) -> str:
    """Turn a prompt or a file name into a PascalCase name for meshes, materials and files.

    Only ASCII letters and digits, at most 40, without a leading article, never empty, and stable:
    the name of a name is itself. Text without any such letter becomes "Asset" and six digits of
    its hash, so that different texts keep different names.
    """
    stem = _OUR_AFFIXES.sub("", _ARTICLE.sub("", _FILE_SUFFIX.sub("", text.strip())))
    ascii_text = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    name = ""
    for word in re.findall(r"[A-Za-z0-9]+", ascii_text.replace("'", "")):
        if len(name) + len(word) > _NAME_MAX_LENGTH and name:
            break
        name += word[0].upper() + word[1:]
    if not name:
        return "Asset" + hashlib.sha256(text.encode()).hexdigest()[:6].upper()
    if _RESERVED.match(name):
        return name + "Asset"
    return name[:_NAME_MAX_LENGTH]


def part_names(names: Sequence[str]) -> list[str]:
    """Names of an asset's parts as `asset_name` makes them, no two alike: "Wheel", "Wheel2"."""
    taken: set[str] = set()
    result = []
    for text in names:
        name = first = asset_name(text) if text else "Part"
        count = 1
        while name.lower() in taken:  # some file systems know no capitals
            count += 1
            name = f"{first[: _NAME_MAX_LENGTH - len(str(count))]}{count}"
        taken.add(name.lower())
        result.append(name)
    return result


def variant_name(name: str, number: int, count: int) -> str:
    """Name of one of `count` assets: "Barrel" alone, else "BarrelV1", "BarrelV2", ...

    name: as `asset_name` gives it; so is the result. number: from 0.
    """
    if count == 1:
        return name
    suffix = f"V{number + 1}"
    return name[: _NAME_MAX_LENGTH - len(suffix)] + suffix
