"""`lodsmith lod` on a folder of GLBs: what arrives, how near it looks, and the validator's word.

    python -m benchmarks.real_glbs FOLDER OUT [--pictures FOLDER]

LOD0 is drawn by the same renderer as the source from eight sides, 384 pixels square; its dB is the
PSNR of the pixels that either covers, over all views, and the worst view's beside it. Needs
`npm ci` in benchmarks/validate_glb. Exit status 1 when a file breaks a promise: a budget exceeded,
a validator error or warning, an end without a clear message, or a LOD0 below 34 dB.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.looks import levels, pictures, psnr

LODSMITH = Path(sys.executable).with_name("lodsmith")
VALIDATE = Path(__file__).parent / "validate_glb" / "validate.mjs"

LEAST_DB = 34.0
_EXACT_DB = 99.9  # what is printed where two pictures are the same
_DIFFERENCE_GAIN = 4  # so that a difference of a few levels can be seen


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How near two sets of pictures are. sheet: `[H, W, 3]` uint8, source, result, difference."""

    mean_db: float
    worst_db: float
    sheet: NDArray[np.uint8]


def likeness(source: bytes, result: bytes) -> Likeness:
    """Compare the LOD0 of two files that stand in the same place."""
    wanted = levels(source)[0]
    right, found = pictures(wanted, wanted), pictures(levels(result)[0], wanted)
    each = [psnr([one], [two]) for one, two in zip(found, right, strict=True)]
    order = np.argsort(each)[:4]  # the worst first
    rows = [
        np.concatenate([_on_gray(pictures_of[i]) for i in order], axis=1)
        for pictures_of in (right, found)
    ]
    apart = np.abs(rows[0].astype(np.int16) - rows[1]) * _DIFFERENCE_GAIN
    return Likeness(
        mean_db=min(_EXACT_DB, psnr(found, right)),
        worst_db=min(_EXACT_DB, *each),
        sheet=np.concatenate([*rows, np.minimum(apart, 255).astype(np.uint8)]),
    )


def _on_gray(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = rgba[:, :, 3:] / 255.0
    flat: NDArray[np.uint8] = (rgba[:, :, :3] * alpha + 128 * (1 - alpha)).astype(np.uint8)
    return flat


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for a sheet of each comparison")
    arguments = parser.parse_args()
    broken, decibels, refused = 0, [], 0
    print(
        "| file | source tris | LODs | LOD0 dB (worst view) | largest deviation | s | warnings "
        "| validator |"
    )
    print("|---" * 8 + "|")
    paths = [*arguments.folder.glob("*.glb"), *arguments.folder.glob("*.gltf")]
    for path in sorted(paths):
        target = arguments.out / path.name
        started = time.monotonic()
        run = subprocess.run(
            [str(LODSMITH), "lod", str(path), "--out", str(target), "--pivot", "keep", "--quiet"],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - started
        if run.returncode != 0:
            refused += 1
            clear = run.returncode in (1, 2) and "Traceback" not in run.stderr
            broken += not clear
            lines = run.stderr.strip().splitlines()
            print(
                f"| {path.name} | refused ({run.returncode}): {lines[-1] if lines else '?'} "
                "|||||||",
                flush=True,
            )
            continue
        report = json.loads(next(target.glob("*.report.json")).read_text())
        lods = report["lods"]
        within = all(lod["triangle_count"] <= lod["budget"] for lod in lods)
        glb = next(target.glob("*.glb"))
        judged = subprocess.run(["node", str(VALIDATE), str(glb)], capture_output=True, check=False)
        like = likeness(path.read_bytes(), glb.read_bytes())
        decibels.append(like.mean_db)
        if arguments.pictures is not None:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            Image.fromarray(like.sheet).save(arguments.pictures / f"{path.name}.png")
        is_near = like.mean_db >= LEAST_DB
        broken += not within or judged.returncode != 0 or not is_near
        counts = " / ".join(str(lod["triangle_count"]) for lod in lods)
        print(
            f"| {path.name} | {_source_count(report['repair']):,} "
            f"| {counts}{'' if within else ' OVER BUDGET'} "
            f"| {like.mean_db:.1f} ({like.worst_db:.1f}){'' if is_near else ' BELOW 34'} "
            f"| {1000 * lods[-1]['deviation_max_m']:.3g} mm | {seconds:.0f} "
            f"| {len(report['warnings'])} "
            f"| {'0 errors, 0 warnings' if judged.returncode == 0 else judged.stdout.decode()} |",
            flush=True,
        )
    near = sum(value >= LEAST_DB for value in decibels)
    print(
        f"\n{len(paths)} files: {refused} refused, {near} of {len(decibels)} at {LEAST_DB:.0f} dB "
        f"or more, median {np.median(decibels) if decibels else 0.0:.1f} dB; {broken} broken"
    )
    sys.exit(1 if broken else 0)


def _source_count(repair: dict[str, dict[str, int]]) -> int:
    return repair["before"]["triangle_count"]


if __name__ == "__main__":
    main()
