"""Fuzzes targets one after another, and keeps what it learns: `make fuzz`.

New inputs join the corpus where they reach code that none before has reached. The first defect ends
the run; its input stays in `corpus/<target>/crash-<sha1>`, for a test to be made of it.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import NAMES, load_target

CORPUS = Path(__file__).parent / "corpus"
_DEFECTS = ("crash-", "timeout-", "oom-")
# libFuzzer's own ceilings catch what Python's cannot: native code that waits, or memory that
# grows over many inputs.
_HANG_S = 60
_RESIDENT_MB = 4096
_MAX_INPUT_BYTES = 1 << 14
# By itself glibc takes larger and larger blocks from the heap, where many small inputs that
# libFuzzer keeps hold them: a process that decodes pictures grew to 4 GB.
_FIXED_HEAP = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run came to.

    coverage: of edges, of the corpus before and of all inputs after. is_whole: whether it had all
        of its time.
    """

    executions: int
    coverage_before: int
    coverage_after: int
    defects: tuple[Path, ...]
    is_whole: bool


def fuzz(name: str, *, minutes: float) -> Outcome:
    """Fuzz a target from its corpus, and merge what it finds into it."""
    kept = CORPUS / name
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as scratch:
        command = _command(name, Path(scratch))
        found, seeds = Path(scratch) / "found", Path(scratch) / "seeds"
        found.mkdir()
        seeds.mkdir()
        for seed_name, content in load_target(name).seeds().items():
            (seeds / seed_name).write_bytes(content)
        is_whole, log = _run(
            command,
            f"-max_total_time={round(60 * minutes)}",
            f"-artifact_prefix={kept}/",
            f"-max_len={_MAX_INPUT_BYTES}",
            "-print_final_stats=1",
            str(found),
            str(kept),
            str(seeds),
        )
        defects = tuple(path for path in kept.iterdir() if path.name.startswith(_DEFECTS))
        if not defects:
            # Without counters: how often an edge is taken would keep ten times as many inputs.
            _run(command, "-merge=1", "-use_counters=0", str(kept), str(seeds), str(found))
    coverage = [int(number) for number in re.findall(r"cov: (\d+)", log)] or [0]
    executions = re.search(r"number_of_executed_units: (\d+)", log)
    return Outcome(
        executions=int(executions[1]) if executions else 0,
        coverage_before=coverage[0],
        coverage_after=coverage[-1],
        defects=defects,
        is_whole=is_whole,
    )


def _command(name: str, folder: Path) -> Path:
    """Write the program that fuzzes a target: libFuzzer calls itself again, by one name."""
    command = folder / "fuzzer"
    python = shlex.quote(sys.executable)
    command.write_text(f'#!/bin/sh\nexec {python} -m tests.fuzz.instrumented {name} "$0" "$@"\n')
    command.chmod(0o755)
    return command


def _run(command: Path, *arguments: str) -> tuple[bool, str]:
    """Run libFuzzer. Returns whether it came to its end, and what it says; a defect is shown."""
    process = subprocess.run(
        [
            command,
            f"-timeout={_HANG_S}",
            f"-report_slow_units={_HANG_S}",
            f"-rss_limit_mb={_RESIDENT_MB}",
            *arguments,
        ],
        env=os.environ | _FIXED_HEAP,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if process.returncode:
        lines = process.stderr.splitlines()
        print("\n".join(line for line in lines if not line.startswith("INFO:"))[-4000:])
    return process.returncode == 0, process.stderr


def main() -> int:
    """Read the command line and run. Returns 1 after a defect, or where a run was cut short."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--minutes", type=float, default=10, help="for each target")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(NAMES):
        parser.error(f"there is no target {', '.join(sorted(unknown))}; use {', '.join(NAMES)}")
    for name in arguments.targets or NAMES:
        outcome = fuzz(name, minutes=arguments.minutes)
        print(
            f"{name}: {outcome.executions:,} inputs, coverage {outcome.coverage_before:,} -> "
            f"{outcome.coverage_after:,}",
            flush=True,
        )
        for defect in outcome.defects:
            print(f"  defect: {defect}", flush=True)
        if not outcome.is_whole:
            print("  ended early", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
