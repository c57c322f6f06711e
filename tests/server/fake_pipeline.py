"""A pipeline for tests: the same front door, and work that does as it is told.

What it does is the first word of the prompt, of the mesh's bytes, or of the asset's name:

    fail    raises InvalidInput            bug     raises what nobody foresaw
    slow    reports progress for ever      native  blocks where it cannot be asked to stop
    memory  runs out of memory             estimate   foresees that it would
    gil     blocks with the lock of the interpreter   threads  works in native threads for ever
    python  says that it begins, then is slow
    child   waits for a process of its own            cpu      reports while it computes for ever
    allocate, keep, write, open   N bytes, N bytes for good, a file of N bytes, N files
    picture opens the picture whose hexadecimal bytes follow
    wait    does so until a file exists    slow-once  is slow at the first try only
    die     kills its own process          die-once does so at the first try only
    fast    reports a hundred times at once
    steps9  reports nine times, 10 ms apart (any number)
    ticks9  reports nine times, half a second apart (any number)
    who     names its process in the Gaussians
    warn    warns and shows a preview; anything else just works
"""

import hashlib
import io
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from pipeline import (
    Artifact,
    Build,
    BuildRequest,
    GenerateRequest,
    Generation,
    LoadOptions,
    ModelFacts,
    Progress,
    Stage,
    StageMeter,
    Variant,
)
from pipeline.errors import BudgetUnreachable, InvalidInput, ModelUnavailable, OutOfMemory

PREVIEW = b"\x89PNG a picture"

kept: list[bytes] = []


@dataclass(frozen=True, kw_only=True)
class Models:
    """Stands for loaded weights."""

    facts: tuple[ModelFacts, ...] = (
        ModelFacts(
            name="fake",
            digest="00" * 32,
            license="MIT",
            takes=("prompt", "image"),
            formats=("mesh", "gaussian"),
        ),
    )
    device_in_words: str = "cpu, 2 threads"
    backends: Mapping[str, str] = field(default_factory=lambda: {"attention": "none"})


def load_models(options: LoadOptions) -> Models:
    """Load nothing. What is in the folder may keep it from that.

    A file `broken`: it cannot be loaded; `deadly`: the process dies; `endless`: it takes for ever.
    """
    folder = Path(options.models[0])
    if (folder / "broken").exists():
        raise ModelUnavailable(f"{folder}/ckpts/a.safetensors cannot be read; copy it again")
    if (folder / "deadly").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / "endless").exists():
        threading.Event().wait()
    return Models()


def generate(request: GenerateRequest, models: Models, progress: StageMeter) -> Generation:
    """Make surfaces and Gaussians out of the request's text or pictures and all else in it."""
    progress(Stage.PREPROCESS, 1.0)
    text = request.prompt if request.prompt is not None else b" + ".join(request.images).decode()
    _act(text, Stage.SPARSE_STRUCTURE, progress)
    progress(Stage.DECODE, 1.0)
    if request.shape is not None:
        text += f" shaped like {request.shape.decode()}"
    if request.adapter is not None:
        text += f" with {request.adapter_strength} of {request.adapter.decode()}"
    # Seed 13 gives nothing.
    seeds = [seed for seed in request.seeds if seed != 13]
    if len(seeds) < len(request.seeds):
        progress.warn(Stage.SPARSE_STRUCTURE, "seed 13 gave nothing and is left out")
    text += f" by process {os.getpid()}" if text.startswith("who") else ""
    return Generation(
        model=models.facts[0],
        variants=tuple(_variant(request, f"{seed} {text}", seed) for seed in seeds),
    )


def _variant(request: GenerateRequest, text: str, seed: int) -> Variant:
    formats = request.options.decode.formats
    splat = Artifact(
        role="gaussian",
        file_name=f"{request.name}.{seed}.ply",
        media_type="application/octet-stream",
        content=f"ply {text}".encode(),
    )
    return Variant(
        seed=seed,
        slat=f"slat {text}".encode(),
        surface=text.encode() if "mesh" in formats else None,
        artifacts=(splat,) if "gaussian" in formats else (),
    )


def surface_from_glb(content: bytes, max_triangles: int, progress: Progress) -> bytes:
    """Take the mesh as it is."""
    _act(content[:100].decode("latin-1"), Stage.PREPROCESS, progress)
    return content


def build_asset(request: BuildRequest, meter: StageMeter) -> Build:
    """Make the three artifacts and the part `repaired`; all bytes follow from the request."""
    _act(request.name.lower(), Stage.BAKE, meter)
    meter(Stage.EXPORT, 1.0)
    glb = b"glTF" + hashlib.sha256(request.surface + repr(request.options).encode()).digest()
    budgets = [target.triangles or 0 for target in request.options.lod.chain]
    report = {
        "recipe": request.recipe,
        "stages": [record.stage for record in (*request.earlier, *meter.finish())],
        "warnings": [*request.earlier_warnings, *meter.warnings],
        "lods": [
            {
                "triangle_count": budget - 1,
                "budget": budget,
                "deviation_max_m": 0.002,
                "deviation_mean_m": 0.001,
                "screen_coverage": 0.5**index,
            }
            for index, budget in enumerate(budgets, 1)
        ],
        "collision": {"kind": "hull", "hull_count": 1, "over_cover": 1.25, "protrusion_m": 0.01},
    }
    name = request.name
    artifacts = (
        Artifact(
            role="model", file_name=f"{name}.glb", media_type="model/gltf-binary", content=glb
        ),
        Artifact(
            role="report",
            file_name=f"{name}.report.json",
            media_type="application/json",
            content=json.dumps(report).encode(),
        ),
        Artifact(
            role="preview",
            file_name=f"{name}.preview.png",
            media_type="image/png",
            content=PREVIEW,
        ),
    )
    repaired = b"repaired " + request.surface
    if request.kept.get("repaired") == repaired:
        return Build(artifacts=artifacts, kept={})
    return Build(artifacts=artifacts, kept={"repaired": repaired})


def _act(text: str, stage: Stage, progress: Progress) -> None:
    progress(stage, 0.0)
    words = text.split()
    match words[0] if words else "":
        case "fail":
            raise InvalidInput(f"{text!r} cannot be made; ask for something else")
        case "unreachable":
            raise BudgetUnreachable("LOD3 cannot have 1 triangle; ask for 12", smallest_count=12)
        case "bug":
            raise ZeroDivisionError("a secret path: /srv/models")
        case "memory":
            raise MemoryError
        case "estimate":
            raise OutOfMemory("that needs 9 GB, 8 GB are free; ask for less", is_estimate=True)
        case "slow":
            while True:
                progress(stage, 0.5)
                time.sleep(0.01)
        case "native":
            progress.warn(stage, "the silence begins")
            threading.Event().wait(60)
        case "gil":
            progress.warn(stage, "the silence begins")
            re.match(r"(a+)+$", "a" * 60 + "b")  # takes longer than the universe
        case "threads":
            spin_in_threads(lambda: progress.warn(stage, "the silence begins"))
        case "python":
            progress.warn(stage, "the work begins")
            _act("slow", stage, progress)
        case "child":
            with subprocess.Popen(["sleep", "60"]) as child:
                progress.warn(stage, "a child has begun")
                while child.poll() is None:
                    progress(stage, 0.5)
                    time.sleep(0.01)
        case "cpu":
            while True:
                progress(stage, 0.5)
                hashlib.sha256(bytes(1 << 20))
        case "allocate":
            bytes(int(words[1]))
        case "keep":
            kept.append(b"\1" * int(words[1]))
        case "write":
            with tempfile.TemporaryFile() as file:
                file.write(bytes(int(words[1])))
        case "open":
            with ExitStack() as files:
                for _ in range(int(words[1])):
                    files.enter_context(open(os.devnull))
        case "picture":
            Image.open(io.BytesIO(bytes.fromhex(words[1])))
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die-once":
            marker = Path(words[1])
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case "slow-once":
            marker = Path(words[1])
            if not marker.exists():
                marker.write_text(str(os.getpid()))
                _act("slow", stage, progress)
        case "wait":
            while not Path(words[1]).exists():
                progress(stage, 0.5)
                time.sleep(0.01)
        case "fast":
            for step in range(100):
                progress(stage, step / 100)
        case word if match := re.fullmatch(r"(steps|ticks)(\d+)", word):
            count = int(match[2])
            for step in range(count):
                progress(stage, step / count)
                time.sleep(0.01 if match[1] == "steps" else 0.5)
        case "warn":
            progress.preview(stage, PREVIEW)
            progress.warn(stage, "the back of it is invented")
    progress(stage, 1.0)


def spin_in_threads(on_begin: Callable[[], None]) -> None:
    """Compute in two threads, outside Python, for ever."""
    import numba

    @numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # numba has no types
    def spin(number: int) -> int:
        while number >= 0:
            number = (number * 5 + 1) % 1_000_003
        return number

    spin(-1)  # compiles
    on_begin()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(spin, (1, 2)))
