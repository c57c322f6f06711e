"""The house: who may import whom, and what importing costs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("model", "mesh", "texture", "export")  # siblings: none knows another
WIRE = ("grpc", "google", "grpc_health", "grpc_reflection", "grpc_status")


def sources(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "pb" not in path.parts)


def imports(path: Path, *, top_level_only: bool = False) -> Iterator[str]:
    """Yield the dotted names that a file imports; not those under `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text())
    nodes: list[ast.AST] = list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes += node.orelse
        elif top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        else:
            nodes += ast.iter_child_nodes(node)


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_both_packages_are_our_folders() -> None:
    program = "import pipeline, server; print(pipeline.__file__); print(server.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert found == [str(ROOT / name / "__init__.py") for name in ("pipeline", "server")]


@pytest.mark.parametrize("path", sources("pipeline"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_pipeline_knows_nothing_of_the_server_or_the_wire(path: Path) -> None:
    foreign = [name for name in imports(path) if any(is_in(name, p) for p in ("server", *WIRE))]
    assert foreign == []


@pytest.mark.parametrize("room", ROOMS)
def test_sibling_rooms_do_not_know_each_other(room: str) -> None:
    others = [f"pipeline.{other}" for other in ROOMS if other != room]
    above = [
        f"pipeline.{name}"
        for name in ("run", "options", "load", "decode", "encode", "checkpoints", "training")
    ]
    for path in sources(f"pipeline/{room}"):
        foreign = [n for n in imports(path) if any(is_in(n, p) for p in (*others, *above))]
        assert foreign == [], str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", sources("server"), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_server_does_not_import_torch_at_the_top(path: Path) -> None:
    assert not [name for name in imports(path, top_level_only=True) if is_in(name, "torch")]


def test_there_are_no_utils() -> None:
    names = [path.stem for folder in ("server", "pipeline", "tests") for path in sources(folder)]
    assert not {"utils", "util", "helpers", "common", "misc"} & set(names)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("pipeline", ("torch", "grpc", "scipy", "numba", "PIL")),  # options are read everywhere
        ("server.app", ("torch",)),
        ("server.engine.worker", ("torch", "grpc")),  # a worker is started often, beside a fork ban
        ("server.cli", ("grpc", "typer", "numpy")),
    ],
)
def test_importing_is_light(module: str, absent: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print([m for m in {absent!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
