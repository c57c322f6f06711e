"""Licences: where they are read, and when someone must agree."""

import json
from pathlib import Path

import pytest

from pipeline.checkpoints.license import check_consent, find_license, needs_consent
from pipeline.errors import InvalidInput
from tests.pipeline.checkpoints.published_folders import entry


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: mit\n---\n", "MIT"),
        ("---\ntags:\n- 3d\nlicense: apache-2.0 # as the code\nx: y\n---\ntext", "Apache-2.0"),
        ('---\nlicense: "other"\nlicense_name: research-only\n---\n', "other"),
        ("---\nlicense:\n- mit\n- cc-by-nc-4.0\ntags: [a]\n---\n", "MIT and cc-by-nc-4.0"),
        ("---\nlicense: [mit, 'bsd-3-clause']\n---\n", "MIT and BSD-3-Clause"),
        ("\ufeff---\r\nlicense: MIT\r\n---\r\n", "MIT"),
        ("---\ntitle: none\n---\nlicense: mit\n", "unknown"),
        ("license: mit\n", "unknown"),
        ("---\nlicense:\n---\n", "unknown"),
        ("", "unknown"),
    ],
)  # fmt: skip
def test_the_model_card_says_it(tmp_path: Path, card: str, expected: str) -> None:
    (tmp_path / "README.md").write_bytes(card.encode())
    assert find_license(tmp_path, None) == expected


def test_a_card_and_a_pipeline_that_differ_both_count(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    (tmp_path / "pipeline.json").write_text(json.dumps({"args": {"license": "CC-BY-NC-4.0"}}))
    assert find_license(tmp_path, None) == "MIT and CC-BY-NC-4.0"


@pytest.mark.parametrize("content", ["{", "[]", '{"args": []}', '{"args": {"license": 3}}'])
def test_a_pipeline_that_says_nothing_usable_declares_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "pipeline.json").write_text(content)
    assert find_license(tmp_path, None) == "unknown"


def test_a_published_model_without_a_card_has_the_catalogs(tmp_path: Path) -> None:
    assert find_license(tmp_path, entry("clip")) == "MIT"


@pytest.mark.parametrize(
    "name", ["unknown", "other", "cc-by-nc-4.0", "MIT and other", "openrail++"]
)
def test_whatever_is_not_permissive_needs_consent(name: str) -> None:
    assert needs_consent(name)
    with pytest.raises(InvalidInput, match="--accept-license"):
        check_consent("chairs", name, is_accepted=False)
    check_consent("chairs", name, is_accepted=True)


@pytest.mark.parametrize("name", ["MIT", "Apache-2.0", "BSD-3-Clause", "MIT and Apache-2.0"])
def test_permissive_ones_need_none(name: str) -> None:
    check_consent("chairs", name, is_accepted=False)
