import json

import numpy as np
import pytest

from pipeline.errors import InvalidInput
from pipeline.export.profiles import ExportOptions
from pipeline.pictures.levels import read_levels
from tests.pipeline.pictures.sample_assets import asset
from tests.pipeline.samples import pack_glb, triangle_file, unpack_glb, unwrapped_cube

LODS = [unwrapped_cube(segments=segments) for segments in (4, 2, 1)]


@pytest.mark.parametrize("profile", ["generic", "unity", "unreal"])
def test_lods_are_found_finest_first_where_the_file_has_all(profile: str) -> None:
    chain = read_levels(asset(*LODS, options=ExportOptions(profile=profile)))  # type: ignore[arg-type]
    assert [level.triangle_count for level in chain.levels] == [192, 48, 12]
    assert chain.coverages == (0.5, 0.25, 0.125)
    assert chain.name == "Cube"


def test_a_foreign_file_has_one_lod_and_no_coverages() -> None:
    chain = read_levels(triangle_file().glb())
    assert (len(chain.levels), chain.coverages) == (1, ())


@pytest.mark.parametrize(
    "extras", ["words", 3, [1], {"MSFT_screencoverage": [0.5]}, {"MSFT_screencoverage": [2, 1, 0]}]
)
def test_extras_that_are_not_meant_for_us_say_nothing(extras: object) -> None:
    document, binary = unpack_glb(asset(*LODS))
    for node in document["nodes"]:
        node["extras"] = extras
    chain = read_levels(pack_glb(json.dumps(document).encode(), binary))
    assert chain.coverages == ()
    assert len(chain.levels) == 3


def test_a_lod_that_is_not_there_is_named() -> None:
    chain = read_levels(asset(*LODS))
    with pytest.raises(InvalidInput, match="no LOD3 in the file, which has LOD0 to LOD2"):
        chain.level(3)


def test_joined_draws_are_all_triangles_where_they_were() -> None:
    level = read_levels(asset(LODS[0])).levels[0]
    double = type(level)(draws=level.draws * 2)
    joined = double.joined
    corners = joined.positions[joined.faces]
    once = level.draws[0].positions[level.draws[0].faces]
    assert np.array_equal(corners, np.concatenate([once, once]))
