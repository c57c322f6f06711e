"""Which side of the surface is its front: neighbors agree, bodies look outward, sheets are seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.mesh.measuring.measure import (
    BoolArray,
    Float64Array,
    components,
    edges_of,
    face_areas,
)
from pipeline.threads import polled
from pipeline.types import FloatArray, IntArray, Mesh

if TYPE_CHECKING:
    from pipeline.mesh.repairing.sight import Sight

# Closed parts with less volume than a sheet (a sphere has 0.094) have no inside to be turned out.
MIN_VOLUME_RATIO = 1e-6

# An open part is turned if its back is seen so many times as much as its front, and by at least so
# much more: half a ball is seen twice as much from outside, and may be a dish or a dome.
VOTE_FACTOR = 2.5
VOTE_MARGIN = 0.1

# Faces that vote, of all parts together, and rays of each to either side.
VOTERS = 4_000
MIN_VOTERS = 2  # of each part
VOTE_RAYS = range(8)


@dataclass(frozen=True, kw_only=True)
class Turned:
    """What `turn_parts` did.

    flipped, voted: `[P]`, the bodies that were inside out and the open parts whose back was seen.
    sight: of the mesh as it is now, if rays were needed.
    """

    faces: IntArray
    flipped: BoolArray
    voted: BoolArray
    sight: "Sight | None"


def unify_winding(positions: FloatArray, faces: IntArray) -> tuple[IntArray, int, int]:
    """Turn faces so that neighbors agree; in each part the winding of the larger area wins.

    Returns:
        Faces, how many were turned, and how many parts cannot agree (Möbius strips).
    """
    edges = edges_of(faces, len(positions))
    h, g = edges.sides(np.flatnonzero(edges.face_counts == 2))
    conflict = edges.is_forward[h] == edges.is_forward[g]
    if not conflict.any():
        return faces, 0, 0
    # Two nodes per face, as it is and turned. A link joins the states of two neighbors that go
    # together, so each part falls into its two windings, or into one piece if it has one side.
    count = len(faces)
    f, g = h // 3, g // 3
    _, labels = components(
        2 * count,
        np.concatenate([f, f + count]),
        np.concatenate([g + count * conflict, g + count * ~conflict]).astype(np.int32),
    )
    as_is, turned = labels[:count], labels[count:]
    areas = face_areas(Mesh(positions=positions, faces=faces))
    unchanged_area = np.bincount(as_is, areas, minlength=labels.max() + 1)
    gain = unchanged_area[turned] - unchanged_area[as_is]
    flip = (gain > 0) | ((gain == 0) & (turned < as_is))
    return (
        np.where(flip[:, None], faces[:, ::-1], faces).astype(np.int32),
        int(flip.sum()),
        len(np.unique(as_is[as_is == turned])),
    )


def turn_parts(
    mesh: Mesh,
    part: IntArray,
    is_body: BoolArray,
    *,
    is_flipping: bool,
    may_vote: BoolArray,
    tick: Callable[[], None],
) -> Turned:
    """Turn bodies that look inward, and open parts that are seen from their back.

    The inner walls of hollow bodies look inward rightly.

    Args:
        mesh: Parts whose faces agree.
        part: `[F]`, which part each face belongs to. is_body: `[P]`, which are
            closed but for tears.
        is_flipping: Whether bodies are turned.
        may_vote: `[P]`, which open parts may be turned.
        tick: Called about every 0.1 s; may raise to stop.
    """
    sight: Sight | None = None

    def look() -> "Sight":
        nonlocal sight
        if sight is None:
            from pipeline.mesh.repairing.sight import Sight

            sight = polled(lambda: Sight(mesh, part), tick)
        return sight

    flipped = np.zeros(len(is_body), bool)
    if is_flipping:
        flipped = _are_inside_out(mesh, part, is_body, look, tick)
    voted = may_vote & ~is_body
    if voted.any():
        voted = _are_seen_from_back(look(), voted, tick)
    turn = flipped | voted
    faces = mesh.faces
    if turn.any():
        faces = np.where(turn[part][:, None], faces[:, ::-1], faces).astype(np.int32)
        sight = sight.turned(turn) if sight else None
    return Turned(faces=faces, flipped=flipped, voted=voted, sight=sight)


def _are_inside_out(
    mesh: Mesh,
    part: IntArray,
    is_body: BoolArray,
    look: Callable[[], "Sight"],
    tick: Callable[[], None],
) -> BoolArray:
    """`[P]`: which bodies look the wrong way."""
    from pipeline.mesh.repairing.half_edges import sum_parts

    sums = sum_parts(mesh.positions, mesh.faces, part, len(is_body))
    has_inside = is_body & (np.abs(sums.volumes) > MIN_VOLUME_RATIO * sums.areas**1.5)
    # When all bodies together are inside out, so are bodies and hollows alike.
    all_inverted = sums.volumes[has_inside].sum() < 0
    inverted = has_inside & ((sums.volumes > 0) if all_inverted else (sums.volumes < 0))
    boxes = sums.boxes[is_body]
    candidates = np.flatnonzero(inverted)
    is_boxed = [_is_boxed(sums.boxes[candidate], boxes, tick) for candidate in candidates.tolist()]
    candidates = candidates[np.array(is_boxed, bool)]
    if len(candidates):
        face = np.empty(len(is_body), np.int64)
        face[part[::-1]] = np.arange(len(part))[::-1]  # the first one of each part
        points = mesh.positions[mesh.faces[face[candidates], 0]]
        inside = look().are_inside(points, candidates, is_body)
        inverted[candidates[inside]] = False
    flipped: BoolArray = (has_inside & ~inverted) if all_inverted else inverted
    return flipped


def _is_boxed(box: Float64Array, boxes: Float64Array, tick: Callable[[], None]) -> bool:
    """Whether a box lies in one of the others."""
    tick()
    is_around = (boxes[:, :3] < box[:3]).all(axis=1) & (boxes[:, 3:] > box[3:]).all(axis=1)
    return bool(is_around.any())


def _are_seen_from_back(sight: "Sight", is_asked: BoolArray, tick: Callable[[], None]) -> BoolArray:
    """`[P]`: which of these parts are seen far more from their back than from their front."""
    count = len(is_asked)
    faces = np.flatnonzero(is_asked[sight.face_part])
    faces = faces[np.argsort(sight.face_part[faces], kind="stable")]
    sizes = np.bincount(sight.face_part[faces], minlength=count)
    # Of each part every so many faces, for an equal share of the voters.
    rank = np.arange(len(faces)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    most = max(MIN_VOTERS, VOTERS // int(is_asked.sum()))
    faces = faces[rank % np.repeat(np.maximum(-(-sizes // most), 1), sizes) == 0]
    part, areas = sight.face_part[faces], sight.areas[faces]
    front, back = (
        np.bincount(part, areas * sight.escapes(faces, VOTE_RAYS, tick, from_back=side), count)
        for side in (False, True)
    )
    most_seen = len(VOTE_RAYS) * np.bincount(part, areas, count)
    seen: BoolArray = (back > VOTE_FACTOR * front) & (back - front > VOTE_MARGIN * most_seen)
    return seen
