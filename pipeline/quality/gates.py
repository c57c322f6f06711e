"""The gates: everything that a policy can ask of a report. A closed list.

Each gate reads its figures from a report; what is too much or too little says the policy. A report
that lacks a figure (it is older, or that stage did not run) leaves its gate without an answer,
which is a finding of its own and never an error.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.quality.facts import Fact

Kind = Literal["most", "least", "must", "names"]
Per = Literal["asset", "lod", "mip"]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What a report says about one place.

    place: "LOD0", "mip 3", a name; "" for the asset as a whole. index: of the LOD or mip, else 0.
    value: None if it was not measured. is_met, limit: of gates of the kind "must" only.
    """

    place: str = ""
    index: int = 0
    value: float | str | None
    is_met: bool = True
    limit: float | str | None = None


# None: not measured at all. Empty: there is nothing that could be.
Figures = Sequence[Figure] | None


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One question to a report.

    name: as in a policy, "group.name".
    kind: "most" and "least" compare a number with the policy's limits, "names" a word with its
        lists; "must" is answered by the report alone.
    per: what has limits of its own: the LODs, or the levels of a mip chain.
    unit: of its values; "" for shares and counts.
    what: what is measured, in a few words. advice: what to do when it does not hold.
    """

    name: str
    kind: Kind
    per: Per
    unit: str
    what: str
    advice: str
    read: Callable[[Fact], Figures]


# --------------------------------------------------------------------------------------- readers


def _number(*path: str) -> Callable[[Fact], Figures]:
    """One number of the report."""

    def read(report: Fact) -> Figures:
        value = report.at(*path).number()
        return None if value is None else [Figure(value=value)]

    return read


def _of_lods(list_path: Sequence[str], key: str) -> Callable[[Fact], Figures]:
    """A number of every member of a list that has one member per LOD."""
    return _each(list_path, lambda entry, report: entry.at(key).number())


def _each(
    list_path: Sequence[str], value_of: Callable[[Fact, Fact], float | None]
) -> Callable[[Fact], Figures]:
    def read(report: Fact) -> Figures:
        entries = report.at(*list_path).items()
        if entries is None:
            return None
        return [
            Figure(place=f"LOD{index}", index=index, value=value_of(entry, report))
            for index, entry in enumerate(entries)
        ]

    return read


def _ratio(part: float | None, whole: float | None) -> float | None:
    if part is None or whole is None:
        return None
    if whole == 0:
        return 0.0 if part == 0 else math.inf
    return part / whole


def _diagonal_m(report: Fact) -> float | None:
    sizes = report.at("size_m").items()
    if sizes is None:
        return None
    numbers = [size.number() for size in sizes]
    return math.hypot(*(number for number in numbers if number is not None))


def _share_of_diagonal(key: str) -> Callable[[Fact], Figures]:
    return _each(
        ["lods"], lambda entry, report: _ratio(entry.at(key).number(), _diagonal_m(report))
    )


def _density_ratio(key: str) -> Callable[[Fact], Figures]:
    return _each(
        ["uv", "lods"],
        lambda entry, _: _ratio(entry.at(key).number(), entry.at("texel_density_p50").number()),
    )


def _budgets(report: Fact) -> Figures:
    lods = report.at("lods").items()
    if lods is None:
        return None
    figures = []
    for index, lod in enumerate(lods):
        count, budget = lod.at("triangle_count").number(), lod.at("budget").number()
        if budget == 0:  # none was asked for
            continue
        is_met = count is None or budget is None or count <= budget
        value = None if budget is None else count
        figures.append(
            Figure(place=f"LOD{index}", index=index, value=value, is_met=is_met, limit=budget)
        )
    return figures


def _closed(report: Fact) -> Figures:
    topology = report.at("topology").items()
    source = _is_source_closed(report)
    if topology is None or source is None:
        return None
    figures = []
    for index, lod in enumerate(topology):
        closed = lod.at("closed").flag()
        words = None if closed is None else ("closed" if closed else "open")
        figures.append(
            Figure(
                place=f"LOD{index}",
                index=index,
                value=words,
                is_met=bool(closed) or not source,
                limit="closed" if source else "open, as the repaired mesh",
            )
        )
    return figures


def _is_source_closed(report: Fact) -> bool | None:
    """Whether the repaired mesh has no border, in all its parts."""
    repair = report.at("repair")
    if repair.value is None:
        return None
    parts = [repair] if repair.at("after").value is not None else (repair.members() or {}).values()
    counts = [
        part.at("after", key).number()
        for part in parts
        for key in ("boundary_edge_count", "non_manifold_edge_count")
    ]
    if not counts or None in counts:
        return None
    return all(count == 0 for count in counts)


def _charts_per_10k(report: Fact) -> Figures:
    charts, lods = report.at("uv", "lods").items(), report.at("lods").items()
    if charts is None or lods is None:
        return None
    figures = []
    for index, (chart, lod) in enumerate(zip(charts, lods, strict=False)):
        share = _ratio(chart.at("chart_count").number(), lod.at("triangle_count").number())
        value = None if share is None else 10_000 * share
        figures.append(Figure(place=f"LOD{index}", index=index, value=value))
    return figures


def _seam_steps(report: Fact) -> Figures:
    steps = report.at("bake", "seam_step").items()
    if steps is None:
        return None
    return [
        Figure(place=f"mip {index}", index=index, value=step.number())
        for index, step in enumerate(steps)
    ]


def _material_count(report: Fact) -> Figures:
    materials = report.at("materials").items()
    return None if materials is None else [Figure(value=len(materials))]


def _texture_sizes(report: Fact) -> Figures:
    materials = report.at("materials").items()
    if materials is None:
        return None
    figures = []
    for material in materials:
        for texture in material.at("textures").items() or []:
            width, height = texture.at("width").number(), texture.at("height").number()
            value = None if width is None or height is None else max(width, height)
            figures.append(Figure(place=texture.at("name").text() or texture.place, value=value))
    return figures


def _alpha_modes(report: Fact) -> Figures:
    materials = report.at("materials").items()
    if materials is None:
        return None
    return [
        Figure(place=one.at("name").text() or one.place, value=one.at("alpha_mode").text())
        for one in materials
    ]


def _over_cover(report: Fact) -> Figures:
    collision = report.at("collision").members()
    if collision is None or "over_cover" not in collision:
        return None
    value = collision["over_cover"].number()
    return [] if value is None else [Figure(value=value)]  # a body without volume has none


def _protrusion(report: Fact) -> Figures:
    share = _ratio(report.at("collision", "protrusion_m").number(), _diagonal_m(report))
    return None if share is None else [Figure(value=share)]


def _output_bytes(report: Fact, suffix: str) -> list[float] | None:
    outputs = report.at("outputs").members()
    if outputs is None:
        return None
    sizes = [
        one.at("size_bytes").number() for name, one in outputs.items() if name.endswith(suffix)
    ]
    known = [size for size in sizes if size is not None]
    return known if len(known) == len(sizes) else None


def _glb_bytes(report: Fact) -> Figures:
    sizes = _output_bytes(report, ".glb")
    if sizes is None:
        return None
    return [Figure(value=max(sizes))] if sizes else []


def _total_bytes(report: Fact) -> Figures:
    sizes = _output_bytes(report, "")
    return None if sizes is None else [Figure(value=sum(sizes))]


def _stage_numbers(key: str, join: Callable[[list[float]], float]) -> Callable[[Fact], Figures]:
    def read(report: Fact) -> Figures:
        numbers = [stage.at(key).number() for stage in report.at("stages").items() or []]
        known = [number for number in numbers if number is not None]
        if not numbers or len(known) < len(numbers):
            return None
        return [Figure(value=join(known))]

    return read


def _weights_licenses(report: Fact) -> Figures:
    model = report.at("model")
    if model.value is None:
        model = report.at("recipe", "model")
    if model.value is None:
        return []  # nothing was generated
    return [Figure(place=model.at("name").text() or "", value=model.at("license").text() or None)]


def _input_licenses(report: Fact) -> Figures:
    inputs = report.at("inputs").items()
    if inputs is None:
        return None
    return [
        Figure(place=one.at("role").text() or one.place, value=one.at("license").text() or None)
        for one in inputs
    ]


def _warning_count(report: Fact) -> Figures:
    warnings = report.at("warnings").items()
    return None if warnings is None else [Figure(value=len(warnings))]


def _passed(report: Fact) -> Figures:
    passed = report.at("passed").flag()
    if passed is None:
        return None
    return [Figure(value="passed" if passed else "failed", is_met=passed, limit="passed")]


# ------------------------------------------------------------------------------------------ list

_LOD, _UV, _TOPOLOGY = ("lods",), ("uv", "lods"), ("topology",)

_ALL = (
    Gate(
        name="passed", kind="must", per="asset", unit="",
        what="the verdict of the job itself",
        advice="see the other gates and the report's warnings",
        read=_passed,
    ),
    Gate(
        name="warnings", kind="most", per="asset", unit="",
        what="warnings of the job",
        advice="read them in the report; each says what to do",
        read=_warning_count,
    ),
    Gate(
        name="lod.budget", kind="must", per="lod", unit="triangles",
        what="triangles of each LOD, at most its budget",
        advice="raise the budget with --lods, or build it again",
        read=_budgets,
    ),
    Gate(
        name="lod.triangle_count", kind="most", per="lod", unit="triangles",
        what="triangles of each LOD",
        advice="ask for fewer with --lods",
        read=_of_lods(_LOD, "triangle_count"),
    ),
    Gate(
        name="lod.deviation_max_ratio", kind="most", per="lod", unit="",
        what="largest distance between LOD and repaired mesh, as a share of the box's diagonal",
        advice="allow the LOD more triangles, or ask for a deviation: --lods '2mm,5mm'",
        read=_share_of_diagonal("deviation_max_m"),
    ),
    Gate(
        name="lod.deviation_mean_ratio", kind="most", per="lod", unit="",
        what="mean distance between LOD and repaired mesh, as a share of the box's diagonal",
        advice="allow the LOD more triangles with --lods",
        read=_share_of_diagonal("deviation_mean_m"),
    ),
    Gate(
        name="lod.normal_deviation_deg", kind="most", per="lod", unit="degrees",
        what="mean angle between the surfaces of LOD and repaired mesh",
        advice="allow the LOD more triangles with --lods",
        read=_of_lods(_LOD, "normal_deviation_deg"),
    ),
    Gate(
        name="lod.silhouette_px", kind="most", per="lod", unit="pixels",
        what="how far the outline jumps where the LOD takes over",
        advice="allow the LOD more triangles, or let it take over later",
        read=_of_lods(_LOD, "silhouette_px"),
    ),
    Gate(
        name="topology.closed", kind="must", per="lod", unit="",
        what="LODs of a closed mesh are closed",
        advice="a defect of the simplification: keep the input and report it",
        read=_closed,
    ),
    Gate(
        name="topology.boundary_edge_count", kind="most", per="lod", unit="",
        what="edges with one face",
        advice="close holes with --set repair.fill_hole_edges=100, or --remesh watertight",
        read=_of_lods(_TOPOLOGY, "boundary_edge_count"),
    ),
    Gate(
        name="topology.non_manifold_edge_count", kind="most", per="lod", unit="",
        what="edges with more than two faces",
        advice="rebuild the surface with --remesh watertight",
        read=_of_lods(_TOPOLOGY, "non_manifold_edge_count"),
    ),
    Gate(
        name="topology.winding_conflict_count", kind="most", per="lod", unit="",
        what="edges whose two faces look to different sides",
        advice="rebuild the surface with --remesh watertight",
        read=_of_lods(_TOPOLOGY, "winding_conflict_count"),
    ),
    Gate(
        name="topology.degenerate_face_count", kind="most", per="lod", unit="",
        what="faces without area",
        advice="rebuild the surface with --remesh isotropic",
        read=_of_lods(_TOPOLOGY, "degenerate_face_count"),
    ),
    Gate(
        name="topology.duplicate_face_count", kind="most", per="lod", unit="",
        what="faces on the same three vertices as another",
        advice="rebuild the surface with --remesh watertight",
        read=_of_lods(_TOPOLOGY, "duplicate_face_count"),
    ),
    Gate(
        name="topology.component_count", kind="most", per="lod", unit="",
        what="pieces that share no vertex",
        advice="drop dust with --set repair.drop_speck_ratio=0.01, or join them with --remesh "
        "watertight",
        read=_of_lods(_TOPOLOGY, "component_count"),
    ),
    Gate(
        name="uv.coverage", kind="least", per="asset", unit="",
        what="share of the atlas that charts cover, without gutters",
        advice="a smaller gutter (--set unwrap.gutter_texels=2) or fewer pieces leave less empty",
        read=_number("uv", "coverage"),
    ),
    Gate(
        name="uv.overlap_ratio", kind="most", per="asset", unit="",
        what="share of the atlas that two charts claim",
        advice="a larger atlas (--texture-size) packs with less strain",
        read=_number("uv", "overlap_ratio"),
    ),
    Gate(
        name="uv.mirrored_ratio", kind="most", per="asset", unit="",
        what="share of the charts' area that is mirrored",
        advice="a defect of the unwrapping: keep the input and report it",
        read=_number("uv", "mirrored_ratio"),
    ),
    Gate(
        name="uv.charts_per_10k_triangles", kind="most", per="lod", unit="",
        what="charts per 10,000 triangles",
        advice="a smoother surface has fewer: --remesh isotropic",
        read=_charts_per_10k,
    ),
    Gate(
        name="uv.smallest_chart_texels", kind="least", per="lod", unit="texels",
        what="area of the smallest chart",
        advice="a larger atlas (--texture-size), or fewer specks "
        "(--set repair.drop_speck_ratio=0.01)",
        read=_of_lods(_UV, "smallest_chart_texels"),
    ),
    Gate(
        name="uv.gutter_texels", kind="least", per="lod", unit="texels",
        what="least distance between two charts",
        advice="a wider one: --set unwrap.gutter_texels=8",
        read=_of_lods(_UV, "gutter_texels"),
    ),
    Gate(
        name="uv.stretch_l2", kind="most", per="lod", unit="",
        what="mean stretch of the texture, 1 is none (Sander et al. 2001)",
        advice="smaller charts stretch less; a smoother surface, too: --remesh isotropic",
        read=_of_lods(_UV, "stretch_l2"),
    ),
    Gate(
        name="uv.texel_density", kind="least", per="lod", unit="texels/m",
        what="median texel density",
        advice="a larger atlas: --texture-size",
        read=_of_lods(_UV, "texel_density_p50"),
    ),
    Gate(
        name="uv.density_low_ratio", kind="least", per="lod", unit="",
        what="5th percentile of the texel density over its median",
        advice="charts weighed by importance differ on purpose; else a larger --texture-size helps",
        read=_density_ratio("texel_density_p5"),
    ),
    Gate(
        name="uv.density_high_ratio", kind="most", per="lod", unit="",
        what="95th percentile of the texel density over its median",
        advice="charts weighed by importance differ on purpose; else a larger --texture-size helps",
        read=_density_ratio("texel_density_p95"),
    ),
    Gate(
        name="bake.missed_texel_ratio", kind="most", per="asset", unit="",
        what="share of the charts' texels whose source was not found",
        advice="thin walls are missed: --remesh off, or more triangles at LOD0",
        read=_number("bake", "missed_texel_ratio"),
    ),
    Gate(
        name="bake.seam_step", kind="most", per="mip", unit="/255",
        what="color step across chart borders, per mip level",
        advice="a wider gutter: --set unwrap.gutter_texels=8",
        read=_seam_steps,
    ),
    Gate(
        name="bake.black_texel_ratio", kind="most", per="asset", unit="",
        what="share of the charts' texels that are black",
        advice="look at the preview; another seed may help, or other winding of the source",
        read=_number("bake", "black_texel_ratio"),
    ),
    Gate(
        name="bake.highlight_ratio", kind="most", per="asset", unit="",
        what="share of the charts' texels with a highlight in their base color",
        advice="use an evenly lit picture, or another seed",
        read=_number("bake", "highlight_ratio"),
    ),
    Gate(
        name="material.count", kind="most", per="asset", unit="",
        what="materials of the GLB",
        advice="--no-impostor saves that of the billboard",
        read=_material_count,
    ),
    Gate(
        name="material.texture_size", kind="most", per="asset", unit="texels",
        what="longer side of each texture",
        advice="a smaller atlas: --texture-size",
        read=_texture_sizes,
    ),
    Gate(
        name="material.alpha_mode", kind="names", per="asset", unit="",
        what="how each material is transparent: OPAQUE, MASK or BLEND",
        advice="give the source a material of an allowed mode",
        read=_alpha_modes,
    ),
    Gate(
        name="collision.hull_count", kind="most", per="asset", unit="",
        what="collision shapes",
        advice="fewer with --set collision.max_hulls=8, or --collision hull",
        read=_number("collision", "hull_count"),
    ),
    Gate(
        name="collision.over_cover", kind="most", per="asset", unit="",
        what="volume of the collision shapes over that of the body",
        advice="a closer fit with --collision decompose",
        read=_over_cover,
    ),
    Gate(
        name="collision.protrusion_ratio", kind="most", per="asset", unit="",
        what="how far collision shapes stand out, as a share of the box's diagonal",
        advice="a closer fit with --collision decompose",
        read=_protrusion,
    ),
    Gate(
        name="size.glb_bytes", kind="most", per="asset", unit="bytes",
        what="the largest GLB",
        advice="--set export.texture_format=jpeg or a smaller --texture-size",
        read=_glb_bytes,
    ),
    Gate(
        name="size.total_bytes", kind="most", per="asset", unit="bytes",
        what="all files of the asset",
        advice="--set export.texture_format=jpeg or a smaller --texture-size",
        read=_total_bytes,
    ),
    Gate(
        name="time.total_s", kind="most", per="asset", unit="s",
        what="time of all stages",
        advice="fewer triangles in, or a faster machine",
        read=_stage_numbers("seconds", sum),
    ),
    Gate(
        name="time.peak_memory_bytes", kind="most", per="asset", unit="bytes",
        what="highest memory of any stage",
        advice="fewer triangles in, or a smaller --texture-size",
        read=_stage_numbers("peak_memory_bytes", max),
    ),
    Gate(
        name="license.weights", kind="names", per="asset", unit="",
        what="license of the model's weights",
        advice="use a model whose license your studio takes: lodsmith models list",
        read=_weights_licenses,
    ),
    Gate(
        name="license.inputs", kind="names", per="asset", unit="",
        what="licenses of pictures, meshes and adapters that went in",
        advice="replace the input, or add its license to the policy",
        read=_input_licenses,
    ),
)  # fmt: skip

GATES: Mapping[str, Gate] = {gate.name: gate for gate in _ALL}
