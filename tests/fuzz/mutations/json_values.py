"""Changes of JSON by someone who knows what it is for."""

import json
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from tests.fuzz.mutations.blind import blind

# Any: JSON of whatever shape.
Json = Any
Place = tuple[Json, Any]  # a list or an object, and an index or a key of it

_DEEP = "@deep@"  # stands for a value that is nested deeper than Python can build one
_DEPTHS = (100, 900, 5_000, 100_000)

_ODD: Sequence[Json] = (
    None, True, False, 0, -1, 1, 2, 3, 127, 255, 256, 65_535, 65_536, 10**6, 2**31 - 1, 2**31,
    2**32 - 1, 2**32, 2**53, 2**63, 2**64, 10**400, 0.5, -0.0, 3.0, 1e-320, 1e30, 1e308, -1e308,
    float("nan"), float("inf"), "", "\0", "\ud800", "x" * 300, "../../etc/passwd", "data:,",
    "data:application/octet-stream;base64,AAAA", [], {}, [0], [0, 0, 0], [1e308] * 4, {"index": 0},
    _DEEP,
)  # fmt: skip


def changed_json(text: bytes, random: Random, words: Mapping[str, Sequence[Json]]) -> bytes:
    """Change values, keys or lengths at one to four places; of what is no JSON, any bytes.

    Args:
        text: JSON in UTF-8.
        random: Decides.
        words: Keys that readers look for, with values that they might find there.
    """
    try:
        holder = [json.loads(text)]
        for _ in range(random.randint(1, 4)):
            _change(holder, random, words)
        changed = json.dumps(holder[0])
    except (ValueError, RecursionError):  # also what earlier changes have nested too deeply
        return blind(text, random)
    while f'"{_DEEP}"' in changed:
        depth = random.choice(_DEPTHS)
        opening, closing = random.choice((("[", "]"), ('{"a":', "}")))
        changed = changed.replace(f'"{_DEEP}"', opening * depth + "0" + closing * depth, 1)
    return changed.encode()


def _change(holder: Json, random: Random, words: Mapping[str, Sequence[Json]]) -> None:
    places = list(_places(holder))
    at, key = random.choice(places)
    value = at[key]
    match random.randrange(9):
        case 0 | 1:
            at[key] = _copy(random.choice(_ODD))
        case 2 if isinstance(value, int) and not isinstance(value, bool):
            at[key] = random.choice((value + 1, value - 1, -value, 2 * value, value * 1000))
        case 3 if at is not holder:
            del at[key]
        case 4:  # the same thing in another place
            other, other_key = random.choice(places)
            at[key] = _copy(other[other_key])
        case 5 if isinstance(value, list) and value:
            value.extend(_copy(value) * random.choice((1, 1, 2, 50)))
        case 6 if isinstance(value, dict) and words:
            word = random.choice(sorted(words))
            value[word] = _copy(random.choice((*words[word], random.choice(_ODD))))
        case 7 if isinstance(key, str) and key in words:
            at[key] = _copy(random.choice(words[key]))
        case 8 if isinstance(value, list):
            random.shuffle(value)
        case _:
            at[key] = _copy(random.choice(_ODD))


def _places(holder: Json) -> Iterator[Place]:
    """Yield all places at which a value stands."""
    todo = [holder]
    while todo:
        at = todo.pop()
        for key in list(at) if isinstance(at, dict) else range(len(at)):
            yield at, key
            if isinstance(at[key], dict | list):
                todo.append(at[key])


def _copy(value: Json) -> Json:
    return json.loads(json.dumps(value))
