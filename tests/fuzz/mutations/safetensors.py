"""Changes of a safetensors file that keep the length of its header right."""

import json
from collections.abc import Mapping, Sequence
from random import Random

from tests.fuzz.mutations.blind import blind
from tests.fuzz.mutations.json_values import Json, changed_json

WORDS: Mapping[str, Sequence[Json]] = {
    "dtype": ("F32", "F16", "BF16", "F64", "U8", "I8", "I32", "I64", "BOOL", "F8_E4M3"),
    "shape": ([], [0], [1], [2, 2], [0, 3], [2**31, 2**33], [2**63, 2]),
    "data_offsets": ([0, 0], [0, 4], [4, 0], [0, 2**63]),
    "__metadata__": ({}, {"surface": "{}"}, {"format": "pt"}),
}


def changed_safetensors(
    data: bytes, random: Random, inner: Mapping[str, Sequence[Json]] | None = None
) -> bytes:
    """Change the header of a safetensors file, JSON in its metadata, or its tensors.

    Args:
        data: The file; what is none is changed blindly.
        random: Decides.
        inner: Keys of JSON that stands as text in the metadata; None where there is none.
    """
    length = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + length], data[8 + length :]
    match random.randrange(8):
        case 0:
            return blind(data, random)
        case 1:
            body = blind(body, random)
        case 2 | 3 | 4 if inner is not None:
            header = _with_changed_text(header, random, inner)
        case _:
            header = changed_json(header, random, WORDS)
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + body


def _with_changed_text(header: bytes, random: Random, words: Mapping[str, Sequence[Json]]) -> bytes:
    try:
        root = json.loads(header)
        texts = root["__metadata__"]
        name = random.choice(sorted(texts))
        texts[name] = changed_json(texts[name].encode(), random, words).decode("utf-8", "replace")
        return json.dumps(root).encode()
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        return changed_json(header, random, WORDS)  # it has no such texts
