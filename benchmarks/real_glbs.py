"""`lodsmith lod` on a folder of GLBs: what arrives, what is refused, and the validator's word.

    python -m benchmarks.real_glbs FOLDER OUT

Needs `npm ci` in benchmarks/validate_glb. Exit status 1 when a file breaks a promise: a budget
exceeded, a validator error or warning, or an end without a clear message.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

LODSMITH = Path(sys.executable).with_name("lodsmith")
VALIDATE = Path(__file__).parent / "validate_glb" / "validate.mjs"


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    broken = 0
    print("| file | source tris | LODs | largest deviation | s | warnings | validator |")
    print("|---|---|---|---|---|---|---|")
    for path in sorted([*folder.glob("*.glb"), *folder.glob("*.gltf")]):
        target = out / path.stem
        started = time.monotonic()
        run = subprocess.run(
            [str(LODSMITH), "lod", str(path), "--out", str(target), "--quiet"],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - started
        if run.returncode != 0:
            clear = run.returncode in (1, 2) and "Traceback" not in run.stderr
            broken += not clear
            lines = run.stderr.strip().splitlines()
            print(
                f"| {path.name} | refused ({run.returncode}): {lines[-1] if lines else '?'} |||||"
            )
            continue
        report = json.loads(next(target.glob("*.report.json")).read_text())
        lods = report["lods"]
        within = all(lod["triangle_count"] <= lod["budget"] for lod in lods)
        glb = next(target.glob("*.glb"))
        judged = subprocess.run(["node", str(VALIDATE), str(glb)], capture_output=True, check=False)
        broken += not within or judged.returncode != 0
        print(
            f"| {path.name} | {report['repair']['before']['triangle_count']:,} "
            f"| {' / '.join(str(lod['triangle_count']) for lod in lods)} "
            f"| {1000 * lods[-1]['deviation_max_m']:.3g} mm | {seconds:.0f} "
            f"| {len(report['warnings'])} "
            f"| {'0 errors, 0 warnings' if judged.returncode == 0 else judged.stdout.decode()} |",
            flush=True,
        )
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
