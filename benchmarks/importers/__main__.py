"""What other people's importers find in our GLBs, beside what was promised.

    python -m benchmarks.importers [--keep FOLDER]

Writes the samples, loads every GLB in three.js (Chromium), Babylon.js (NullEngine), Blender and
assimp, and prints a table per importer: how many files of a variant have the promised names,
hierarchy, LODs, hulls, materials and sizes. Importers that are not installed are named and left
out. Exits 1 if one that reads a kind of file finds something else than promised.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.importers.samples import write_all

HERE = Path(__file__).parent
CHECKS = ("names", "hierarchy", "LODs", "hulls", "materials", "size")
_SIZE_TOLERANCE_M = 1e-3  # Blender and assimp turn matrices into float32
_FILES_PER_RUN = 40

Json = Mapping[str, Any]  # Any: what a child process says


@dataclass(frozen=True, kw_only=True)
class Importer:
    """A program that loads GLBs and says what it found.

    command: how to call it, or None where it is not installed; then hint says how to get it.
    refuses: extensions that it does not know, so files that require them are not for it.
    sees_outside: whether it also imports what is not in the scene.
    """

    name: str
    command: Sequence[str] | None
    hint: str
    refuses: frozenset[str] = frozenset()
    sees_outside: bool = False


def importers() -> list[Importer]:
    """All that can be asked, installed or not."""
    has_node = shutil.which("node") is not None and (HERE / "node_modules").exists()
    browser = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    bpy = os.environ.get("LODSMITH_BPY_PYTHON")
    assimp = os.environ.get("LODSMITH_ASSIMP_PYTHON")

    def node(script: str) -> list[str]:
        return ["node", str(HERE / script)]

    return [
        Importer(
            name="three.js",
            command=node("three_browser.mjs") if has_node and Path(browser).exists() else None,
            hint="npm ci in benchmarks/importers, and Chromium",
        ),
        Importer(
            name="Babylon.js",
            command=node("babylon_node.mjs") if has_node else None,
            hint="npm ci in benchmarks/importers",
        ),
        Importer(
            name="Blender",
            command=[bpy, str(HERE / "blender_child.py")] if bpy else None,
            hint="LODSMITH_BPY_PYTHON, see README.md",
            refuses=frozenset({"EXT_meshopt_compression", "KHR_texture_basisu"}),
            sees_outside=True,
        ),
        Importer(
            name="assimp",
            command=[assimp, str(HERE / "assimp_child.py")] if assimp else None,
            hint="LODSMITH_ASSIMP_PYTHON, see README.md",
            # It reads integers as floats and says nothing, and shows no WebP.
            refuses=frozenset(
                {
                    "EXT_meshopt_compression",
                    "KHR_mesh_quantization",
                    "EXT_texture_webp",
                    "KHR_texture_basisu",
                }
            ),
        ),
    ]


def found_by(importer: Importer, files: Sequence[Path]) -> dict[Path, Json]:
    """Load files and return what was found in each; `error` where it was refused."""
    assert importer.command is not None
    answers: dict[Path, Json] = {}
    for first in range(0, len(files), _FILES_PER_RUN):
        run = subprocess.run(
            [*importer.command, *map(str, files[first : first + _FILES_PER_RUN])],
            capture_output=True,
            text=True,
            check=False,
        )
        for line in run.stdout.splitlines():
            if line.startswith("{"):
                answer = json.loads(line)
                answers[Path(answer["file"])] = answer
        if run.returncode != 0:
            print(f"{importer.name} ended with {run.returncode}: {run.stderr[-400:]}")
    return answers


def complaints(importer: Importer, promise: Json, found: Json) -> dict[str, str]:
    """Per check that fails what differs."""
    if "error" in found:
        return {check: str(found["error"]) for check in CHECKS}
    promised, expected_outside = promise["scene"], promise["outside"]
    if importer.sees_outside:
        promised = [*promised, *expected_outside]
    outside_names = {node["name"] for node in expected_outside}
    # Babylon leaves empty nodes where it has shown coarser LODs while loading.
    nodes = [
        node
        for node in found["nodes"]
        if "triangles" in node or importer.sees_outside or node["name"] not in outside_names
    ]
    differ = {
        "names": _difference(
            Counter(node["name"] for node in promised), Counter(_plain(node) for node in nodes)
        ),
        "hierarchy": _difference(
            Counter((node["name"], node["parent"]) for node in promised),
            Counter((_plain(node), node["parent"]) for node in nodes),
        ),
        "LODs": _counts(promised, nodes, "SM_"),
        "hulls": _counts(promised, nodes, "U"),
        "materials": _difference(
            Counter({(name, *sorted(slots)): 1 for name, slots in promise["materials"].items()}),
            Counter({(name, *sorted(slots)): 1 for name, slots in found["materials"].items()}),
        ),
        "size": _size_difference(promise, nodes),
    }
    if found.get("outside") is not None:
        differ["LODs"] += _counts(expected_outside, found["outside"], "SM_")
        differ["hulls"] += _counts(expected_outside, found["outside"], "U")
    return {check: text for check, text in differ.items() if text}


def _plain(node: Json) -> str:
    """A name without what Blender adds to tell copies apart."""
    return re.sub(r"\.\d{3}$", "", node["name"])


def _counts(promised: Sequence[Json], nodes: Sequence[Json], prefix: str) -> str:
    return _difference(
        Counter((n["name"], n["triangles"]) for n in promised if n["name"].startswith(prefix)),
        Counter((_plain(n), n.get("triangles")) for n in nodes if n["name"].startswith(prefix)),
    )


def _difference(promised: Counter[Any], found: Counter[Any]) -> str:
    missing, extra = promised - found, found - promised
    said = [f"lacks {list(missing)[:3]}"] if missing else []
    return "; ".join(said + ([f"has {list(extra)[:3]}"] if extra else []))


def _size_difference(promise: Json, nodes: Sequence[Json]) -> str:
    """Compare the box around the finest LOD."""
    levels = [re.search(r"_LOD(\d+)$", _plain(node)) for node in nodes]
    drawn = [
        (int(level[1]), node)
        for level, node in zip(levels, nodes, strict=True)
        if level and node["name"].startswith("SM_") and "min" in node
    ]
    finest = [node for level, node in drawn if level == min(level for level, _ in drawn)]
    if not finest:
        return "nothing is drawn"
    high = np.max([node["max"] for node in finest], axis=0)
    size = high - np.min([node["min"] for node in finest], axis=0)
    if np.abs(size - promise["size_m"]).max() > _SIZE_TOLERANCE_M:
        return f"measures {size.tolist()}, not {promise['size_m']}"
    return ""


def required(file: Path) -> frozenset[str]:
    """The extensions without which a file cannot be read."""
    content = file.read_bytes()
    root = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    return frozenset(root.get("extensionsRequired", []))


def compare(folder: Path) -> int:
    """Print a table per importer; return how many files differ from their promise."""
    promises = {folder / p["file"]: p for p in json.loads((folder / "promises.json").read_text())}
    differing = 0
    for importer in importers():
        if importer.command is None:
            print(f"\n{importer.name} is left out; it needs {importer.hint}")
            continue
        files = [file for file in promises if not required(file) & importer.refuses]
        answers = found_by(importer, files)
        rows: dict[str, Counter[str]] = {}
        notes = []
        for file in files:
            row = rows.setdefault(file.parent.name, Counter())
            found = answers.get(file, {"error": "no answer"})
            failed = complaints(importer, promises[file], found)
            row.update(["files", *(check for check in CHECKS if check not in failed)])
            differing += bool(failed)
            notes += [f"{file.parent.name}/{file.name}: {c}: {t}" for c, t in failed.items()]
        print(f"\n{importer.name}")
        print("  " + "".join(f"{title:>18}" for title in ("variant", "files", *CHECKS)))
        for variant, row in rows.items():
            cells = [variant, str(row["files"]), *(str(row[check]) for check in CHECKS)]
            print("  " + "".join(f"{cell:>18}" for cell in cells))
        skipped = len(promises) - len(files)
        print(f"  {len(files)} files loaded; {skipped} need {', '.join(importer.refuses) or '-'}")
        for note in notes:
            print(f"  differs: {note}")
    return differing


def main() -> int:
    """Write samples, load them everywhere, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--keep", type=Path, help="write the samples here and keep them")
    parser.add_argument("--have", type=Path, help="take the samples that are already here")
    arguments = parser.parse_args()
    if arguments.have:
        return 1 if compare(arguments.have.resolve()) else 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.keep or Path(temporary)).resolve()
        write_all(folder)
        return 1 if compare(folder) else 0


if __name__ == "__main__":
    sys.exit(main())
