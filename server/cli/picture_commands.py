"""`lodsmith render`: pictures of finished assets.

It runs on this machine, on files, without a server. What it does is imported when it runs, so that
--help is instant.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from server.cli.files import read_file, write_file


class Kind(StrEnum):
    """Values of --kind."""

    PREVIEW = "preview"
    STILL = "still"
    TURNTABLE = "turntable"
    SWITCH = "switch"
    UV = "uv"
    ERROR = "error"
    COMPARE = "compare"


_SIZES = {
    Kind.PREVIEW: 384,
    Kind.STILL: 768,
    Kind.TURNTABLE: 384,
    Kind.UV: 800,
    Kind.ERROR: 352,
    Kind.COMPARE: 480,
}
_WITH_LOD = (Kind.STILL, Kind.TURNTABLE, Kind.COMPARE)
_WITH_AGAINST = (Kind.ERROR, Kind.COMPARE)


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """The arguments, for all kinds alike."""

    asset: Path
    against: Path | None
    size_px: int
    yaw_deg: float
    pitch_deg: float
    lod: int | None
    frames: int
    suffix: str


def render(
    asset: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, readable=True, help="A GLB, ours or any other."
        ),
    ],
    kind: Annotated[
        Kind,
        typer.Option(
            "--kind",
            "-k",
            help="preview: all LODs, shaded and as wires. still: one LOD. turntable: one LOD, "
            "turning. switch: where each LOD takes over, at its size on screen. uv: charts and "
            "texel density. error: the distance of each LOD. compare: two assets or LODs.",
        ),
    ] = Kind.PREVIEW,
    against: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="error: the file that is right. compare: the file before.  [default: LOD0]",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            dir_okay=False,
            help="The picture: .png; of a turntable .webp or .gif.  [default: ASSET.KIND.png or "
            ".webp, here]",
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Width of each picture, pixels. Default: fits the kind.")
    ] = None,
    yaw: Annotated[float, typer.Option(help="From where: 0 is the front, 90 is +X.")] = 32.0,
    pitch: Annotated[float, typer.Option(help="From how far above, degrees.")] = 18.0,
    lod: Annotated[
        int | None,
        typer.Option(
            min=0, help="still, turntable, compare: which LOD.  [default: 0; the last beside LOD0]"
        ),
    ] = None,
    frames: Annotated[int, typer.Option(help="turntable: pictures per turn.")] = 24,
) -> None:
    """Make a picture of an asset: preview, turntable, LOD switches, UVs, errors, before and after.

    The same file gives the same bytes. Exit codes: 0 done; 2 the asset cannot be read, or does not
    have what the picture shows.
    """
    from server.cli.asset import errors_as_exit_codes

    if against is not None and kind not in _WITH_AGAINST:
        raise typer.BadParameter(f"--against is for error and compare, not for {kind}; drop it")
    if lod is not None and kind not in _WITH_LOD:
        raise typer.BadParameter(f"--lod is for still, turntable and compare, not {kind}; drop it")
    if size is not None and kind not in _SIZES:
        raise typer.BadParameter(f"{kind} has its sizes from the asset; drop --size")
    suffixes = (".webp", ".gif") if kind is Kind.TURNTABLE else (".png",)
    path = out if out is not None else Path(f"{asset.stem}.{kind}{suffixes[0]}")
    if path.suffix.lower() not in suffixes:
        raise typer.BadParameter(
            f"--out of a {kind} must end in {' or '.join(suffixes)}, got {path.name}"
        )
    with errors_as_exit_codes():
        content = _picture(
            kind,
            _Asked(
                asset=asset,
                against=against,
                size_px=_SIZES.get(kind, 0) if size is None else size,
                yaw_deg=yaw,
                pitch_deg=pitch,
                lod=lod,
                frames=frames,
                suffix=path.suffix.lower(),
            ),
        )
        write_file(path, content)
    print(path)


def register(app: typer.Typer) -> None:
    """Add the command to the `lodsmith` command."""
    app.command()(render)


def _picture(kind: Kind, asked: _Asked) -> bytes:
    match kind:
        case Kind.PREVIEW:
            return _preview(asked)
        case Kind.STILL:
            return _still(asked)
        case Kind.TURNTABLE:
            return _turntable(asked)
        case Kind.SWITCH:
            return _switch(asked)
        case Kind.UV:
            return _uv(asked)
        case Kind.ERROR:
            return _error(asked)
        case Kind.COMPARE:
            return _compare(asked)


def _preview(asked: _Asked) -> bytes:
    from pipeline.pictures.viewpoint import Viewpoint
    from pipeline.preview import preview_sheet

    view = Viewpoint(size_px=asked.size_px, yaw_deg=asked.yaw_deg, pitch_deg=asked.pitch_deg)
    return preview_sheet(read_file(asked.asset), view=view)


def _still(asked: _Asked) -> bytes:
    from pipeline.pictures.viewpoint import Viewpoint
    from pipeline.preview import render_glb

    view = Viewpoint(size_px=asked.size_px, yaw_deg=asked.yaw_deg, pitch_deg=asked.pitch_deg)
    return render_glb(read_file(asked.asset), view, lod=asked.lod or 0)


def _turntable(asked: _Asked) -> bytes:
    from pipeline.pictures.turntable import TurntableOptions, turntable

    options = TurntableOptions(
        frames=asked.frames,
        size_px=asked.size_px,
        format="gif" if asked.suffix == ".gif" else "webp",
        yaw_deg=asked.yaw_deg,
        pitch_deg=asked.pitch_deg,
    )
    return turntable(read_file(asked.asset), options, lod=asked.lod or 0)


def _switch(asked: _Asked) -> bytes:
    from pipeline.pictures.switch_sheet import switch_sheet
    from pipeline.pictures.viewpoint import Viewpoint

    return switch_sheet(
        read_file(asked.asset), Viewpoint(yaw_deg=asked.yaw_deg, pitch_deg=asked.pitch_deg)
    )


def _uv(asked: _Asked) -> bytes:
    from pipeline.pictures.uv_sheet import uv_sheet
    from pipeline.pictures.viewpoint import Viewpoint

    view = Viewpoint(size_px=asked.size_px, yaw_deg=asked.yaw_deg, pitch_deg=asked.pitch_deg)
    return uv_sheet(read_file(asked.asset), view)


def _error(asked: _Asked) -> bytes:
    from pipeline.pictures.error_sheet import error_sheet
    from pipeline.pictures.viewpoint import Viewpoint

    view = Viewpoint(size_px=asked.size_px, yaw_deg=asked.yaw_deg, pitch_deg=asked.pitch_deg)
    reference = None if asked.against is None else read_file(asked.against)
    return error_sheet(read_file(asked.asset), reference, view)


def _compare(asked: _Asked) -> bytes:
    from pipeline.pictures.comparison import comparison
    from pipeline.pictures.viewpoint import Viewpoint

    return comparison(
        read_file(asked.asset),
        None if asked.against is None else read_file(asked.against),
        lod=asked.lod,
        names=("" if asked.against is None else asked.against.name, asked.asset.name),
        view=Viewpoint(size_px=asked.size_px, yaw_deg=asked.yaw_deg, pitch_deg=asked.pitch_deg),
    )
