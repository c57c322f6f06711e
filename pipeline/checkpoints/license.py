"""Under which licence a model comes, and whether someone must agree to it first."""

import json
import re
from pathlib import Path

from pipeline.checkpoints.catalog import PERMISSIVE, Published
from pipeline.errors import InvalidInput

UNKNOWN = "unknown"
_CANONICAL = {name.lower(): name for name in PERMISSIVE}


def find_license(folder: Path, entry: Published | None) -> str:
    """Read the licence that a model declares, in SPDX's spelling where it is a known one.

    Its model card says it (`license:` in the front matter of README.md), or its `pipeline.json`
    (`license` under args). Two that differ are both named: "MIT and other". A model of the catalog
    that declares none has the catalog's; any other one "unknown".
    """
    declared = [*_of_model_card(folder / "README.md"), *_of_pipeline(folder / "pipeline.json")]
    names = list(dict.fromkeys(_CANONICAL.get(name.lower(), name) for name in declared))
    if not names:
        return entry.license if entry is not None else UNKNOWN
    return " and ".join(names)


def needs_consent(license_name: str) -> bool:
    """Whether it is anything but a permissive licence."""
    return not all(name in PERMISSIVE for name in license_name.split(" and "))


def check_consent(name: str, license_name: str, *, is_accepted: bool) -> None:
    """Stop where a licence was not agreed to.

    Raises:
        InvalidInput: Naming the licence and how to agree.
    """
    if needs_consent(license_name) and not is_accepted:
        declared = (
            "declares no licence"
            if license_name == UNKNOWN
            else f"has the licence {license_name!r}, which is not a permissive one"
        )
        raise InvalidInput(
            f"{name} {declared}; read its terms, and repeat with --accept-license if you agree"
        )


def _of_model_card(file: Path) -> list[str]:
    """Values of `license` in the YAML between the first two lines of `---`: one, or a list."""
    try:
        text = file.read_text("utf-8", errors="replace")
    except OSError:
        return []
    front = re.match(r"\ufeff?---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    if front is None:
        return []
    found = re.search(
        r"^license:[ \t]*(?P<one>[^\n#]*)(?P<many>(\n[ \t]*-[^\n]*)*)", front[1], re.MULTILINE
    )
    if found is None:
        return []
    many = re.findall(r"-[ \t]*([^\n]+)", found["many"])
    values = many or found["one"].strip().strip("[]").split(",")
    return [value for value in (one.strip().strip("\"'") for one in values) if value]


def _of_pipeline(file: Path) -> list[str]:
    try:
        value = json.loads(file.read_text("utf-8"))["args"]["license"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [value] if isinstance(value, str) and value else []
