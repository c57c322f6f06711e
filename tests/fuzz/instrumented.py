"""One target under atheris: `python -m tests.fuzz.instrumented glb COMMAND [ARGUMENT...]`.

A process of its own, because coverage is counted by rewriting modules as they are imported. COMMAND
is what libFuzzer calls to have more of it, with the same arguments and some of its own.
"""

import sys
from pathlib import Path
from random import Random

import atheris

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ["pipeline", "server", "PIL"]


def main(name: str, command: list[str]) -> None:
    """Fuzz a target until libFuzzer ends the process."""
    with atheris.instrument_imports(include=_PACKAGES, exclude=_compiled_modules()):
        from tests.fuzz.ceilings import ceilings
        from tests.fuzz.targets import load_target, prepared

        target = load_target(name)

    def consume(data: bytes) -> None:
        with ceilings():
            target.consume(data)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        changed = target.mutate(data, random) if random.randrange(4) else data
        if changed == data or len(changed) > max_size:  # libFuzzer follows comparisons
            changed = atheris.Mutate(data, max_size)
        return changed

    atheris.Setup(command, consume, custom_mutator=mutate)
    with prepared(target):
        for content in target.seeds().values():
            target.consume(content)  # what is loaded or compiled once is no cost of an input
        atheris.Fuzz()


def _compiled_modules() -> list[str]:
    """The modules that numba compiles, which cannot be rewritten before."""
    return [
        ".".join(file.relative_to(_ROOT).with_suffix("").parts)
        for file in (_ROOT / "pipeline").rglob("*.py")
        if "njit" in file.read_text()
    ]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
