"""What Pillow raises on damaged files; its plug-ins do not agree on one class."""

import struct
import zlib

DAMAGED = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError)
