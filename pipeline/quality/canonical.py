"""JSON in the one form that everybody hashes alike.

Source: RFC 8785, JSON Canonicalization Scheme (JCS), 2020. Numbers as ECMA-262,
Number::toString.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from pipeline.errors import InvalidInput


def canonical_json(value: object) -> bytes:
    """Write a value as JCS: keys in the order of their UTF-16 units, no spaces, numbers as doubles.

    Args:
        value: Of what `json.loads` gives; tuples count as lists.

    Raises:
        InvalidInput: If a number is not finite, a text has half of a surrogate pair, or it is
            nested too deeply.
    """
    try:
        return _written(value).encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("a text in the JSON is no Unicode: it has a lone surrogate") from error
    except RecursionError as error:
        raise InvalidInput("the JSON is nested too deeply") from error


def sha256_of_json(value: object) -> str:
    """SHA-256 of the canonical form, hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _written(value: object) -> str:
    match value:
        case None | bool() | str():
            return json.dumps(value, ensure_ascii=False)
        case int() | float():
            return _number(value)
        case Mapping():
            keys = sorted(value, key=lambda key: str(key).encode("utf-16-be", "surrogatepass"))
            members = (f"{_written(key)}:{_written(value[key])}" for key in keys)
            return "{" + ",".join(members) + "}"
        case Sequence():
            return "[" + ",".join(_written(one) for one in value) + "]"
        case _:
            raise InvalidInput(f"JSON has no {type(value).__name__}")


def _number(value: float) -> str:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidInput("a number in the JSON is not finite or too large for a double")
    if number == 0:
        return "0"  # also of minus zero
    # Both languages choose the same shortest digits; they differ in where the exponent begins.
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    point = len(text) + exponent
    if 0 < point <= 21:
        text = text.ljust(point, "0")
        text = text[:point] + (f".{text[point:]}" if len(text) > point else "")
    elif -6 < point <= 0:
        text = "0." + "0" * -point + text
    else:
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        text = f"{text[0]}{fraction}e{point - 1:+d}"
    return "-" * sign + text
