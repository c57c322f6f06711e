"""The main job as a user runs it: time, memory of all processes, and the same bytes twice.

python -m benchmarks.job [PROMPT]
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def tree_memory_bytes(root: int) -> int:
    """Memory of a process and all below it; shared pages count once (PSS). Linux."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text()
            except OSError:
                continue  # it ended meanwhile
            parents.setdefault(int(status.rsplit(")", 1)[1].split()[1]), []).append(int(entry.name))
    total, members = 0, [root]
    while members:
        pid = members.pop()
        members += parents.get(pid, [])
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:")) * 1024
    return total


def run_once(prompt: str, out: Path) -> tuple[float, int, dict[str, str]]:
    """Seconds, peak bytes, and the hash of every file but the report, which holds times."""
    lodsmith = Path(sys.executable).with_name("lodsmith")
    command = [str(lodsmith), "generate", prompt, "--out", str(out)]
    started = time.monotonic()
    process = subprocess.Popen([*command, "--quiet"])
    peak = 0
    while process.poll() is None:
        peak = max(peak, tree_memory_bytes(process.pid))
        time.sleep(0.1)
    seconds = time.monotonic() - started
    if process.returncode != 0:
        sys.exit(f"the job failed with exit code {process.returncode}")
    hashes = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.iterdir())
        if not path.name.endswith(".report.json")
    }
    return seconds, peak, hashes


def main() -> None:
    prompt = sys.argv[1] if len(sys.argv) > 1 else "a red mushroom with white dots"
    with tempfile.TemporaryDirectory() as folder:
        runs = [run_once(prompt, Path(folder) / str(i)) for i in range(2)]
    print("| run | seconds | peak memory, all processes |\n|---|---|---|")
    for i, (seconds, peak, _) in enumerate(runs, 1):
        print(f"| {i} | {seconds:.1f} | {peak / 2**20:,.0f} MiB |")
    same = runs[0][2] == runs[1][2]
    print(f"the second run gave {'the same' if same else 'OTHER'} bytes")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
