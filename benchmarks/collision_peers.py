"""Other people's convex decompositions, in an interpreter of their own.

    python collision_peers.py vhacd|coacd MAX_HULLS MAX_VERTICES < mesh.npz > hulls.npz

Needs numpy and the peer. Written for `collision.py` beside it, which knows nothing of either.
"""

import io
import sys
import time

import numpy as np


def main() -> None:
    """Read `positions` and `faces`; write `points` of all hulls, `hull` of each, CPU seconds."""
    peer, max_hulls, max_vertices = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    mesh = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    positions, faces = mesh["positions"].astype(np.float64), mesh["faces"]
    if peer == "vhacd":
        import vhacdx

        started = time.process_time()
        parts = vhacdx.compute_vhacd(
            positions,
            faces.astype(np.uint32),
            maxConvexHulls=max_hulls,
            maxNumVerticesPerCH=max_vertices,
            asyncACD=False,
        )
    else:
        import coacd  # type: ignore[import-not-found, unused-ignore]  # not among our packages

        coacd.set_log_level("error")
        started = time.process_time()
        parts = coacd.run_coacd(
            coacd.Mesh(positions, faces),
            max_convex_hull=max_hulls,
            decimate=True,
            max_ch_vertex=max_vertices,
        )
    cpu_s = time.process_time() - started
    answer = io.BytesIO()
    np.savez(
        answer,
        points=np.concatenate([np.asarray(part[0], np.float64).reshape(-1, 3) for part in parts]),
        hull=np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts]),
        cpu_s=cpu_s,
    )
    sys.stdout.buffer.write(answer.getvalue())


if __name__ == "__main__":
    main()
