"""`lodsmith render`: exit codes, output, and what it leaves behind."""

import io
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from typer.testing import CliRunner, Result

from server.cli.commands import app
from tests.pipeline.pictures.sample_assets import asset, cube_chain
from tests.pipeline.samples import triangle_file, unwrapped_cube


def lodsmith(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "chain.glb"
    path.write_bytes(cube_chain())
    return path


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("--size", "64"), "chain.preview.png"),
        (("-k", "still", "--size", "64", "--lod", "1"), "chain.still.png"),
        (("-k", "turntable", "--size", "64", "--frames", "4"), "chain.turntable.webp"),
        (("-k", "switch"), "chain.switch.png"),
        (("-k", "uv", "--size", "256"), "chain.uv.png"),
        (("-k", "error", "--size", "64"), "chain.error.png"),
        (("-k", "compare", "--size", "64"), "chain.compare.png"),
    ],
)
def test_every_kind_is_one_file_here_and_its_name_is_printed(
    chain: Path, arguments: tuple[str, ...], name: str
) -> None:
    result = lodsmith("render", chain, *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{name}\n", "")
    with PillowImage.open(chain.parent / name) as picture:
        assert (picture.format or "").lower() == name.rpartition(".")[2]
    assert {path.name for path in chain.parent.iterdir()} == {"chain.glb", name}


def test_out_says_where_and_as_what(chain: Path, tmp_path: Path) -> None:
    out = tmp_path / "turn.gif"
    arguments = ("render", chain, "-k", "turntable", "--size", "32", "--frames", "4", "-o", out)
    assert lodsmith(*arguments).exit_code == 0
    assert out.read_bytes().startswith(b"GIF8")
    before = out.read_bytes()
    assert lodsmith(*arguments).exit_code == 0
    assert out.read_bytes() == before


def test_another_file_is_the_one_before(chain: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.glb"
    other.write_bytes(asset(unwrapped_cube(side_m=3.0)))
    result = lodsmith("render", chain, "-k", "compare", "--against", other, "--size", "64")
    assert result.exit_code == 0
    picture = PillowImage.open(io.BytesIO((tmp_path / "chain.compare.png").read_bytes()))
    assert picture.width > 3 * 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-k", "uv", "--against", "chain.glb"), "--against is for error and compare"),
        (("-k", "uv", "--lod", "1"), "--lod is for still, turntable and compare"),
        (("-k", "switch", "--size", "99"), "drop --size"),
        (("-k", "turntable", "-o", "x.png"), "must end in .webp or .gif, got x.png"),
        (("-k", "still", "-o", "x.webp"), "must end in .png, got x.webp"),
        (("-k", "still", "--lod", "7"), "there is no LOD7 in the file, which has LOD0 to LOD1"),
        (("-k", "still", "--size", "5"), "size_px must be from 16 to 4096, got 5"),
        (("-k", "still", "--pitch", "100"), "pitch_deg must be from -90 to 90, got 100"),
        (("-k", "compare", "--lod", "0"), "LOD0 would be compared with itself"),
        (("-o", "nowhere/x.png"), "cannot write nowhere/x.png"),
    ],
)
def test_wrong_arguments_are_exit_code_2_and_say_the_way_out(
    chain: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = lodsmith("render", chain, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert [path.name for path in chain.parent.iterdir()] == ["chain.glb"]


@pytest.mark.parametrize("kind", ["switch", "error", "uv", "compare"])
def test_assets_that_have_nothing_to_show_are_exit_code_2(tmp_path: Path, kind: str) -> None:
    bare = tmp_path / "bare.glb"
    bare.write_bytes(triangle_file().glb())
    result = lodsmith("render", bare, "-k", kind, "-o", tmp_path / "out.png")
    assert result.exit_code == 2
    assert result.stderr.startswith("lodsmith: ")


def test_what_is_no_asset_is_exit_code_2(tmp_path: Path) -> None:
    noise = tmp_path / "noise.glb"
    noise.write_bytes(b"no asset at all")
    result = lodsmith("render", noise, "-o", tmp_path / "out.png")
    assert result.exit_code == 2
    assert result.stderr.startswith("lodsmith: ")
