"""The plugin's folder and the fake engine, importable as in the editor: `lodsmith` and `unreal`."""

import sys
from pathlib import Path

from tests.server.conftest import config, server, start_server  # noqa: F401  # fixtures

ROOT = Path(__file__).resolve().parent.parent.parent
PLUGIN = ROOT / "unreal_client" / "Lodsmith"
PYTHON = PLUGIN / "Content" / "Python"
FAKE = Path(__file__).parent / "fake"

sys.path[:0] = [str(PYTHON), str(FAKE)]
