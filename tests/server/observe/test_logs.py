"""What log lines look like, what they are about, and what they never tell."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import grpc
import pytest

from server.config.settings import LogFormat
from server.observe.logs import forget_notes, note, set_up_logging
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer

logger = logging.getLogger("server.somewhere")

TOKEN = "lodsmith_0123456789ab_s3cr3ts3cr3ts3cr3t"
PROMPT = "an unannounced dragon"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    forget_notes()
    yield
    forget_notes()
    root.handlers[:] = handlers
    root.setLevel(level)


def written(
    log: Callable[[], None], format: LogFormat = "json", level: str = "INFO", **bound: str
) -> str:
    set_up_logging(level, format, **bound)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream := io.StringIO())
    log()
    return stream.getvalue()


def document(log: Callable[[], None], **bound: str) -> dict[str, Any]:
    (line,) = written(log, **bound).splitlines()
    read: dict[str, Any] = json.loads(line)
    return read


def fail() -> None:
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        logger.exception("job %s", "j1")


def test_json_has_what_is_known_in_the_order_in_which_one_looks() -> None:
    note(attempt=2, job="j1", request_id="r1", trace_id="t1")
    note(stage="bake", project="p", principal="ada")
    line = document(lambda: logger.warning("%d faces", 7), worker="mesh")
    assert list(line) == [
        "time", "level", "logger", "event",
        "request_id", "principal", "project", "job", "stage", "attempt", "trace_id", "worker",
    ]  # fmt: skip
    assert (line["level"], line["logger"]) == ("warning", "server.somewhere")
    assert (line["event"], line["attempt"], line["worker"]) == ("7 faces", 2, "mesh")
    assert line["time"].endswith("Z")


def test_what_is_not_known_is_left_out() -> None:
    assert list(document(lambda: logger.info("x"))) == ["time", "level", "logger", "event"]


def test_text_is_one_line_for_people() -> None:
    note(job="j1")
    line = written(lambda: logger.info("listening on %s", "a:1"), "text", worker="mesh")
    _, _, rest = line.partition(" ")
    assert rest == "INFO server.somewhere: listening on a:1  job=j1 worker=mesh\n"


def test_a_traceback_is_kept() -> None:
    text = written(fail, "text")
    assert text.splitlines()[1] == "Traceback (most recent call last):"
    assert text.endswith("ZeroDivisionError: by zero\n")
    assert "ZeroDivisionError: by zero" in document(fail)["exception"]


def test_a_stranger_s_text_cannot_pass_for_a_line_of_its_own() -> None:
    forged = "x\n2026-11-29T00:00:00Z INFO server.app: stopped\x1b[2J"
    assert written(lambda: logger.info("%s", forged), "text").count("\n") == 1
    assert "\x1b" not in written(lambda: logger.info("%s", forged), "text")
    assert document(lambda: logger.info("%s", forged))["event"] == forged


def test_lines_below_the_level_are_left_out() -> None:
    assert written(lambda: logger.info("x"), level="WARNING") == ""


def test_notes_of_one_thread_are_not_another_s() -> None:
    def log_elsewhere() -> None:
        thread = threading.Thread(target=logger.info, args=("x",))
        thread.start()
        thread.join()

    note(job="j1")
    assert "job" not in document(log_elsewhere)
    forget_notes()
    assert "job" not in document(lambda: logger.info("x"))


@pytest.mark.parametrize("text", [TOKEN, f"Bearer {TOKEN}", "authorization: bearer s3cr3t-x"])
def test_tokens_in_the_text_of_an_error_are_cut(text: str) -> None:
    for format in ("text", "json"):
        for log in (lambda: logger.info("bad header %r", text), lambda: _raise(text)):
            assert "s3cr3t" not in written(log, format)


def _raise(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("bad header")


def test_neither_prompt_nor_token_is_logged(
    start_server: Callable[..., AbstractContextManager[Peer]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    set_up_logging("DEBUG", "json")
    with start_server(log_level="DEBUG") as peer:
        metadata = (("authorization", f"Bearer {TOKEN}"),)
        for spec in (
            pb.JobSpec(prompt=PROMPT),
            pb.JobSpec(prompt=f"fail at {PROMPT}"),
            pb.JobSpec(prompt=f"bug in {PROMPT}"),
        ):
            request = pb.CreateJobRequest(spec=spec)
            job = peer.jobs.CreateJob(request, metadata=metadata).job
            peer.finished(job)
        with pytest.raises(grpc.RpcError):
            peer.jobs.GetJob(pb.GetJobRequest(name=TOKEN), metadata=metadata)
        request = pb.CreateJobRequest(spec=pb.JobSpec(prompt=PROMPT * 100))
        with pytest.raises(grpc.RpcError):
            peer.jobs.CreateJob(request, metadata=metadata)
    log = capfd.readouterr().err
    assert "CreateJob" in log  # of the server
    assert "ZeroDivisionError" in log  # of a worker
    assert "s3cr3t" not in log
    assert "dragon" not in log.lower()
