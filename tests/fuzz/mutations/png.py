"""Changes of a PNG that keep its checksums right, so decoders get to what changed."""

import struct
import zlib
from collections.abc import Iterator
from random import Random

from tests.fuzz.mutations.blind import blind

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIDES = (0, 1, 2, 3, 40, 8_001, 2**31 - 1, 2**32 - 1)
_KINDS = (b"tRNS", b"PLTE", b"iCCP", b"zTXt", b"iTXt", b"eXIf", b"acTL", b"fdAT", b"gAMA", b"IDAT")


def changed_png(data: bytes, random: Random) -> bytes:
    """Change sizes, depths, chunks or pixels of a PNG; of what is none, any bytes."""
    chunks = list(_chunks(data))
    if not chunks or random.randrange(6) == 0:
        return blind(data, random)
    at = random.randrange(len(chunks))
    kind, content = chunks[at]
    match random.randrange(7):
        case 0 | 1 if chunks[0][0] == b"IHDR" and len(chunks[0][1]) == 13:
            chunks[0] = (b"IHDR", _changed_header(chunks[0][1], random))
        case 2:
            chunks[at] = (kind, blind(content, random))
        case 3:
            chunks.insert(at, chunks[random.randrange(len(chunks))])
        case 4 if len(chunks) > 1:
            del chunks[at]
        case 5:
            chunks.insert(at + 1, (random.choice(_KINDS), random.randbytes(random.randrange(40))))
        case _:
            pixels = zlib.compress(
                random.randbytes(random.randrange(1, 400)) * random.choice((1, 50))
            )
            chunks[at] = (b"IDAT", pixels)
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def _changed_header(content: bytes, random: Random) -> bytes:
    width, height, depth, color, packing, filters, interlace = struct.unpack(">IIBBBBB", content)
    match random.randrange(4):
        case 0:
            width = random.choice(_SIDES)
        case 1:
            height = random.choice(_SIDES)
        case 2:
            depth = random.choice((1, 2, 4, 8, 16, 32))
            color = random.choice((0, 2, 3, 4, 6, 7))
        case _:
            interlace = random.choice((0, 1, 2))
    return struct.pack(">IIBBBBB", width, height, depth, color, packing, filters, interlace)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, content) pairs up to the first that is broken; nothing of other files."""
    at = len(_SIGNATURE)
    while data.startswith(_SIGNATURE) and at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if at + 12 + length > len(data):
            return
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length
