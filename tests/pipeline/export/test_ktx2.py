from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from pipeline.errors import Cancelled, InvalidInput, PipelineError
from pipeline.export.asset import check_tools
from pipeline.export.ktx2 import check_encoder, encode_ktx2
from pipeline.export.profiles import ExportOptions
from tests.pipeline.export.assets import smooth

# A stand-in for basisu: writes down how it was called and "encodes" by copying.
COPY = '#!/bin/sh\necho "$@" > "{folder}/call"\ncp texture.png "{folder}/seen.png"\n'
WRITE = COPY + "printf ktx2 > texture.ktx2\n"


def install(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "basisu"
    program.write_text(script.format(folder=folder))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_without_the_encoder_it_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidInput, match=r"needs the program basisu on PATH.* or choose webp"):
        check_tools(ExportOptions(texture_format="ktx2"))
    check_tools(ExportOptions(texture_format="webp"))  # needs none


@pytest.mark.parametrize(
    ("kind", "flags"), [("color", "-q 192"), ("data", "-uastc"), ("normal", "-linear")]
)
def test_the_encoder_gets_the_picture_and_what_it_means(
    kind: str, flags: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, WRITE, monkeypatch)
    assert check_encoder() == str(tmp_path / "basisu")
    content = encode_ktx2(smooth(16), kind, lambda: None)  # type: ignore[arg-type]
    assert content == b"ktx2"
    call = (tmp_path / "call").read_text()
    assert "-ktx2" in call
    assert "-mipmap" in call
    assert flags in call
    assert ("-linear" in call) == (kind != "color")
    with PillowImage.open(tmp_path / "seen.png") as seen:
        np.testing.assert_array_equal(np.asarray(seen), smooth(16))


def test_sides_are_made_multiples_of_four(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, WRITE, monkeypatch)
    encode_ktx2(smooth(16)[:13, :6], "color", lambda: None)
    with PillowImage.open(tmp_path / "seen.png") as seen:
        assert seen.size == (8, 16)


def test_an_encoder_that_fails_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "#!/bin/sh\necho started\necho out of luck\nexit 3\n", monkeypatch)
    with pytest.raises(PipelineError, match="basisu failed with 3: out of luck"):
        encode_ktx2(smooth(16), "color", lambda: None)


def test_an_encoder_is_killed_when_nobody_wants_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "#!/bin/sh\nexec tail -f /dev/null\n", monkeypatch)  # runs for ever

    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        encode_ktx2(smooth(16), "color", stop)
