"""V-HACD in a process of its own: `python decompose.py` reads a request from stdin as npz.

V-HACD takes seconds and neither reports progress nor can be stopped, so `collision.py` runs this
file and may kill it. It is started by its path and imports nothing of ours: it is up in 0.2 s.
"""

import io
import sys

import numpy as np

# Voxels over the bounding box: 100,000 takes 1.5 times as long for hulls 1 % smaller.
VOXELS = 50_000


def main() -> None:
    """Read `positions` `[V, 3]`, `faces` `[F, 3]`, `max_hulls`, `max_vertices`; write hull points.

    The answer holds `points` `[N, 3]` of all hulls and `hull` `[N]`, which hull each belongs to.
    Faces are left out: V-HACD packs them unreliably.
    """
    import vhacdx

    request = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    max_hulls = int(request["max_hulls"])
    parts = vhacdx.compute_vhacd(
        request["positions"].astype(np.float64),
        request["faces"].astype(np.uint32),
        maxConvexHulls=max_hulls,
        maxNumVerticesPerCH=int(request["max_vertices"]),
        resolution=VOXELS,
        # One level more than needed leaves pieces to merge. The default of 10 levels takes 3 times
        # as long and its merging makes hulls 15 % larger.
        maxRecursionDepth=max(1, (max_hulls - 1).bit_length() + 1),
        asyncACD=False,  # one core: several jobs share the machine
    )
    points = [np.asarray(part[0], dtype=np.float64).reshape(-1, 3) for part in parts]
    answer = io.BytesIO()
    np.savez(
        answer,
        points=np.concatenate(points) if points else np.zeros((0, 3)),
        hull=np.repeat(np.arange(len(points)), [len(part) for part in points]),
    )
    sys.stdout.buffer.write(answer.getvalue())


if __name__ == "__main__":
    main()
