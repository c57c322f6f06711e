"""Move the vertices of a collapsed mesh to where it follows the dense one best.

A collapse looks only at what it replaces. Here the whole is looked at: points are spread over the
dense surface, each finds its place on the coarse one, and all vertices move together so that the
squared distances along the normals fall. It takes a tenth to a fifth off the mean deviation.

Source: Hoppe et al., Mesh Optimization, 1993 (least squares with fixed topology). We measure
distances along normals, so that vertices do not slide within the surface, and descend by steps
that need no matrix: every corner of a face answers for its share of a distance.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pipeline.mesh.lods.collapse import (
    Float64Array,
    Tables,
    allocating,
    following,
    inlined,
    kernel,
    move,
    preceding,
    squared_distance,
)
from pipeline.types import FloatArray, IntArray

# Eight would bring the mean deviation down by another 2 %, fewer leave faces without any.
POINTS_PER_FACE = 5

# Steps for one assignment of points to places. Five take most of what fifteen do.
STEPS = 5

# So much of the weights of all normals around it holds a vertex where it is.
_HOLD_RATIO = 0.01

# A point farther away than so many times its face's size has lost its part of the surface; it
# pulls as if it were that near.
_MAX_PULL = 0.5

# Faces around a point's vertex are searched, then those around their nearest corner, so often.
_MAX_HOPS = 8

# A vertex moves no farther than its farthest point was away: the normals around a tip say little
# about its direction, and it would grow into a needle.
_MAX_MOVE = 0.6

# A face that would turn more than 60 degrees, or become a sliver, stays.
_MIN_COSINE = 0.5
_MIN_SHAPE = 1e-3

_ATTACHED_PER_CALL = 50_000  # 0.03 s


class Points(NamedTuple):
    """Points on the dense surface.

    places, normals: `[P, 3]` float32, in the units of the tables. vertex: `[P]` int32: a vertex of
    the tables that is near, or -1 where the surface has none left.
    """

    places: FloatArray
    normals: FloatArray
    vertex: IntArray


class _Work(NamedTuple):
    """Where each point is on the coarse surface, and the sums of a step.

    face: `[P]` int32, -1 for nowhere. shares: `[P, 2]` float32 of the face's second and third
    corner. normal: `[P, 3]` float32 of the face. sums: `[V, 9]` float64: the weights of normals
    (upper triangle) and what they pull. before: `[V, 3]` float32 positions. reach: `[V]` float32:
    squared distance of the farthest point that a vertex answers for.
    """

    face: IntArray
    shares: FloatArray
    normal: FloatArray
    sums: Float64Array
    before: FloatArray
    reach: FloatArray


def fit(t: Tables, points: Points, tick: Callable[[], None]) -> None:
    """Move the vertices of `t`; its quadrics and queue are out of date then.

    No face turns over or becomes a sliver. Borders keep their outline.

    Args:
        t: A mesh that remembers what it has swallowed.
        points: On what it was, about `POINTS_PER_FACE` for each of its faces. Their vertices
            become the nearest ones.
        tick: Called about every 0.1 s; may raise to stop.
    """
    count = len(points.vertex)
    work = _Work(
        face=np.full(count, -1, np.int32),
        shares=np.zeros((count, 2), np.float32),
        normal=np.zeros((count, 3), np.float32),
        sums=np.zeros((len(t.out), 9)),
        before=t.vertices[:, :3].copy(),
        reach=np.zeros(len(t.out), np.float32),
    )
    for start in range(0, count, _ATTACHED_PER_CALL):
        tick()
        _attach(t, points, work, start, min(start + _ATTACHED_PER_CALL, count))
    for step in range(STEPS):
        tick()
        _step(t, points, work, step == 0)
    tick()
    _settle(t, work)


@allocating
def spread(positions: FloatArray, faces: IntArray, count: int) -> Points:
    """Spread `count` points evenly over a mesh; always the same. The vertex is a face's corner.

    Source: Roberts, The Unreasonable Effectiveness of Quasirandom Sequences, 2018 (R2).
    """
    total = 0.0
    areas = np.empty(len(faces))
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = _between(positions, a, b)
        vx, vy, vz = _between(positions, a, c)
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        areas[f] = 0.5 * np.sqrt(x * x + y * y + z * z)
        total += areas[f]
    places = np.empty((count, 3), np.float32)
    normals = np.zeros((count, 3), np.float32)
    vertex = np.full(count, -1, np.int32)
    plastic = 1.3247179572447460
    step, so_far, n = total / count, 0.0, 0
    for f in range(len(faces)):
        so_far += areas[f]
        while n < count and (n + 0.5) * step <= so_far:
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            u = (0.5 + n / plastic) % 1.0
            v = (0.5 + n / (plastic * plastic)) % 1.0
            if u + v > 1.0:
                u, v = 1.0 - u, 1.0 - v
            ux, uy, uz = _between(positions, a, b)
            vx, vy, vz = _between(positions, a, c)
            places[n, 0] = positions[a, 0] + u * ux + v * vx
            places[n, 1] = positions[a, 1] + u * uy + v * vy
            places[n, 2] = positions[a, 2] + u * uz + v * vz
            x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            length = np.sqrt(x * x + y * y + z * z)
            normals[n, 0], normals[n, 1], normals[n, 2] = x / length, y / length, z / length
            vertex[n] = a
            if max(u, v) > 1.0 - u - v:
                vertex[n] = b if u > v else c
            n += 1
    return Points(places, normals, vertex)


@inlined
def _between(p: FloatArray, a: int, b: int) -> tuple[float, float, float]:
    return (
        np.float64(p[b, 0]) - p[a, 0],
        np.float64(p[b, 1]) - p[a, 1],
        np.float64(p[b, 2]) - p[a, 2],
    )


@kernel
def _attach(t: Tables, points: Points, work: _Work, start: int, end: int) -> None:
    """Find each point's place: walk over the surface, so that no thin wall is crossed."""
    p, corners = t.vertices, t.corners
    for n in range(start, end):
        work.face[n] = -1
        v = points.vertex[n]
        if v < 0 or t.out[v] < 0:
            continue
        sx = np.float64(points.places[n, 0])
        sy = np.float64(points.places[n, 1])
        sz = np.float64(points.places[n, 2])
        nearest = np.inf
        for _ in range(_MAX_HOPS):
            found = -1
            px, py, pz = sx - p[v, 0], sy - p[v, 1], sz - p[v, 2]
            h = t.out[v]
            while True:
                last = preceding(h)
                ux, uy, uz = _between(p, v, corners[following(h), 0])
                vx, vy, vz = _between(p, v, corners[last, 0])
                x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
                normals = points.normals
                facing = x * normals[n, 0] + y * normals[n, 1] + z * normals[n, 2]
                if facing > 0.0:
                    squared, a, b = squared_distance(px, py, pz, ux, uy, uz, vx, vy, vz)
                    if squared < nearest:
                        nearest = squared
                        length = np.sqrt(x * x + y * y + z * z)
                        work.normal[n, 0] = x / length
                        work.normal[n, 1] = y / length
                        work.normal[n, 2] = z / length
                        found = h
                        share_a, share_b = a, b
                h = corners[last, 1]
                if h < 0 or h == t.out[v]:
                    break
            if found < 0:
                break
            # Shares in the order of the face's own corners.
            f, k = found // 3, found % 3
            work.face[n] = f
            if k == 0:
                work.shares[n, 0], work.shares[n, 1] = share_a, share_b
            elif k == 1:
                work.shares[n, 0], work.shares[n, 1] = 1.0 - share_a - share_b, share_a
            else:
                work.shares[n, 0], work.shares[n, 1] = share_b, 1.0 - share_a - share_b
            if max(share_a, share_b) <= 1.0 - share_a - share_b:
                break
            v = corners[following(found), 0] if share_a > share_b else corners[preceding(found), 0]
        points.vertex[n] = v


@kernel
def _step(t: Tables, points: Points, work: _Work, is_first: bool) -> None:
    """Move every vertex to where its share of all distances would be least."""
    p, sums = t.vertices, work.sums
    sums[:] = 0.0
    for n in range(len(work.face)):
        f = work.face[n]
        if f < 0:
            continue
        a, b, c = t.corners[3 * f, 0], t.corners[3 * f + 1, 0], t.corners[3 * f + 2, 0]
        share_b, share_c = np.float64(work.shares[n, 0]), np.float64(work.shares[n, 1])
        share_a = 1.0 - share_b - share_c
        x, y, z = (
            np.float64(work.normal[n, 0]),
            np.float64(work.normal[n, 1]),
            np.float64(work.normal[n, 2]),
        )
        pull = squared = 0.0
        for axis in range(3):
            place = share_a * p[a, axis] + share_b * p[b, axis] + share_c * p[c, axis]
            away = points.places[n, axis] - place
            pull += work.normal[n, axis] * away
            squared += away * away
        ux, uy, uz = _between(p, a, b)
        most = _MAX_PULL * np.sqrt(ux * ux + uy * uy + uz * uz)
        pull = min(max(pull, -most), most)
        for corner in range(3):
            v = a if corner == 0 else (b if corner == 1 else c)
            share = share_a if corner == 0 else (share_b if corner == 1 else share_c)
            row = sums[v]
            row[0] += share * x * x
            row[1] += share * x * y
            row[2] += share * x * z
            row[3] += share * y * y
            row[4] += share * y * z
            row[5] += share * z * z
            row[6] += share * pull * x
            row[7] += share * pull * y
            row[8] += share * pull * z
            if is_first:
                work.reach[v] = max(work.reach[v], np.float32(squared))
    for v in range(len(t.out)):
        if t.out[v] < 0:
            continue
        row = sums[v]
        hold = _HOLD_RATIO * (row[0] + row[3] + row[5])
        if hold <= 0.0:
            continue
        axx, ayy, azz = row[0] + hold, row[3] + hold, row[5] + hold
        axy, axz, ayz = row[1], row[2], row[4]
        cxx, cxy, cxz = ayy * azz - ayz * ayz, axz * ayz - axy * azz, axy * ayz - axz * ayy
        cyy, cyz, czz = axx * azz - axz * axz, axy * axz - axx * ayz, axx * ayy - axy * axy
        determinant = axx * cxx + axy * cxy + axz * cxz
        before = work.before
        gx = row[6] + hold * (before[v, 0] - p[v, 0])
        gy = row[7] + hold * (before[v, 1] - p[v, 1])
        gz = row[8] + hold * (before[v, 2] - p[v, 2])
        x = p[v, 0] + (cxx * gx + cxy * gy + cxz * gz) / determinant - before[v, 0]
        y = p[v, 1] + (cxy * gx + cyy * gy + cyz * gz) / determinant - before[v, 1]
        z = p[v, 2] + (cxz * gx + cyz * gy + czz * gz) / determinant - before[v, 2]
        squared, most_squared = x * x + y * y + z * z, _MAX_MOVE * _MAX_MOVE * work.reach[v]
        shorter = np.sqrt(most_squared / squared) if squared > most_squared else 1.0
        p[v, 0] = before[v, 0] + x * shorter
        p[v, 1] = before[v, 1] + y * shorter
        p[v, 2] = before[v, 2] + z * shorter


@kernel
def _settle(t: Tables, work: _Work) -> None:
    """Put the corners of faces that have come to harm back where they were."""
    p, before, mark = t.vertices, work.before, t.mark
    mark[:] = 0  # one: is back
    is_changed = True
    while is_changed:
        is_changed = False
        for f in range(len(t.corners) // 3):
            a, b, c = t.corners[3 * f, 0], t.corners[3 * f + 1, 0], t.corners[3 * f + 2, 0]
            if a < 0 or (mark[a] and mark[b] and mark[c]):
                continue
            if not _is_sound(p, before, a, b, c):
                is_changed = True
                for corner in range(3):
                    v = t.corners[3 * f + corner, 0]
                    mark[v] = 1
                    for axis in range(3):
                        p[v, axis] = before[v, axis]
    for v in range(len(t.out)):
        if t.out[v] >= 0 and not mark[v]:
            x, y, z = np.float64(p[v, 0]), np.float64(p[v, 1]), np.float64(p[v, 2])
            for axis in range(3):
                p[v, axis] = before[v, axis]
            move(t, v, x, y, z)
    mark[:] = 0
    t.counts[2] = 0  # marks count from here


@inlined
def _is_sound(p: FloatArray, before: FloatArray, a: int, b: int, c: int) -> bool:
    """Whether a face still looks where it did, and is no worse a sliver than allowed."""
    ux, uy, uz = _between(p, a, b)
    vx, vy, vz = _between(p, a, c)
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    new = x * x + y * y + z * z
    sides = ux * ux + uy * uy + uz * uz + vx * vx + vy * vy + vz * vz
    sides += (vx - ux) ** 2 + (vy - uy) ** 2 + (vz - uz) ** 2
    ux, uy, uz = _between(before, a, b)
    vx, vy, vz = _between(before, a, c)
    ox, oy, oz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    old = ox * ox + oy * oy + oz * oz
    cosine = x * ox + y * oy + z * oz  # times both lengths
    if cosine <= 0.0 or cosine * cosine < _MIN_COSINE * _MIN_COSINE * new * old:
        return False
    old_sides = ux * ux + uy * uy + uz * uz + vx * vx + vy * vy + vz * vz
    old_sides += (vx - ux) ** 2 + (vy - uy) ** 2 + (vz - uz) ** 2
    is_thin = 12.0 * new < _MIN_SHAPE * _MIN_SHAPE * sides * sides
    return not is_thin or new * old_sides * old_sides > old * sides * sides
