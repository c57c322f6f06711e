"""Where assets go and what they are called: patterns with tokens."""

import re
from datetime import datetime
from typing import Callable

from lodsmith.facts import AssetFacts

TOKENS = ("name", "seed", "lod0", "date", "time")
_TOKEN = re.compile(r"\{([^{}]*)\}")
_PART = re.compile(r"[A-Za-z0-9_-]+")


def problem(field: str, pattern: str, *, is_folder: bool) -> str:
    """Return what is wrong with a pattern in one sentence with the way out, "" if nothing is."""
    unknown = [token for token in _TOKEN.findall(pattern) if token not in TOKENS]
    if unknown:
        return f"{field} has no token {{{unknown[0]}}}; there are {{{'}, {'.join(TOKENS)}}}."
    if is_folder and not pattern.startswith("/"):
        return f'{field} must begin with /Game/ or a plugin\'s /Name/, got "{pattern}".'
    plain = _TOKEN.sub("x", pattern)
    parts = plain.split("/")[1:] if is_folder else [plain]
    if any(not _PART.fullmatch(part) for part in parts):
        return f'{field} may only have A-Z a-z 0-9 _ - and tokens, got "{pattern}".'
    return ""


def expand(pattern: str, facts: AssetFacts, now: datetime) -> str:
    """Replace the tokens of a pattern that has no `problem`. now: local time."""
    values = {
        "name": facts.name,
        "seed": str(facts.seed),
        "lod0": str(facts.triangles[0]),
        "date": now.strftime("%Y-%m-%d"),
        "time": now.strftime("%H%M%S"),
    }
    return _TOKEN.sub(lambda match: values[match[1]], pattern)


def unique(name: str, is_free: Callable[[str], bool]) -> str:
    """Return the name, or the first of `<name>_2`, `<name>_3`, ... that is free."""
    number, candidate = 1, name
    while not is_free(candidate):
        number += 1
        candidate = f"{name}_{number}"
    return candidate


def renamed(asset_name: str, facts: AssetFacts, base: str) -> str:
    """Return the name of an imported asset in the project.

    `T_<name>_BC` becomes `T_<base>_BC`, `SM_<name>_LOD0` becomes `SM_<base>`, and what does not
    follow the scheme `<base>_<asset_name>`.
    """
    if asset_name == facts.lod_mesh(0):
        return f"SM_{base}"
    match = re.fullmatch(rf"(M|T)_{re.escape(facts.name)}((?:_.*)?)", asset_name)
    return f"{match[1]}_{base}{match[2]}" if match else f"{base}_{asset_name}"


def is_of(asset_name: str, base: str) -> bool:
    """Whether an asset has one of the names that `renamed` makes for a base."""
    return bool(re.fullmatch(rf"((SM|M|T)_)?{re.escape(base)}(_.*)?", asset_name))
