"""All LODs lie in one atlas: nothing overlaps, nothing is mirrored, density is even."""

import threading
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.errors import Cancelled, InvalidInput
from pipeline.mesh.charts.unwrap import UnwrapOptions, unwrap
from pipeline.types import Mesh, Silent, Stage, UnwrappedMesh
from tests.pipeline.mesh.shapes import (
    Listener,
    crumbs,
    cube,
    mesh_of,
    shredded,
    sphere,
    together,
    torus,
)

SIZE = 512
GUTTER = 4


@cache
def _lods() -> tuple[Mesh, ...]:
    return tuple(together(torus(segments=n), sphere(n // 2, bump_m=0.1)) for n in (24, 16, 8))


@cache
def _unwrapped() -> tuple[UnwrappedMesh, ...]:
    return unwrap(_lods(), UnwrapOptions(texture_size=SIZE, gutter_texels=GUTTER), Silent())


def _charts(mesh: UnwrappedMesh) -> NDArray[np.int32]:
    """Number the charts, as what hangs together by vertices: `[F]`."""
    a, b, c = mesh.faces.T
    links = np.ones(2 * len(a), np.int8), (np.concatenate([a, b]), np.concatenate([b, c]))
    count = len(mesh.positions)
    labels = connected_components(coo_array(links, (count, count)), directed=False)[1]
    return np.unique(labels[a], return_inverse=True)[1].astype(np.int32)


def _covered(mesh: UnwrappedMesh, size: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return for each face the rows and columns of the texels whose center is strictly inside."""
    out = []
    for corners in mesh.uvs[mesh.faces].astype(np.float64) * size:
        low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        x, y = np.meshgrid(*(np.arange(a, b) + 0.5 for a, b in zip(low, high, strict=True)))
        sides = []
        for k in range(3):
            (x0, y0), (x1, y1) = corners[k], corners[(k + 1) % 3]
            sides.append((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0))
        inside = (np.array(sides) > 1e-9).all(axis=0) | (np.array(sides) < -1e-9).all(axis=0)
        out.append((y[inside].astype(np.intp), x[inside].astype(np.intp)))
    return out


def _cover_counts(meshes: tuple[UnwrappedMesh, ...], size: int) -> NDArray[np.int64]:
    counts = np.zeros((size, size), np.int64)
    for mesh in meshes:
        for texels in _covered(mesh, size):
            np.add.at(counts, texels, 1)
    return counts


def _signed_areas(mesh: UnwrappedMesh) -> NDArray[np.float64]:
    """Areas in the atlas as seen with v up, positive when counter-clockwise."""
    a, b, c = (mesh.uvs.astype(np.float64) * (1, -1))[mesh.faces].transpose(1, 0, 2)
    doubled = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    return np.asarray(doubled / 2)


def _densities(mesh: UnwrappedMesh) -> NDArray[np.float64]:
    a, b, c = mesh.positions.astype(np.float64)[mesh.faces].transpose(1, 0, 2)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return np.asarray(np.sqrt(_signed_areas(mesh) / areas))


def _assert_sound(meshes: tuple[UnwrappedMesh, ...], size: int) -> None:
    counts = _cover_counts(meshes, size)
    assert (counts > 1).sum() <= 1e-4 * (counts > 0).sum()
    for mesh in meshes:
        assert (_signed_areas(mesh) > 0).all()
        assert (mesh.tangents[:, 3] == 1).all()
        assert mesh.uvs.min() >= 0
        assert mesh.uvs.max() <= 1


def test_nothing_overlaps_or_is_mirrored() -> None:
    _assert_sound(_unwrapped(), SIZE)


def test_charts_of_all_lods_keep_the_gutter() -> None:
    owners = np.full((SIZE, SIZE), -1)
    first = 0
    for mesh in _unwrapped():
        charts = _charts(mesh)
        for texels, chart in zip(_covered(mesh, SIZE), charts, strict=True):
            owners[texels] = first + chart
        first += charts.max() + 1
    nothing = owners < 0
    # A window of GUTTER + 1 texels that holds two charts would mean fewer free ones between.
    highest = maximum_filter(np.where(nothing, -1, owners), GUTTER + 1)
    lowest = minimum_filter(np.where(nothing, first, owners), GUTTER + 1)
    assert not ((highest >= 0) & (highest != lowest)).any()


def test_faces_keep_their_order_and_place() -> None:
    for mesh, result in zip(_lods(), _unwrapped(), strict=True):
        assert np.array_equal(mesh.positions[mesh.faces], result.positions[result.faces])


def test_vertices_are_split_at_seams_only() -> None:
    for mesh in _unwrapped():
        both = np.concatenate([mesh.positions, mesh.uvs], axis=1)
        assert len(np.unique(both, axis=0)) == len(both)
    assert len(_unwrapped()[0].positions) < 1.5 * len(np.unique(_lods()[0].positions, axis=0))


def test_vertices_at_one_place_are_one() -> None:
    loose = shredded(sphere(8))
    (from_loose,) = unwrap((loose,), UnwrapOptions(texture_size=SIZE), Silent())
    assert len(from_loose.positions) < 0.6 * len(loose.positions)


def test_density_is_even_and_halves_from_lod_to_lod() -> None:
    of_lods = []
    for mesh in _unwrapped():
        densities = _densities(mesh)
        of_lods.append(
            np.sqrt(_signed_areas(mesh).sum() / (_signed_areas(mesh) / densities**2).sum())
        )
        low, high = np.percentile(densities / of_lods[-1], [5, 95])
        assert low >= 0.75
        assert high <= 1.25
    assert np.allclose(np.divide(of_lods[1:], of_lods[:-1]), 0.5, rtol=1e-3)


def test_the_atlas_is_well_filled() -> None:
    assert sum(_signed_areas(mesh).sum() for mesh in _unwrapped()) >= 0.5


def test_size_in_metres_does_not_matter() -> None:
    # xatlas ignores faces under an absolute area: a ring of 1 mm must come out like one of 1 m.
    listener = Listener()
    small = mesh_of(torus().positions / 1000, torus().faces)
    (result,) = unwrap((small,), UnwrapOptions(texture_size=SIZE), listener)
    assert not listener.warnings
    assert _signed_areas(result).sum() >= 0.5
    assert _charts(result).max() < 40


def test_same_input_same_bytes() -> None:
    again = unwrap(_lods(), UnwrapOptions(texture_size=SIZE, gutter_texels=GUTTER), Silent())
    for one, two in zip(_unwrapped(), again, strict=True):
        for name in ("positions", "normals", "tangents", "uvs", "faces"):
            assert getattr(one, name).tobytes() == getattr(two, name).tobytes()


def test_progress_rises_to_one() -> None:
    listener = Listener()
    unwrap((cube(),), UnwrapOptions(texture_size=64), listener)
    assert listener.stages == {Stage.UNWRAP}
    assert listener.fractions == sorted(listener.fractions)
    assert listener.fractions[-1] == 1


@pytest.mark.parametrize(
    ("size", "nearest"), [(100, "64 or 128"), (0, "64"), (10_000, "8192"), (2047, "1024 or 2048")]
)
def test_other_texture_sizes_are_refused(size: int, nearest: str) -> None:
    with pytest.raises(InvalidInput, match=f"got {size}; use {nearest}$"):
        UnwrapOptions(texture_size=size)


def test_gutters_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"gutter_texels must be in 2\.\.64, got 1"):
        UnwrapOptions(gutter_texels=1)


@pytest.mark.parametrize(
    ("mesh", "message"),
    [
        (mesh_of(np.full((3, 3), np.nan), [(0, 1, 2)]), "LOD0 has positions that are not numbers"),
        (mesh_of(np.eye(3), [(0, 1, 3)]), "LOD0 has 3 vertices, but faces that name vertex 0 to 3"),
        (mesh_of(np.eye(3), [(0, 1, 1)]), "LOD0 has no surface: 1 faces without area"),
        (mesh_of(np.eye(3), []), "LOD0 has no surface: 0 faces without area"),
    ],
)
def test_meshes_without_a_surface_are_refused(mesh: Mesh, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        unwrap((mesh,), UnwrapOptions(), Silent())


def test_faces_without_area_are_left_out() -> None:
    listener = Listener()
    ball = sphere(6)
    flat = mesh_of(ball.positions, [*ball.faces.tolist(), (0, 1, 1), (2, 2, 2)])
    (result,) = unwrap((flat,), UnwrapOptions(texture_size=SIZE), listener)
    assert listener.warnings == []
    assert np.array_equal(result.face_source, np.arange(len(ball.faces)))


def test_a_gutter_too_wide_for_many_charts_gives_way_with_a_warning() -> None:
    listener = Listener()
    options = UnwrapOptions(texture_size=128, gutter_texels=32)
    result = unwrap((torus(segments=16),), options, listener)
    assert any("texels, to leave room" in warning for warning in listener.warnings)
    assert _signed_areas(result[0]).sum() >= 0.2


def test_a_texture_too_small_for_its_charts_is_refused() -> None:
    apart = together(*(cube(1, (3 * x, 3 * y, 0)) for x in range(16) for y in range(16)))
    with pytest.raises(InvalidInput, match="texture_size 64 is too small for 768 charts"):
        unwrap((apart,), UnwrapOptions(texture_size=64), Silent())


def test_cancel_ends_the_work() -> None:
    started = threading.active_count()
    with pytest.raises(Cancelled):
        unwrap(_lods(), UnwrapOptions(texture_size=SIZE), Listener(calls_left=6))
    assert threading.active_count() == started


def test_a_wide_soup_of_loose_faces_is_charted() -> None:
    (result,) = unwrap((crumbs(60),), UnwrapOptions(texture_size=SIZE), Silent())
    _assert_sound((result,), SIZE)
    assert len(result.faces) == 240


def test_three_faces_on_one_edge_are_charted() -> None:
    fins = mesh_of(
        [(0, 0, 0), (0, 0, 1), (1, 0, 0), (-1, 1, 0), (-1, -1, 0)],
        [(0, 1, 2), (0, 1, 3), (0, 1, 4)],
    )
    (result,) = unwrap((fins,), UnwrapOptions(texture_size=64), Silent())
    _assert_sound((result,), 64)


def test_the_default_gutter_grows_with_the_texture() -> None:
    gutters = {size: UnwrapOptions(texture_size=size).gutter for size in (64, 1024, 2048, 8192)}
    assert gutters == {64: 2, 1024: 2, 2048: 4, 8192: 16}
    assert UnwrapOptions(texture_size=8192, gutter_texels=3).gutter == 3


def test_other_densities_are_refused() -> None:
    with pytest.raises(InvalidInput, match="uniform or importance, got 'even'"):
        UnwrapOptions(density="even")  # type: ignore[arg-type]


def test_importance_gives_what_is_hidden_fewer_texels() -> None:
    inner, outer = sphere(10), mesh_of(sphere(10).positions * 2, sphere(10).faces)
    options = UnwrapOptions(texture_size=SIZE, density="importance")
    (result,) = unwrap((together(inner, outer),), options, Silent())
    densities = _densities(result)
    up = result.positions[result.faces][:, :, 1].mean(axis=1)
    is_inner = np.arange(len(densities)) < len(inner.faces)
    assert np.isclose(np.median(densities[is_inner]), densities.max() / 2, rtol=0.1)
    assert densities[~is_inner & (up < -1.6)].mean() < 0.85 * densities[up > 1.6].mean()
    _assert_sound((result,), SIZE)
