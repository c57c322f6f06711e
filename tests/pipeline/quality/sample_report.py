"""A whole report for the tests to change."""

import copy
import json
from typing import Any

# What is under test is free-form JSON, and the tests damage it on purpose.
Json = dict[str, Any]

DIGEST = "ab" * 32


def report() -> Json:
    """A report of an asset with two LODs in a box of 3 x 4 x 12 m, whose diagonal is 13 m."""
    return copy.deepcopy(_REPORT)


def as_bytes(document: Json) -> bytes:
    return json.dumps(document).encode()


def _topology(triangle_count: int) -> Json:
    return {
        "triangle_count": triangle_count,
        "vertex_count": triangle_count // 2 + 2,
        "component_count": 1,
        "boundary_edge_count": 0,
        "non_manifold_edge_count": 0,
        "winding_conflict_count": 0,
        "degenerate_face_count": 0,
        "duplicate_face_count": 0,
    }


def _lod(triangle_count: int) -> Json:
    return {
        "triangle_count": triangle_count,
        "budget": triangle_count,
        "deviation_max_m": 0.013,
        "deviation_mean_m": 0.0013,
        "normal_deviation_deg": 2.0,
        "silhouette_px": 0.5,
        "screen_coverage": 0.5,
    }


def _charts(chart_count: int) -> Json:
    return {
        "chart_count": chart_count,
        "texel_density_p5": 90.0,
        "texel_density_p50": 100.0,
        "texel_density_p95": 110.0,
        "stretch_l2": 1.05,
        "smallest_chart_texels": 12,
        "gutter_texels": 4,
    }


_TEXTURE: Json = {
    "slot": "base_color", "name": "T_Well_BC", "media_type": "image/png", "width": 2048,
    "height": 2048, "size_bytes": 4_000_000,
}  # fmt: skip

_REPORT: Json = {
    "schema": "lodsmith.report/2",
    "name": "Well",
    "passed": True,
    "warnings": [],
    "recipe": {
        "prompt": "a stone well",
        "seed": 7,
        "model": {"name": "starter", "digest": DIGEST, "license": "MIT"},
        "options": {"lod": {"budgets": [2000, 1000]}},
        "versions": {"lodsmith": "0.1.0"},
    },
    "model": {"name": "starter", "digest": DIGEST, "license": "MIT"},
    "inputs": [],
    "size_m": [3.0, 4.0, 12.0],
    "lods": [_lod(2000), _lod(1000)],
    "topology": [{**_topology(2000), "closed": True}, {**_topology(1000), "closed": True}],
    "uv": {
        "coverage": 0.7,
        "overlap_ratio": 0.0,
        "mirrored_ratio": 0.0,
        "lods": [_charts(40), _charts(30)],
    },
    "bake": {
        "missed_texel_ratio": 0.001,
        "seam_step": [1.0, 2.0, 2.5, 3.0, 4.0, 5.0],
        "black_texel_ratio": 0.01,
        "highlight_ratio": 0.01,
    },
    "materials": [
        {
            "name": "M_Well",
            "alpha_mode": "OPAQUE",
            "alpha_cutoff": None,
            "double_sided": False,
            "base_color_factor": [1.0, 1.0, 1.0, 1.0],
            "metallic_factor": 0.0,
            "roughness_factor": 1.0,
            "textures": [_TEXTURE],
        }
    ],
    "collision": {"kind": "hull", "hull_count": 1, "over_cover": 1.5, "protrusion_m": 0.13},
    "parts": [],
    "repair": {"before": _topology(9000), "after": _topology(9000)},
    "stages": [
        {"stage": "repair", "seconds": 0.5, "peak_memory_bytes": 100_000_000},
        {"stage": "bake", "seconds": 2.5, "peak_memory_bytes": 400_000_000},
    ],
    "outputs": {
        "Well.glb": {"sha256": DIGEST, "size_bytes": 5_000_000},
        "Well.preview.png": {"sha256": DIGEST, "size_bytes": 700_000},
    },
}
