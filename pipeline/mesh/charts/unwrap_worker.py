"""Runs xatlas on one mesh, in a process of its own: `python unwrap_worker.py mesh.npz charts.npz`.

`xatlas_charts` starts this file by its path, so that the child imports nothing of the package and
starts in 0.2 s.
"""

import sys

import numpy as np
import xatlas


def main(mesh_path: str, charts_path: str) -> None:
    """Read `positions` and `faces`; write `uvs` and `face_charts`.

    uvs: `[F, 3, 2]` float64 at the corners of each face, in input units, v up, never mirrored.
    face_charts: `[F]` int32, -1 for a face that got no chart.
    """
    with np.load(mesh_path) as mesh:
        positions, faces = mesh["positions"], mesh["faces"]
    # xatlas leaves out faces under an absolute area of 1e-7: make the mean face 1.
    corners = positions[faces].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    unit = np.sqrt(np.linalg.norm(normals, axis=1).mean() / 2)

    chart_options = xatlas.ChartOptions()
    chart_options.fix_winding = True
    # The default of 2 grows charts that then fail to flatten and fall into dozens of pieces: on
    # 20k faces 80 to 200 charts in 2.4 s, by rounding alone; with 1, always about 95 in 1.4 s.
    chart_options.max_cost = 1.0
    pack_options = xatlas.PackOptions()
    # Rotation swaps the axes and so mirrors; both flags are needed to have no mirrored chart.
    pack_options.rotate_charts = False
    # This packing is thrown away. It rounds chart sizes to texels, hence not smaller.
    pack_options.resolution = 1024

    atlas = xatlas.Atlas()
    atlas.add_mesh((positions / unit).astype(np.float32), faces.astype(np.uint32))
    atlas.generate(chart_options, pack_options)
    _, faces_of_split, uvs = atlas.get_mesh(0)
    face_charts = np.full(len(faces), -1, np.int32)
    for chart in range(atlas.get_mesh_chart_count(0)):
        face_charts[np.asarray(atlas.get_mesh_chart(0, chart).faces)] = chart
    texels = uvs.astype(np.float64) * (atlas.width, atlas.height)
    np.savez(
        charts_path,
        uvs=texels[faces_of_split.reshape(-1, 3)] * (unit / atlas.texels_per_unit),
        face_charts=face_charts,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
