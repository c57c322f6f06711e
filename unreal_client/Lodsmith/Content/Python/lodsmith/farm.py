"""Makes the assets of a manifest without a window.

    UnrealEditor-Cmd Project.uproject -run=pythonscript -unattended
        -script="<plugin>/Content/Python/lodsmith/farm.py --manifest assets.json --out lines.jsonl"

Exit codes: 0 all made, 1 a job failed or was refused, 2 wrong manifest or usage, 3 no server.
"""

import argparse
import os
import sys
from pathlib import Path

import unreal

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lodsmith import manifest
from lodsmith.session import Session


def main(arguments: "list[str]") -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(prog="farm.py", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="file for the JSON lines, beside the log")
    try:
        options = parser.parse_args(arguments)
    except SystemExit as error:
        return int(error.code or 0)

    def say(line: str) -> None:
        unreal.log(line)
        if options.out:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    # No assets are known yet, and a name that is taken would look free.
    unreal.AssetRegistryHelpers.get_asset_registry().search_all_assets(True)
    # A folder of its own: an editor may be open on the same project.
    session = Session(patience_s=manifest.PATIENCE_S, folder="LodsmithFarm")
    try:
        return manifest.run(
            options.manifest,
            session.tracker,
            session.main_thread,
            session.connect,
            session.settings.server,
            say,
        )
    finally:
        session.tracker.close()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # A commandlet has an exit code of its own, which says only whether the script raised.
    os._exit(code)
