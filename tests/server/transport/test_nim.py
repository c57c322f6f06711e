"""NIM's inference call: its shapes, its errors, and the job behind it."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from server.pb import lodsmith_pb2 as pb
from server.transport.nim import _base64, _read
from tests.server.conftest import Peer
from tests.server.transport.conftest import Ask, ask_port, http_port_of

RED, BLUE = b"a red picture", b"a blue picture"  # the fake pipeline reads pictures as text


def data_uri(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def infer(ask: Ask, **fields: Any) -> Any:
    return ask(
        "POST", "/v1/infer", json.dumps(fields).encode(), {"content-type": "application/json"}
    )


def read(**fields: Any) -> pb.JobSpec:
    return _read(json.dumps(fields).encode(), lambda: 4).spec


def newest_job(server: Peer) -> pb.Job:
    jobs: pb.ListJobsResponse = server.jobs.ListJobs(pb.ListJobsRequest(page_size=1))
    return jobs.jobs[0]


def test_a_prompt_gives_a_glb(ask: Ask, server: Peer) -> None:
    answer = infer(ask, prompt="a NIM chair", seed=7, mode="text", samples=1, output_format="glb")
    assert answer.status == 200
    [artifact] = answer.json["artifacts"]
    assert (artifact["finishReason"], artifact["seed"]) == ("SUCCESS", 7)
    job = newest_job(server)
    [model] = [a for a in job.result.artifacts if a.role == "model"]
    assert base64.b64decode(artifact["base64"], validate=True) == server.content(model.digest)
    assert answer.headers["content-length"] == str(len(answer.body))
    assert (job.spec.prompt, job.spec.seed) == ("a NIM chair", 7)


def test_pictures_are_uploaded_and_used(ask: Ask, server: Peer) -> None:
    answer = infer(ask, image=[data_uri(RED), data_uri(BLUE)], seed=3)
    assert answer.status == 200
    spec = newest_job(server).spec
    assert server.content(spec.image) == RED
    assert [server.content(image) for image in spec.more_images] == [BLUE]


def test_several_samples_are_variants(ask: Ask) -> None:
    answer = infer(ask, prompt="two chairs", seed=20, samples=2)
    assert [artifact["seed"] for artifact in answer.json["artifacts"]] == [20, 21]


def test_warnings_of_request_and_job_are_told(ask: Ask) -> None:
    answer = infer(ask, prompt="warn me", no_texture=True, mode="text", image=data_uri(RED))
    assert answer.json["warnings"] == [
        "mode is text: image is not used",
        "no_texture changes nothing: assets always have textures",
        "the back of it is invented",
    ]


def test_scales_that_count_from_one_become_strengths() -> None:
    options = read(
        prompt="a chair",
        ss_cfg_scale=7.5,
        ss_sampling_steps=12,
        slat_cfg_scale=0,
        slat_sampling_steps=25,
    ).options
    assert (options.sparse_structure.steps, options.slat.steps) == (12, 25)
    assert options.sparse_structure.guidance_strength == 7.5
    assert options.slat.HasField("guidance_strength")
    assert options.slat.guidance_strength == 0.0


def test_what_is_absent_or_null_is_the_models_own() -> None:
    spec = read(prompt="a chair", image=None, seed=0, ss_cfg_scale=None)
    assert not spec.options.sparse_structure.HasField("guidance_strength")
    assert not spec.options.slat.HasField("steps")
    assert spec.seed == 4  # chance
    assert read(image=data_uri(RED)).WhichOneof("source") is None  # set once it is uploaded
    several = read(image=[data_uri(RED)], multiimage_algo="multidiffusion")
    assert several.options.condition.multi_image == pb.MULTI_IMAGE_MULTIDIFFUSION


@pytest.mark.parametrize(
    ("fields", "location", "kind"),
    [
        ({}, "prompt", "missing"),
        ({"mode": "image", "prompt": "a chair"}, "image", "missing"),
        ({"mode": "video", "prompt": "a chair"}, "mode", "enum"),
        ({"prompt": "a chair", "image": data_uri(b"x")}, "mode", "value_error"),
        ({"prompt": 3}, "prompt", "string_type"),
        ({"promt": "a chair"}, "promt", "extra_forbidden"),
        ({"prompt": "a chair", "seed": -1}, "seed", "value_error"),
        ({"prompt": "a chair", "seed": "7"}, "seed", "int_type"),
        ({"prompt": "a chair", "seed": True}, "seed", "int_type"),
        ({"prompt": "a chair", "samples": 0}, "samples", "value_error"),
        ({"prompt": "a chair", "samples": 1000}, "samples", "value_error"),
        ({"prompt": "a chair", "ss_sampling_steps": 0}, "ss_sampling_steps", "value_error"),
        ({"prompt": "a chair", "ss_cfg_scale": -0.5}, "ss_cfg_scale", "value_error"),
        ({"prompt": "a chair", "slat_cfg_scale": float("nan")}, "slat_cfg_scale", "value_error"),
        ({"prompt": "a chair", "slat_cfg_scale": "3"}, "slat_cfg_scale", "float_type"),
        ({"prompt": "a chair", "output_format": "stl"}, "output_format", "enum"),
        ({"prompt": "a chair", "no_texture": 1}, "no_texture", "bool_type"),
        ({"prompt": " "}, "prompt", "value_error"),
        ({"prompt": "x" * 1001}, "prompt", "value_error"),
        ({"image": "https://example.com/a.png"}, "image", "value_error"),
        ({"image": "data:image/png;base64,!!"}, "image", "value_error"),
        ({"image": data_uri(b"")}, "image", "value_error"),
        ({"image": data_uri(b"x", "svg+xml")}, "image", "value_error"),
        ({"image": {"url": "x"}}, "image", "value_error"),
        ({"image": [data_uri(b"%d" % index) for index in range(9)]}, "image", "value_error"),
    ],
)
def test_a_field_that_is_wrong_is_named_as_fastapi_does(
    ask: Ask, fields: Mapping[str, Any], location: str, kind: str
) -> None:
    answer = infer(ask, **fields)
    assert answer.status == 422
    [problem] = answer.json["detail"]
    assert (problem["loc"], problem["type"]) == (["body", location], kind)
    assert problem["msg"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b"[" * 100_000, rb'{"prompt": "\ud800"}', rb'{"\uDFFF": 1}'],
)
def test_a_body_that_is_no_object_is_refused(ask: Ask, body: bytes) -> None:
    answer = ask("POST", "/v1/infer", body)
    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, ["body"])


@pytest.mark.parametrize(
    ("prompt", "status", "message"),
    [
        ("fail here", 422, "cannot be made"),
        ("memory please", 503, ""),
        ("bug here", 500, "incident"),
    ],
)
def test_a_job_that_fails_is_an_error_with_its_message(
    ask: Ask, prompt: str, status: int, message: str
) -> None:
    answer = infer(ask, prompt=prompt)
    assert (answer.status, message in answer.json["detail"]) == (status, True)
    assert "secret" not in answer.json["detail"]


def test_a_body_that_is_too_large_is_not_read(
    start_server: Callable[..., AbstractContextManager[Peer]],
) -> None:
    with start_server(max_image_bytes=1000, warm_generator=False) as peer:
        answer = ask_port(http_port_of(peer), "POST", "/v1/infer", b"x" * 3000)
        assert answer.status == 413
        assert answer.json == {"detail": "the body must have at most 2,000 bytes"}


def test_a_queue_that_is_full_says_when_to_come_back(
    start_server: Callable[..., AbstractContextManager[Peer]],
) -> None:
    with start_server(max_queued_jobs=0, warm_generator=False) as peer:
        answer = ask_port(http_port_of(peer), "POST", "/v1/infer", b'{"prompt": "a chair"}')
        assert (answer.status, answer.headers["retry-after"]) == (429, "10")
        assert "wait" in answer.json["detail"]


def test_few_calls_wait_at_once_and_the_next_hears_when_to_come_back(
    start_server: Callable[..., AbstractContextManager[Peer]],
) -> None:
    with start_server(max_infer_calls=1) as peer, ThreadPoolExecutor(1) as clients:
        port = http_port_of(peer)
        first = clients.submit(ask_port, port, "POST", "/v1/infer", b'{"prompt": "slow"}')
        while not peer.jobs.ListJobs(pb.ListJobsRequest()).jobs:
            pass
        answer = ask_port(port, "POST", "/v1/infer", b'{"prompt": "a chair"}')
        assert (answer.status, answer.headers["retry-after"]) == (429, "10")
        assert "try again later" in answer.json["detail"]
        peer.client.cancel(newest_job(peer).name)
        assert first.result(10).status == 409
        assert ask_port(port, "POST", "/v1/infer", b'{"prompt": "a chair"}').status == 200


def test_a_client_that_leaves_does_not_cancel_its_job(server: Peer) -> None:
    async def leave() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", http_port_of(server))
        body = b'{"prompt": "slow and left"}'
        writer.write(
            b"POST /v1/infer HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        while newest_job(server).spec.prompt != "slow and left":
            await asyncio.sleep(0.01)
        writer.transport.abort()

    asyncio.run(asyncio.wait_for(leave(), 10))
    job = newest_job(server)
    server.until(job, pb.STAGE_KIND_SPARSE_STRUCTURE)
    server.client.cancel(job.name)
    assert server.finished(job).state == pb.JOB_STATE_CANCELLED


def test_a_job_that_somebody_cancels_is_told(server: Peer) -> None:
    async def cancelled() -> Any:
        asking = asyncio.to_thread(
            ask_port, http_port_of(server), "POST", "/v1/infer", b'{"prompt": "slow to the end"}'
        )
        answer = asyncio.create_task(asking)
        while newest_job(server).spec.prompt != "slow to the end":
            await asyncio.sleep(0.01)
        server.client.cancel(newest_job(server).name)
        return await answer

    answer = asyncio.run(asyncio.wait_for(cancelled(), 10))
    assert (answer.status, "was cancelled" in answer.json["detail"]) == (409, True)


@pytest.mark.parametrize("sizes", [[], [1], [2, 2], [3], [1024, 1, 5, 1024], [1 << 20, 1 << 20]])
def test_base64_of_chunks_is_that_of_the_whole(sizes: list[int]) -> None:
    chunks = [bytes([index]) * size for index, size in enumerate(sizes)]

    async def encode() -> bytes:
        async def stream() -> Any:
            for chunk in chunks:
                yield chunk

        return b"".join([text async for text in _base64(stream())])

    assert asyncio.run(encode()) == base64.b64encode(b"".join(chunks))
