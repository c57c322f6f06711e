"""Another export of a stored dense mesh: what a job costs that changes budgets or textures only.

    python -m benchmarks.reexport [NAME ...]

The first build keeps its parts, as the server does; the clock runs over the builds after it, from
the stored surface and those parts to all files. The generator is not run. The server adds reading
and writing these bytes.

Bar: at most 10 s from a million triangles. What misses is marked; exit status 1 then.
"""

import argparse
import sys
import time
from dataclasses import replace

from benchmarks import meshes
from benchmarks.asset import cpu_s, stored
from pipeline import AssetOptions, BuildRequest, StageMeter, build_asset
from pipeline.mesh.charts.unwrap import UnwrapOptions
from pipeline.mesh.lods.lod_options import LodOptions
from pipeline.types import Silent

NAMES = ("gen_shell", "gen_helmet")
BAR_S = 10.0

_EXPORTS = {
    "3,000 and 1,500 triangles, 1,024 texels": AssetOptions(
        lod=LodOptions(budgets=(3_000, 1_500)), unwrap=UnwrapOptions(texture_size=1024)
    ),
    "15,000 to 900 triangles, 2,048 texels": AssetOptions(
        lod=LodOptions(budgets=(15_000, 8_000, 3_000, 900))
    ),
}


def _request(name: str) -> BuildRequest:
    return BuildRequest(
        name=name,
        surface=stored(name),
        options=AssetOptions(),
        generated=True,
        has_size=True,
        recipe={},
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    build_asset(_request("spot"), StageMeter(Silent(), time.monotonic))  # nothing compiles below
    is_missed = False
    print("| mesh | export | wall s | CPU s | stages, wall s |\n|---|---|---|---|---|")
    for name in parser.parse_args().names:
        request = _request(name)
        kept = build_asset(request, StageMeter(Silent(), time.monotonic)).kept
        for words, options in _EXPORTS.items():
            meter = StageMeter(Silent(), time.monotonic)
            wall, cpu = time.monotonic(), cpu_s()
            build_asset(replace(request, options=options, kept=kept), meter)
            wall, cpu = time.monotonic() - wall, cpu_s() - cpu
            stages = ", ".join(f"{r.stage} {r.seconds:.1f}" for r in meter.finish() if not r.reused)
            missed = "" if wall <= BAR_S else f" (over {BAR_S:g})"
            is_missed = is_missed or bool(missed)
            count = len(meshes.load(name).faces)
            print(
                f"| {name}, {count:,} | {words} | {wall:.1f}{missed} | {cpu:.1f} | {stages} |",
                flush=True,
            )
    sys.exit(is_missed)


if __name__ == "__main__":
    main()
