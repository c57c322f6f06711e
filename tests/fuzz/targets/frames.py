"""Web calls: bodies of Connect, gRPC-Web, plain blobs and NIM, sent to the port of HTTP.

The first byte chooses the method and the protocol, the rest is the body.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from random import Random

from tests.fuzz.closed_server import ClosedServer, closed_server
from tests.fuzz.mutations.blind import blind
from tests.fuzz.mutations.json_values import Json, changed_json
from tests.fuzz.mutations.messages import changed_message
from tests.fuzz.targets.requests import RPCS
from tests.fuzz.targets.requests import seeds as requests

_TIMEOUT_S = 20.0
_UNARY = ("application/proto", "application/json")
_STREAMS = ("application/connect+proto", "application/connect+json", "application/grpc-web+proto")
_LENGTHS = (0, 1, 5, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


@dataclass(frozen=True, kw_only=True)
class _Door:
    """A path and how to talk to it. number: of its method in `RPCS`; None: there is none."""

    path: str
    media_type: str
    number: int | None
    has_frames: bool


_DOORS = (
    *(
        _Door(path=rpc.path, media_type=media_type, number=number, has_frames=False)
        for number, rpc in enumerate(RPCS)
        if not (rpc.takes_stream or rpc.gives_stream)
        for media_type in _UNARY
    ),
    *(
        _Door(path=rpc.path, media_type=media_type, number=number, has_frames=True)
        for number, rpc in enumerate(RPCS)
        for media_type in _STREAMS
        if media_type == _STREAMS[-1] or rpc.takes_stream or rpc.gives_stream
    ),
    _Door(path="/v1/infer", media_type="application/json", number=None, has_frames=False),
)

_server: ClosedServer


@contextmanager
def prepared() -> Iterator[None]:
    """Run a server: every request is checked, and in the end the queue is full."""
    global _server
    with closed_server() as _server:
        yield


def consume(data: bytes) -> None:
    if not data:
        return
    door = _DOORS[data[0] % len(_DOORS)]
    is_deleting = door.path.endswith("/DeleteJob")  # the job stays for other requests
    body = data[1:] if is_deleting else _server.with_job(data[1:])
    headers = {"content-type": door.media_type, "connect-protocol-version": "1"}
    with closing(HTTPConnection("127.0.0.1", _server.http_port, timeout=_TIMEOUT_S)) as connection:
        connection.request("POST", door.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    _check(door, answer.status, dict(answer.getheaders()), content)


def mutate(data: bytes, random: Random) -> bytes:
    number = data[0] if data and random.randrange(8) else random.randrange(len(_DOORS))
    door, body = _DOORS[number % len(_DOORS)], data[1:]
    if random.randrange(8) == 0:
        return bytes([number]) + blind(body, random)
    if not door.has_frames:
        return bytes([number]) + _changed(door, body, random)
    changed = _frame(_changed(door, body[5:], random), flags=body[0] if body else 0)
    match random.randrange(8):
        case 0:
            changed = bytes([random.randrange(256)]) + changed[1:]
        case 1:
            changed = changed[:1] + struct.pack(">I", random.choice(_LENGTHS)) + changed[5:]
        case 2:
            changed += _frame(random.randbytes(random.randrange(9)), flags=random.choice((0, 1, 2)))
        case 3:
            changed = changed[: random.randrange(len(changed))]
    return bytes([number]) + changed


def seeds() -> Mapping[str, bytes]:
    """A good body for each door."""
    known = requests()
    bodies: dict[str, bytes] = {}
    for number, door in enumerate(_DOORS):
        if door.number is None:
            body = json.dumps({"prompt": "a chair", "samples": 1, "seed": 4}).encode()
        else:
            name = RPCS[door.number].name
            is_json = door.media_type.endswith("json")
            body = known[f"{name}.json" if is_json else name][1:]
        protocol = door.media_type.partition("/")[2]
        bodies[f"{door.path.rpartition('/')[2]}.{protocol}"] = bytes([number]) + (
            _frame(body) if door.has_frames else body
        )
    return bodies


_WORDS: Mapping[str, list[Json]] = {
    "image": ["data:image/png;base64,AAAA", "data:image/png;base64,=", "data:image/"],
    "mode": ["text", "image"],
    "prompt": ["a chair", "", "x" * 2000],
    "samples": [0, 1, 99, 2**40],
    "seed": [0, -1, 2**63],
    "slat_cfg_scale": [0, 99, -1],
    "ss_sampling_steps": [0, 1, 10**6],
    "output_format": ["glb", "stl"],
}


def _changed(door: _Door, body: bytes, random: Random) -> bytes:
    if door.media_type.endswith("json"):
        return changed_json(body, random, _WORDS)
    assert door.number is not None
    return changed_message(body, RPCS[door.number].request, random)


def _frame(content: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(content)) + content


# INTERNAL is also what gRPC says of a compressed frame without a compression.
_DEFECTS = frozenset({"unknown", "unavailable", "deadline_exceeded", "2", "4", "14"})
_INCIDENT = b"incident"


def _check(door: _Door, status: int, headers: Mapping[str, str], content: bytes) -> None:
    """Hold an answer to what its protocol says of errors."""
    where = f"{door.path} as {door.media_type}: {status} {content[:300]!r}"
    assert status < 500, where
    assert _INCIDENT not in content, where
    if door.number is None or status != 200:
        if content and headers.get("content-type") == "application/json":
            assert json.loads(content).get("code") not in _DEFECTS, where
        return
    if not door.has_frames:
        return
    *_, (flags, last) = _frames(content)
    if door.media_type.startswith("application/grpc-web"):
        trailers = dict(line.split(": ", 1) for line in last.decode().lower().split("\r\n") if line)
        assert flags & 0x80, where
        assert trailers["grpc-status"].strip() not in _DEFECTS, where
    else:
        assert flags & 2, where
        assert json.loads(last).get("error", {}).get("code") not in _DEFECTS, where


def _frames(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content):
        flags, length = struct.unpack_from(">BI", content, at)
        yield flags, content[at + 5 : at + 5 + length]
        at += 5 + length
    assert at == len(content), "the last frame is cut short"
