"""Two faces at most per edge, one fan per vertex, no flat faces; and the same shape as before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.mesh.measuring.measure import degenerate_faces, face_areas, signed_volume, topology
from pipeline.mesh.repairing.manifold import (
    drop_degenerate,
    halve_edges,
    make_manifold,
    split_non_manifold,
)
from pipeline.types import Mesh
from tests.pipeline.mesh.shapes import cube, edge_counts, is_closed_manifold, mesh_of, sphere


def _fan_count(mesh: Mesh) -> int:
    """Fans of faces, counted the slow way: faces around a vertex that hang together by edges."""
    count = 0
    for vertex in range(len(mesh.positions)):
        around = [set(f) - {vertex} for f in mesh.faces.tolist() if vertex in f]
        while around:
            count += 1
            fan = around.pop()
            while touching := [other for other in around if other & fan]:
                for other in touching:
                    fan |= other
                    around.remove(other)
    return count


def test_a_manifold_keeps_its_faces_in_their_order() -> None:
    ball = sphere(12)
    positions, faces = split_non_manifold(ball.positions, ball.faces)
    assert len(positions) == len(ball.positions)
    assert (positions[faces] == ball.positions[ball.faces]).all()


def test_a_body_that_touches_itself_along_an_edge_comes_apart_there() -> None:
    # Five blocks like those on a chess board: they meet by edges only.
    cells = [(0, 0), (1, 1), (2, 0), (2, 2), (0, 2)]
    solid = np.zeros((5, 3, 5), bool)
    for x, z in cells:
        solid[x + 1, 1, z + 1] = True
    mesh = _blocks(solid)
    assert topology(mesh).non_manifold_edge_count > 0
    positions, faces, source = make_manifold(
        mesh.positions, mesh.faces, np.arange(len(mesh.faces), dtype=np.int32)
    )
    result = mesh_of(positions, faces)
    assert is_closed_manifold(result)
    assert signed_volume(result) == pytest.approx(len(cells))
    assert _fan_count(result) == len(positions)
    np.testing.assert_allclose(np.bincount(source, face_areas(result)), face_areas(mesh), rtol=1e-6)


def test_a_seam_that_cannot_be_turned_is_divided_in_its_middle() -> None:
    # Two pairs of faces on the edge 0-1, joined at both its ends by what is around them.
    rim = [(np.cos(a), np.sin(a), z) for z in (0.3, 0.7) for a in (0, np.pi / 2, np.pi, 4.7)]
    mesh = mesh_of(
        [(0, 0, 0), (0, 0, 1), *rim],
        [
            *[(0, 1, 2), (1, 0, 3), (0, 1, 4), (1, 0, 5)],
            *[(0, 2, 3), (1, 3, 2), (0, 4, 5), (1, 5, 4)],
            *[(0, 3, 4), (1, 4, 3), (0, 5, 2), (1, 2, 5)],
        ],
    )
    positions, faces, source = make_manifold(
        mesh.positions, mesh.faces, np.arange(len(mesh.faces), dtype=np.int32)
    )
    result = mesh_of(positions, faces)
    assert max(edge_counts(result).values()) <= 2
    assert face_areas(result).sum() == pytest.approx(face_areas(mesh).sum(), rel=1e-5)
    assert set(source.tolist()) == set(range(12))


def test_halving_an_edge_keeps_shape_and_winding() -> None:
    body = cube()
    h = 0
    a, b = body.faces[0, :2].tolist()
    (g,) = [
        3 * f + c
        for f in range(12)
        for c in range(3)
        if (body.faces[f, c], body.faces[f, (c + 1) % 3]) == (b, a)
    ]
    positions, faces, parent = halve_edges(body.positions, body.faces, [(h, g), (h, g)])
    result = mesh_of(positions, faces)
    assert len(faces) == 14  # the second pair is divided already
    assert is_closed_manifold(result)
    assert signed_volume(result) == pytest.approx(1)
    assert parent.tolist() == [*range(12), 0, g // 3]
    assert (faces[12:, 0] < 8).all()


def test_a_chain_of_flat_faces_goes_and_the_surface_stays_closed() -> None:
    ball = sphere(10)
    rng = np.random.default_rng(3)
    positions = ball.positions.copy()
    for face in rng.choice(len(ball.faces), 12, replace=False):
        a, b, c = ball.faces[face]
        positions[a] = (positions[b] + positions[c]) / 2
    mesh = mesh_of(positions, ball.faces)
    assert degenerate_faces(mesh).sum() >= 12
    faces, source = drop_degenerate(
        positions, mesh.faces, np.arange(len(mesh.faces), dtype=np.int32)
    )
    result = mesh_of(positions, faces)
    assert not degenerate_faces(result).any()
    assert topology(result).boundary_edge_count == 0
    assert len(source) == len(faces)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000))
def test_flat_faces_are_found_among_many(seed: int) -> None:
    """Only what is near flat faces is looked at again; the rest must come out as it was."""
    rng = np.random.default_rng(seed)
    ball = sphere(8)
    positions = ball.positions.copy()
    chosen = rng.choice(len(ball.faces), rng.integers(1, 8), replace=False)
    for a, b, _ in ball.faces[chosen]:
        positions[a] = positions[b]
    faces, source = drop_degenerate(
        positions, ball.faces, np.arange(len(ball.faces), dtype=np.int32)
    )
    assert not degenerate_faces(mesh_of(positions, faces)).any()
    touched = np.isin(ball.faces, ball.faces[chosen]).any(axis=1)
    far = np.flatnonzero(~np.isin(ball.faces, ball.faces[touched]).any(axis=1))
    kept = {int(s): f.tolist() for s, f in zip(source, faces, strict=True)}
    assert all(kept[f] == ball.faces[f].tolist() for f in far.tolist())


def _blocks(solid: np.ndarray) -> Mesh:
    """The surface of unit cubes, each side on the vertices of the grid."""
    faces = []
    for cell in np.argwhere(solid):
        for axis in range(3):
            for step in (0, 1):
                beside = cell.copy()
                beside[axis] += 2 * step - 1
                if solid[tuple(beside)]:
                    continue
                u, v = np.eye(3, dtype=int)[[(axis + 1) % 3, (axis + 2) % 3]]
                corner = cell + step * np.eye(3, dtype=int)[axis]
                quad = [corner, corner + u, corner + u + v, corner + v]
                faces.append(quad if step else quad[::-1])
    corners = np.array(faces).reshape(-1, 3)
    positions, index = np.unique(corners, axis=0, return_inverse=True)
    a, b, c, d = index.reshape(-1, 4).T
    return mesh_of(positions, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]))
