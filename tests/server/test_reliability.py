"""docs/reliability.md names files that hold its promises; they have to be there, with tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reliability.md").read_text()
ROWS = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("number", "promise", "held_by"), ROWS, ids=[row[0] for row in ROWS])
def test_a_promise_has_tests(number: str, promise: str, held_by: str) -> None:
    files = re.findall(r"`([^`]+)`", held_by)
    assert files
    for file in files:
        text = (ROOT / file).read_text()
        has_tests = "def test_" in text or ".TestCase" in text  # hypothesis has classes
        assert has_tests or file.startswith(".ci/"), file


def test_promises_are_numbered() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) >= 11
