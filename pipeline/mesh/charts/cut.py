"""Cuts a mesh into charts."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.mesh.charts.flatten import Flat, lay_flat, number_vertices, projected, rest_shapes
from pipeline.mesh.charts.segment import segment, smooth_borders
from pipeline.mesh.charts.sew import box_fill, longest_seam, sewn
from pipeline.mesh.measuring.measure import components, edges_of
from pipeline.types import IntArray, Mesh

Float64Array = NDArray[np.float64]

_MAX_STRETCH = 1.05  # L2, of a chart
_MAX_UNEVEN = 0.08  # share of a chart whose texel density may be more than 25 % off
_ROUNDS = 8  # of fitting; 4 more change stretch by less than 0.001

# How long a border the smoothing lets go for a face that looks elsewhere: in sides of a mean face.
_BORDER_WEIGHT = 1.2
# A border on an edge costs less the sharper it is, as normals may differ across it.
_LEAST_EDGE_COST = 0.05

# Sewing pays where it takes away this share of the smaller chart's border. Where it takes away
# less, the chart that comes out must fill its box: with fewer charts in worse shapes, 0.25 for all,
# 2 % less of the atlas was filled.
_LEAST_SEAM_SHARE, _SURE_SEAM_SHARE = 0.2, 0.4
_LEAST_BOX_FILL = 0.7
# An edge this sharp stays a seam, as in `vertex_normals`: its two sides are shaded apart
# only there. Yet charts smaller than so many times the least are sewn over it.
_CREASE_ANGLE_DEG = 50.0
_CREASE_AREAS = 8

_REGIONS_SHARE = 0.5  # of the time, when regions lie flat


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Charts of one mesh, each by itself on the plane.

    uvs: `[F, 3, 2]` float64 metres at the corners of each face, counter-clockwise with v up.
    face_charts: `[F]` int32, from 0 on without gaps.
    face_vertices: `[F, 3]` int32, the vertex of each corner, from 0 on without gaps: one for each
        point and chart, and two where a chart is cut open inside.
    """

    uvs: Float64Array
    face_charts: IntArray
    face_vertices: IntArray


def cut(mesh: Mesh, least_area: float, most_area: float, tell: Callable[[float], None]) -> Cut:
    """Cut a mesh into few charts that lie flat with little stretch and cover nothing twice.

    Regions that look about the same way are laid flat; what does not lie well is cut in two, down
    to single faces if need be. Then charts are sewn together where they fit along a long seam, so
    that a limb becomes one chart that is unrolled. No chart is mirrored.

    Args:
        mesh: Welded, without faces that have no area.
        least_area: Square metres. Smaller charts are sewn to a neighbor however short the seam.
        most_area: Square metres that a chart may have, unless it is a single face: large charts
            leave large gaps in an atlas.
        tell: Told the share that is done, every 0.25 s on meshes of up to 200,000 faces; may raise
            to stop.
    """
    cutter = _Cutter(mesh, least_area, most_area, tell)
    cutter.lay_regions_flat()
    cutter.sew()
    return cutter.result()


class _Cutter:
    """One mesh while it is being cut.

    `_charts` has the faces of each chart; numbers are not used again. `_owner` `[F]` is the chart
    of each face, and `_uvs` `[F, 3, 2]` where it lies in it. `_is_joint` `[3F]` are the half-edges
    over which faces hang together.
    """

    def __init__(
        self, mesh: Mesh, least_area: float, most_area: float, tell: Callable[[float], None]
    ) -> None:
        self._least_area, self._most_area, self._tell = least_area, most_area, tell
        self._faces = mesh.faces
        self._corners = mesh.positions[mesh.faces].astype(np.float64)
        along = np.roll(self._corners, -1, axis=1) - self._corners
        self._lengths = np.linalg.norm(along, axis=2).ravel()
        self._area_vectors = np.cross(along[:, 0], along[:, 1]) / 2
        self._areas = np.linalg.norm(self._area_vectors, axis=1)
        self._twin = _twins(mesh)
        normals = self._area_vectors / self._areas[:, None]
        self._cosines = (normals.repeat(3, axis=0) * normals[self._twin // 3]).sum(axis=1)

        self._charts: dict[int, IntArray] = {}
        self._count = 0
        self._owner = np.full(len(mesh.faces), -1, np.int32)
        self._uvs = np.zeros((len(mesh.faces), 3, 2))
        self._is_joint = np.zeros(mesh.faces.size, np.bool_)
        self._scratch = np.full(mesh.faces.size, -1, np.int32)

    def result(self) -> Cut:
        """The charts as they are now."""
        charts = np.unique(self._owner, return_inverse=True)[1].astype(np.int32)
        everything = np.arange(len(self._faces), dtype=np.int32)
        vertices, _ = number_vertices(everything, self._twin, self._is_joint, self._scratch)
        return Cut(uvs=self._uvs, face_charts=charts, face_vertices=vertices)

    def lay_regions_flat(self) -> None:
        """Lay each region flat; where that fails, its halves; and so on."""
        everything = np.arange(len(self._faces), dtype=np.int32)
        waiting = self._regions(everything, self._most_area)
        done = 0
        while waiting:
            self._tell(_REGIONS_SHARE * done / len(self._faces))
            faces = waiting.pop()
            flat = self._flat_region(faces)
            if _is_good(flat) or len(faces) == 1:
                self._keep(faces, flat)
                done += len(faces)
            else:
                waiting += self._regions(faces, 0.5 * float(self._areas[faces].sum()))

    def _regions(self, faces: IntArray, most_area: float) -> list[IntArray]:
        """Return the faces of each region of a part of the mesh; two regions at least."""
        place = np.full(len(self._faces), -1, np.int32)
        place[faces] = np.arange(len(faces), dtype=np.int32)
        sides = _sides(faces)
        across = place[self._twin[sides] // 3]
        is_inside = (self._twin[sides] >= 0) & (across >= 0)
        twin = np.where(is_inside, 3 * across + self._twin[sides] % 3, -1).astype(np.int32)
        costs = self._lengths[sides] * self._cosines[sides].clip(_LEAST_EDGE_COST, 1)
        area_vectors = self._area_vectors[faces]

        is_crease = (self._cosines < np.cos(np.radians(_CREASE_ANGLE_DEG)))[sides]
        creases = np.where(is_crease, self._lengths[sides], -self._lengths[sides])
        regions = segment(area_vectors, twin, costs, creases, most_area)
        points, corners = np.unique(self._faces[faces], return_inverse=True)
        at_point = np.argsort(corners.ravel(), kind="stable").astype(np.int32)
        smooth = regions.copy()
        smooth_borders(
            smooth,
            corners.reshape(-1, 3).astype(np.int32),
            at_point // 3,
            np.searchsorted(corners.ravel()[at_point], np.arange(len(points) + 1)),
            area_vectors,
            twin,
            np.where(is_crease, 0.0, costs),  # no border is straightened away from there
            _BORDER_WEIGHT * float(np.sqrt(self._areas[faces].mean())),
        )
        if (smooth != smooth[0]).any():  # else there would be no end
            regions = smooth
        # Only what hangs together is one region.
        h = np.flatnonzero((twin >= 0) & (regions.repeat(3) == regions[twin // 3])).astype(np.int32)
        parts = components(len(faces), h // 3, twin[h] // 3)[1]
        order = np.argsort(parts, kind="stable")
        return np.split(faces[order], np.flatnonzero(np.diff(parts[order])) + 1)

    def _flat_region(self, faces: IntArray) -> Flat:
        self._owner[faces] = -2  # not -1, what waits; nor any chart
        sides = _sides(faces)
        twin = self._twin[sides]
        self._is_joint[sides] = (twin >= 0) & (self._owner[twin // 3] == -2)
        self._owner[faces] = -1
        triangles, count = number_vertices(faces, self._twin, self._is_joint, self._scratch)
        corners = self._corners[faces]
        rest = rest_shapes(corners)
        return lay_flat(triangles, count, rest, projected(corners, rest), _ROUNDS)

    def _keep(self, faces: IntArray, flat: Flat) -> None:
        self._charts[self._count] = faces
        self._uvs[faces] = flat.uvs
        self._owner[faces] = self._count
        self._count += 1

    def sew(self) -> None:
        """Make two charts one where that takes away much border, until there is nothing to gain."""
        tried: set[tuple[int, int]] = set()
        first_count = len(self._charts)
        while True:
            pairs = [pair for pair in self._pairs_to_sew() if pair[:2] not in tried]
            if not pairs:
                break
            for a, b, is_sure in pairs:
                if a in self._charts and b in self._charts:
                    share = 1 - len(self._charts) / first_count
                    self._tell(_REGIONS_SHARE + (1 - _REGIONS_SHARE) * share)
                    self._try_to_sew(a, b, is_sure)
                    tried.add((a, b))

    def _pairs_to_sew(self) -> list[tuple[int, int, bool]]:
        """Neighbors that may gain by it, those with the longest seam for their size first.

        With each pair, whether it does so whatever the shape of the chart that comes out.
        """
        h = np.flatnonzero(self._twin > np.arange(len(self._twin)))
        one, two = self._owner[h // 3], self._owner[self._twin[h] // 3]
        low, high = np.minimum(one, two).astype(np.int64), np.maximum(one, two)
        h, low, high = h[low < high], low[low < high], high[low < high]
        pairs, pair = np.unique(low << 32 | high, return_inverse=True)
        one, two = pairs >> 32, pairs & 0xFFFFFFFF
        border = np.bincount(
            self._owner.repeat(3), self._lengths * ~self._is_joint, minlength=self._count
        )
        seams = np.bincount(pair, self._lengths[h], minlength=len(pairs))
        share = seams / np.minimum(border[one], border[two])
        areas = np.bincount(self._owner, self._areas, minlength=self._count)
        is_sure = np.minimum(areas[one], areas[two]) < self._least_area
        is_sure |= share >= _SURE_SEAM_SHARE
        gains = is_sure | (share >= _LEAST_SEAM_SHARE)
        gains &= areas[one] + areas[two] <= self._most_area
        order = np.argsort(-share, kind="stable")
        order = order[gains[order]]
        return list(
            zip(one[order].tolist(), two[order].tolist(), is_sure[order].tolist(), strict=True)
        )

    def _try_to_sew(self, a: int, b: int, is_sure: bool) -> None:
        if len(self._charts[a]) < len(self._charts[b]):
            a, b = b, a
        large, small = self._charts[a], self._charts[b]
        twin = self._twin[_sides(small)]
        shared = np.sort(twin[(twin >= 0) & (self._owner[twin // 3] == a)])
        seam = longest_seam(shared, self._twin, self._is_joint, self._lengths)
        is_sharp = self._cosines[seam] < np.cos(np.radians(_CREASE_ANGLE_DEG))
        length = self._lengths[seam]
        is_crease = length[is_sharp].sum() > 0.5 * length.sum()
        if is_crease and self._areas[small].sum() >= _CREASE_AREAS * self._least_area:
            return
        self._is_joint[seam] = self._is_joint[self._twin[seam]] = True
        flat = sewn(
            large, small, seam, self._uvs, self._corners, self._twin, self._is_joint, self._scratch
        )
        if _is_good(flat) and (is_sure or box_fill(flat.uvs) >= _LEAST_BOX_FILL):
            del self._charts[a], self._charts[b]
            self._keep(np.concatenate([large, small]), flat)
        else:
            self._is_joint[seam] = self._is_joint[self._twin[seam]] = False


def _is_good(flat: Flat) -> bool:
    return flat.is_simple and flat.stretch <= _MAX_STRETCH and flat.uneven <= _MAX_UNEVEN


def _sides(faces: IntArray) -> IntArray:
    """The half-edges of these faces."""
    return (3 * faces.repeat(3) + np.tile(np.arange(3, dtype=np.int32), len(faces))).astype(
        np.int32
    )


def _twins(mesh: Mesh) -> IntArray:
    """`[3F]`: the half-edge on the other side of each; -1 where there is none, or not just one."""
    edges = edges_of(mesh.faces, len(mesh.positions))
    twin = np.full(mesh.faces.size, -1, np.int32)
    h, g = edges.sides(np.flatnonzero(edges.face_counts == 2))
    is_opposite = edges.is_forward[h] != edges.is_forward[g]
    h, g = h[is_opposite], g[is_opposite]
    twin[h], twin[g] = g, h
    return twin
