"""The Unity client's core, compiled by mcs and run by mono; it does what a test says."""

import base64
import itertools
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from server.config import ServerConfig
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer, config_in, serving
from tests.server.transport.conftest import http_port_of

ROOT = Path(__file__).resolve().parent.parent.parent
CORE = ROOT / "unity_client" / "Core"
HARNESS = Path(__file__).parent / "harness"
PATIENCE_S = 40.0


def needs_mono() -> None:
    """Skip the test where there is no mono, or fail it where there must be one."""
    missing = [tool for tool in ("mcs", "mono") if shutil.which(tool) is None]
    if missing:
        reason = f"no {' and no '.join(missing)}: `make test-unity` installs mono on Debian"
        if os.environ.get("TESTS_REQUIRE_MONO") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


def compile_csharp(target: Path, sources: Sequence[Path], *options: str) -> None:
    """Compile C# as Unity's oldest compiler would take it; warnings are errors."""
    command = ["mcs", "-langversion:7", "-warnaserror", "-debug", f"-out:{target}", *options]
    command += ["-r:System.Net.Http.dll", *map(str, sources)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def sources_in(*folders: Path) -> list[Path]:
    """Return all C# below some folders."""
    return sorted(path for folder in folders for path in folder.rglob("*.cs"))


class Failure(Exception):
    """What a command ended with. details: `code`, `reason`, ... of a LodsmithException."""

    def __init__(self, kind: str, message: str, details: dict[str, str]) -> None:
        super().__init__(f"{kind}: {message} {details}")
        self.kind, self.message, self.details = kind, message, details


class Command:
    """A command that runs in mono."""

    def __init__(self, core: "Core", number: str) -> None:
        self._core = core
        self._number = number
        self._lines: queue.Queue[list[str]] = queue.Queue()

    def hear(self, words: list[str]) -> None:
        """Take a line that it said."""
        self._lines.put(words)

    def cancel(self) -> None:
        """Cancel its token."""
        self._core.write(f"- cancel {self._number}")

    def said(self) -> Iterator[list[str]]:
        """Yield what it says until it is done. Raises `Failure`."""
        end = time.monotonic() + PATIENCE_S  # of all that it says: it may go in circles
        while (words := self._lines.get(timeout=max(0.0, end - time.monotonic()))) != ["done"]:
            if words[0] == "failed":
                pairs = dict(zip(words[3::2], words[4::2], strict=True))
                raise Failure(words[1], words[2], pairs)
            yield words

    def result(self) -> list[str]:
        """Wait for its end and return the last line before it."""
        return [["nothing"], *self.said()][-1]

    def error(self) -> Failure:
        """Wait for its end, which must be a failure."""
        with pytest.raises(Failure) as caught:
            self.result()
        return caught.value

    def events(self) -> Iterator[pb.JobEvent]:
        """Yield the events that a follower hears."""
        for kind, content, *_ in self.said():
            assert kind == "event"
            yield pb.JobEvent.FromString(base64.b64decode(content))


class Core:
    """The core in a process of its own."""

    def __init__(self, program: Path, *before: str) -> None:
        """Start `program`, with what a shell would have before it."""
        self._process = subprocess.Popen(
            [*before, "mono", "--debug", str(program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._numbers = itertools.count()
        self._commands: dict[str, Command] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, command: str, *arguments: str | bytes | int | float | Path) -> Command:
        """Start a command; bytes go over in base64."""
        number = str(next(self._numbers))
        self._commands[number] = Command(self, number)
        texts = (base64.b64encode(a).decode() if isinstance(a, bytes) else a for a in arguments)
        self.write(" ".join([number, command, *(quote(str(text), safe="") for text in texts)]))
        return self._commands[number]

    def connect(
        self,
        address: str,
        token: str = "",
        *,
        idle_s: float = 45,
        call_s: float = 30,
        patience_s: float = 20,
    ) -> "Core":
        """Talk to the server at `address` from now on."""
        self.start("connect", address, token, idle_s, call_s, patience_s).result()
        return self

    def call(self, method: str, request: bytes = b"") -> bytes:
        """Call a method that answers one message. Raises `Failure`."""
        return base64.b64decode(self.start("call", method, request).result()[1])

    def write(self, line: str) -> None:
        """Send a line to the program."""
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End the program."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        finally:
            self._process.kill()
            self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            number, *words = line.rstrip("\n").split(" ")
            if number in self._commands:  # else mono complains of errors that it does not know
                self._commands[number].hear([unquote(word) for word in words])


@pytest.fixture(scope="session")
def core_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The core and what drives it in tests, compiled."""
    needs_mono()
    program = tmp_path_factory.mktemp("core") / "core.exe"
    compile_csharp(program, sources_in(CORE, HARNESS))
    return program


@pytest.fixture(scope="session")
def core(core_program: Path) -> Iterator[Core]:
    """One core for all tests of a session."""
    core = Core(core_program)
    yield core
    core.close()


@pytest.fixture(scope="session")
def server_config(tmp_path_factory: pytest.TempPathFactory) -> ServerConfig:
    """The configuration of the servers here: a pipeline that does as it is told."""
    return config_in(tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="session")
def server(server_config: ServerConfig) -> Iterator[Peer]:
    """One server for all tests that leave it as they found it."""
    with serving(server_config) as peer:
        yield peer


@pytest.fixture(scope="session")
def address(server: Peer) -> str:
    """The address of its HTTP port."""
    return f"http://127.0.0.1:{http_port_of(server)}"
