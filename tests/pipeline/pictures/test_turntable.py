import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pipeline.errors import Cancelled, InvalidInput
from pipeline.pictures.turntable import TurntableOptions, turntable
from pipeline.types import Material
from tests.pipeline.pictures.sample_assets import SIDES, asset, cube_chain
from tests.pipeline.samples import unwrapped_cube

SMALL = TurntableOptions(frames=4, size_px=64, yaw_deg=0.0, pitch_deg=0.0)


def frames_of(animation: bytes) -> list[NDArray[np.int64]]:
    image = PillowImage.open(io.BytesIO(animation))
    frames = []
    for number in range(image.n_frames):  # type: ignore[attr-defined]  # of animated formats
        image.seek(number)
        frames.append(np.asarray(image.convert("RGB")).astype(np.int64))
    return frames


def side_seen(frame: NDArray[np.int64]) -> int:
    """Which side of the painted cube is in the middle."""
    middle = frame[28:36, 28:36].mean(axis=(0, 1))
    return int(np.argmin([np.abs(middle - side).sum() for side in SIDES]))


@pytest.mark.parametrize("format", ["webp", "gif"])
def test_it_turns_once_counter_clockwise_and_loops(format: str) -> None:
    options = TurntableOptions(
        frames=4,
        size_px=64,
        yaw_deg=0.0,
        pitch_deg=0.0,
        turn_s=2.0,
        format=format,  # type: ignore[arg-type]
    )
    animation = turntable(cube_chain(), options)
    # Counter-clockwise from above: after the front comes the left, -X, then the back, then +X.
    assert [side_seen(frame) for frame in frames_of(animation)] == [0, 3, 1, 2]
    image = PillowImage.open(io.BytesIO(animation))
    image.load()
    assert image.size == (64, 64)
    assert image.info["loop"] == 0
    assert image.info["duration"] == 500


def test_it_turns_about_its_middle_under_a_light_that_stands_still() -> None:
    gray = Material(base_color_factor=(0.2, 0.05, 0.05, 1.0))
    frames = frames_of(turntable(asset(unwrapped_cube(), material=gray), SMALL))
    for frame in frames:
        # Decoded, the frames of four equal sides differ by what the lossy format leaves.
        assert np.abs(frame - frames[0]).mean() < 1
        columns = np.flatnonzero((frame[:, :, 0] > frame[:, :, 1] + 20).any(axis=0))
        assert columns[0] == pytest.approx(63 - columns[-1], abs=1)


def test_all_frames_of_a_gif_share_256_colors() -> None:
    options = TurntableOptions(frames=6, size_px=64, format="gif")
    frames = frames_of(turntable(cube_chain(), options))
    shades = np.concatenate([frame.reshape(-1, 3) for frame in frames])
    assert len(np.unique(shades, axis=0)) <= 256


@pytest.mark.parametrize("format", ["webp", "gif"])
def test_same_bytes_at_any_thread_count(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    glb = cube_chain()
    options = TurntableOptions(frames=6, size_px=64, format=format)  # type: ignore[arg-type]
    made = []
    for cores in (1, 2, 5):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        made.append(turntable(glb, options))
    assert made[0] == made[1] == made[2]


def test_it_shows_the_lod_that_was_asked_for() -> None:
    small = unwrapped_cube(side_m=0.5)
    glb = asset(unwrapped_cube(), small)
    assert turntable(glb, SMALL, lod=1) == turntable(asset(small), SMALL)


def test_it_can_be_stopped() -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        turntable(cube_chain(), SMALL, tick=stop)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"frames": 2}, "frames must be from 4 to 120, got 2"),
        ({"size_px": 8}, "size_px of a turntable must be from 16 to 1024, got 8"),
        ({"turn_s": 0.1}, "turn_s must be from 0.5 to 60, got 0.1"),
        ({"format": "png"}, "format must be webp or gif, got 'png'"),
        ({"pitch_deg": 91.0}, "pitch_deg must be from -90 to 90, got 91"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        TurntableOptions(**wrong)  # type: ignore[arg-type]
