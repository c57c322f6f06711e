"""Changes of bytes by someone who knows nothing of them."""

from random import Random

_ODD_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)


def blind(data: bytes, random: Random) -> bytes:
    """Flip, overwrite, cut, double or insert bytes at one to four places."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed) + 1)
        match random.randrange(6):
            case 0 if at < len(changed):
                changed[at] ^= 1 << random.randrange(8)
            case 1 if at < len(changed):
                changed[at] = random.randrange(256)
            case 2:
                width = random.choice((1, 2, 4))
                number = random.choice(_ODD_NUMBERS) & ((1 << 8 * width) - 1)
                order = random.choice(("little", "big"))
                changed[at : at + width] = number.to_bytes(width, order)  # type: ignore[arg-type]
            case 3:
                del changed[at : at + random.randint(1, 32)]
            case 4:
                changed[at:at] = changed[at : at + random.randint(1, 64)]
            case _:
                changed[at:at] = random.randbytes(random.randint(1, 8))
    return bytes(changed)
