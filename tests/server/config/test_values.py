"""Sizes, times and the rest, as text and as TOML."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config.values import Bytes, Seconds, Setting, from_text, from_toml, to_text

HERE = Path("/etc/lodsmith")


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Bytes, "1024", 1024),
        (Bytes, "8 GiB", 8 * 2**30),
        (Bytes, "1.5KiB", 1536),
        (Bytes, " 20 MB ", 20_000_000),
        (Bytes, "1e9", 1_000_000_000),
        (Seconds, "2.5", 2.5),
        (Seconds, "250 ms", 0.25),
        (Seconds, "1.5 h", 5400.0),
        (Seconds, "30 d", 2_592_000.0),
        (int, "-7", -7),
        (float, "0.5", 0.5),
        (bool, "Yes", True),
        (bool, "0", False),
        (str, "cuda:0", "cuda:0"),
        (tuple[str, ...], "a, b", ("a", "b")),
        (tuple[str, ...], "", ()),
        (Path, "~/x", Path.home() / "x"),
        (Path | None, "", None),
    ],
)
def test_text_is_read(kind: Any, text: str, value: Setting) -> None:
    assert from_text(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text", "wanted"),
    [
        (Bytes, "8 gigs", "a size"),
        (Bytes, "8 gib", "a size"),  # not guessed at: b could be bits
        (Bytes, "1.2.3 GB", "a size"),
        (Bytes, "", "a size"),
        (Seconds, "5 m", "a time"),  # minutes or months
        (Seconds, "5 GiB", "a time"),
        (int, "1.5", "a whole number"),
        (float, "much", "a number"),
        (bool, "maybe", "true or false"),
        (Path, "", "a path"),
    ],
)
def test_other_text_is_refused_with_what_is_wanted(kind: Any, text: str, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        from_text(kind, text)


@pytest.mark.parametrize(
    ("kind", "value", "read"),
    [
        (Bytes, 1024, 1024),
        (Bytes, "1 KiB", 1024),
        (Seconds, 3, 3.0),
        (Seconds, "1 min", 60.0),
        (float, 2, 2.0),
        (tuple[str, ...], ["a"], ("a",)),
        (Path, "data", HERE / "data"),
        (Path, "/srv/data", Path("/srv/data")),
        (Path | None, "", None),
    ],
)
def test_toml_is_read(kind: Any, value: object, read: Setting) -> None:
    assert from_toml(kind, value, HERE) == read


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, "50051"),
        (int, 1.5),
        (int, True),
        (float, True),
        (bool, 1),
        (bool, "true"),
        (str, 1),
        (Bytes, 1.5),
        (Bytes, True),
        (tuple[str, ...], "a"),
        (tuple[str, ...], [1]),
        (Path, 1),
        (Path, ["a"]),
    ],
)
def test_toml_of_another_type_is_refused(kind: Any, value: object) -> None:
    with pytest.raises(ValueError, match=r"^(a|true)"):
        from_toml(kind, value, HERE)


@given(st.integers(min_value=0, max_value=2**50))
def test_a_size_that_is_shown_can_be_read(size_bytes: int) -> None:
    assert from_text(Bytes, to_text(Bytes, size_bytes)) == size_bytes


@given(st.floats(min_value=0, max_value=1e11))
def test_a_time_that_is_shown_can_be_read(seconds: float) -> None:
    assert from_text(Seconds, to_text(Seconds, seconds)) == seconds


def test_units_are_the_largest_that_fit_exactly() -> None:
    assert to_text(Bytes, 8 * 2**30) == "8 GiB"
    assert to_text(Bytes, 20_000_000) == "20 MB"
    assert to_text(Bytes, 1536) == "1536 B"
    assert to_text(Bytes, 0) == "0"
    assert to_text(Seconds, 7200.0) == "2 h"
    assert to_text(Seconds, 90.0) == "90 s"
    assert to_text(Seconds, 0.2) == "0.2 s"
