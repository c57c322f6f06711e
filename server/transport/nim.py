"""`POST /v1/infer` as NVIDIA's NIM for TRELLIS has it: one call that waits, a GLB in its answer.

A client of that service works here once its address is changed. The job behind it is one like any
other: it has the same checks, it is in `ListJobs`, and it goes on when the client leaves. Asked
again with the same seed, the same assets come from the stage cache.

Source: NVIDIA's API reference of microsoft/trellis and its errors, which are FastAPI's.
"""

import asyncio
import base64
import binascii
import hashlib
import json
import re
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from server.artifacts import CHUNK_BYTES
from server.calls.desk import CallEnded, Desk
from server.calls.errors import status_of
from server.calls.messages import read_response
from server.calls.rpcs import Rpc
from server.pb import lodsmith_pb2 as pb
from server.refusals import RateLimited, TooLarge
from server.transport.blob_files import BlobFiles
from server.transport.exchange import Exchange, wire_error

PATH = "/v1/infer"

_IMAGE = "data:image/"
_MAY_BE_HALF = re.compile(rb"\\u[dD]")
_MULTI_IMAGE = {
    "stochastic": pb.MULTI_IMAGE_STOCHASTIC,
    "multidiffusion": pb.MULTI_IMAGE_MULTIDIFFUSION,
}
_FIELD_OF_SPEC = {
    "spec.prompt": "prompt",
    "spec.image": "image",
    "spec.more_images": "image",
    "spec.variant_count": "samples",
    "spec.seed": "seed",
}
_STATUS_OF_REASON = {
    pb.ERROR_REASON_INVALID_INPUT: 422,
    pb.ERROR_REASON_UNSUPPORTED_FEATURE: 422,
    pb.ERROR_REASON_CANCELLED: 409,
    pb.ERROR_REASON_QUOTA_EXCEEDED: 429,
    pb.ERROR_REASON_OUT_OF_MEMORY: 503,
    pb.ERROR_REASON_DISK_FULL: 503,
    pb.ERROR_REASON_JOB_TIMEOUT: 504,
}


class _Unprocessable(Exception):
    """A field is wrong. kind: FastAPI's word for how."""

    def __init__(self, name: str, message: str, kind: str = "value_error") -> None:
        super().__init__(message)
        self.name = name
        self.kind = kind


class _JobEnded(Exception):
    """The job gave nothing. status: of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class _Inference:
    """A request, understood. images: the files, uploaded before the job is made."""

    spec: pb.JobSpec
    images: Sequence[bytes] = ()
    warnings: Sequence[str] = field(default_factory=tuple)


class Nim:
    """Answers inference requests."""

    def __init__(
        self,
        rpcs: Mapping[str, Rpc],
        desk: Desk,
        blobs: BlobFiles,
        *,
        max_body_bytes: int,
        max_calls: int,
        random_seed: Callable[[], int],
    ) -> None:
        """Make jobs of requests.

        Args:
            rpcs: The table, by name.
            desk: Answers their calls.
            blobs: Reads results.
            max_body_bytes: Largest request.
            max_calls: Most at once: each has its pictures in memory and waits for its job.
            random_seed: Gives the seed of a request that leaves it to chance.
        """
        self._rpcs = rpcs
        self._desk = desk
        self._blobs = blobs
        self._max_body_bytes = max_body_bytes
        self._max_calls = max_calls
        self._call_count = 0
        self._random_seed = random_seed

    async def answer(self, exchange: Exchange) -> None:
        """Make an asset and send it. Raises `ClientLeft`."""
        try:
            # A body with pictures is large: only those may send one who may call at all.
            await self._call(exchange, "GetServerInfo", pb.GetServerInfoRequest())
            with self._one_of_few():
                # Off the loop: it takes a tenth of a second for 40 MB.
                inference = await asyncio.to_thread(
                    _read, await exchange.body(self._max_body_bytes), self._random_seed
                )
                await exchange.unless_left(self._infer(exchange, inference))
        except RateLimited as refusal:
            await _refuse(exchange, CallEnded(status_of(refusal)))
        except TooLarge as refusal:
            await exchange.answer_json(413, {"detail": str(refusal)})
        except _Unprocessable as error:
            await exchange.answer_json(422, _detail(error.name, str(error), error.kind))
        except _JobEnded as error:
            await exchange.answer_json(error.status, {"detail": str(error)})
        except CallEnded as ended:
            if exchange.has_started:
                raise
            await _refuse(exchange, ended)

    @contextmanager
    def _one_of_few(self) -> Iterator[None]:
        """Be around one call. Raises `RateLimited` where as many run as may."""
        if self._call_count >= self._max_calls:
            raise RateLimited(
                f"{self._max_calls} calls wait for their assets already, which is the most that "
                "may; try again later, or make a job with CreateJob",
                retry_after_s=10.0,
            )
        self._call_count += 1
        try:
            yield
        finally:
            self._call_count -= 1

    async def _infer(self, exchange: Exchange, inference: _Inference) -> None:
        digests = [await self._upload(exchange, image) for image in inference.images]
        if digests:
            inference.spec.image.CopyFrom(digests[0])
            inference.spec.more_images.extend(digests[1:])
        created: pb.CreateJobResponse = await self._call(
            exchange, "CreateJob", pb.CreateJobRequest(spec=inference.spec)
        )
        job = await self._finished(exchange, created.job.name)
        models = [artifact for artifact in job.result.artifacts if artifact.role == "model"]
        warnings = [*inference.warnings, *(warning.message for warning in job.warnings)]
        await self._send(exchange, job, models, warnings)

    async def _upload(self, exchange: Exchange, content: bytes) -> pb.Digest:
        digest = pb.Digest(sha256=hashlib.sha256(content).digest(), size_bytes=len(content))
        upload_id = uuid.uuid4().hex
        for offset in range(0, len(content), CHUNK_BYTES):
            chunk = pb.WriteBlobChunkRequest(
                upload_id=upload_id,
                digest=digest,
                offset=offset,
                data=content[offset : offset + CHUNK_BYTES],
            )
            written: pb.WriteBlobChunkResponse = await self._call(exchange, "WriteBlobChunk", chunk)
            if written.complete:  # perhaps at once: it was here before
                break
        return digest

    async def _finished(self, exchange: Exchange, name: str) -> pb.Job:
        """Wait for a job's end. Raises `_JobEnded` if it did not succeed."""
        rpc = self._rpcs["WatchJob"]
        watch = self._desk.answers(rpc, exchange.head, pb.WatchJobRequest(name=name))
        job = pb.Job()
        async with aclosing(watch) as responses:
            async for response in responses:
                event: pb.JobEvent = read_response(rpc, response).event
                if event.WhichOneof("kind") == "finished":
                    job = event.finished
        if job.state == pb.JOB_STATE_CANCELLED:
            raise _JobEnded(409, f"{name} was cancelled")
        if job.state != pb.JOB_STATE_SUCCEEDED:
            raise _JobEnded(_STATUS_OF_REASON.get(job.error.reason, 500), job.error.message)
        return job

    async def _send(
        self,
        exchange: Exchange,
        job: pb.Job,
        models: Sequence[pb.Artifact],
        warnings: Sequence[str],
    ) -> None:
        """Send the answer piece by piece: no GLB is ever whole in memory."""
        pieces = [
            (
                f'{{"finishReason": "SUCCESS", "seed": {job.result.variants[model.variant].seed}, '
                '"base64": "',
                model,
                '"}',
            )
            for model in models
        ]
        head, tail = '{"artifacts": [', f'], "warnings": {json.dumps(warnings)}}}'
        separators = 2 * max(0, len(pieces) - 1)
        length = len(head) + len(tail) + separators
        for before, model, after in pieces:
            length += len(before) + 4 * -(-model.digest.size_bytes // 3) + len(after)
        await exchange.start(
            200, {"content-type": "application/json", "content-length": str(length)}
        )
        await exchange.send(head.encode())
        for index, (before, model, after) in enumerate(pieces):
            await exchange.send(((", " if index else "") + before).encode())
            chunks = self._blobs.chunks(exchange, pb.ReadBlobRequest(digest=model.digest))
            async with aclosing(_base64(chunks)) as texts:
                async for text in texts:
                    await exchange.send(text)
            await exchange.send(after.encode())
        await exchange.send(tail.encode(), is_last=True)

    async def _call(self, exchange: Exchange, name: str, request: Any) -> Any:
        """Make a call of the contract. Any: messages of that method."""
        rpc = self._rpcs[name]
        return read_response(rpc, await self._desk.answer(rpc, exchange.head, request))


def _read(body: bytes, random_seed: Callable[[], int]) -> _Inference:
    """Understand a request. Raises `_Unprocessable`."""
    try:
        values = json.loads(body)
        if _MAY_BE_HALF.search(body):  # half of a surrogate pair is no text, and no answer has it
            json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _Unprocessable("", "JSON decode error", "json_invalid") from error
    if not isinstance(values, dict):
        raise _Unprocessable("", "the body must be a JSON object", "model_attributes_type")
    fields = _Fields({name: value for name, value in values.items() if value is not None})
    mode = fields.choice("mode", ("text", "image"), "")
    prompt, images = fields.text("prompt"), fields.images("image")
    multi_image = fields.choice("multiimage_algo", tuple(_MULTI_IMAGE), "")
    has_no_texture = fields.flag("no_texture")
    fields.choice("output_format", ("glb",), "glb")
    spec = pb.JobSpec(
        seed=fields.whole("seed", 0, 2**63 - 1) or random_seed(),
        variant_count=fields.whole("samples", 1, 2**31 - 1) or 1,
        options=pb.AssetOptions(
            sparse_structure=fields.sampler("ss_cfg_scale", "ss_sampling_steps"),
            slat=fields.sampler("slat_cfg_scale", "slat_sampling_steps"),
            condition=pb.ConditionOptions(multi_image=_MULTI_IMAGE.get(multi_image)),
        ),
    )
    fields.check_all_read()
    if mode == "" and prompt and images:
        both = 'prompt and image are both given; set mode to "text" or "image"'
        raise _Unprocessable("mode", both)
    mode = mode or ("image" if images else "text")
    used, unused = ("image", "prompt") if mode == "image" else ("prompt", "image")
    if not (images if mode == "image" else prompt):
        raise _Unprocessable(used, f"mode {mode} needs {used}", "missing")
    if mode == "text":
        spec.prompt = prompt
    warnings = []
    if prompt and images:
        warnings.append(f"mode is {mode}: {unused} is not used")
    if has_no_texture:
        warnings.append("no_texture changes nothing: assets always have textures")
    return _Inference(spec=spec, images=images if mode == "image" else (), warnings=tuple(warnings))


class _Fields:
    """The fields of a request, each read once by what it must be. All raise `_Unprocessable`."""

    def __init__(self, values: dict[str, Any]) -> None:  # Any: whatever JSON has
        self._values = values

    def text(self, name: str) -> str:
        """Return a text, "" where there is none."""
        value = self._values.pop(name, "")
        if not isinstance(value, str):
            raise _Unprocessable(name, "Input should be a valid string", "string_type")
        return value

    def choice(self, name: str, known: Sequence[str], default: str) -> str:
        """Return one of some words."""
        value = self._values.pop(name, default)
        if value not in (*known, default):
            raise _Unprocessable(name, f"Input should be {' or '.join(known)}", "enum")
        return str(value)

    def flag(self, name: str) -> bool:
        """Return true or false, the latter where there is none."""
        value = self._values.pop(name, False)
        if not isinstance(value, bool):
            raise _Unprocessable(name, "Input should be a valid boolean", "bool_type")
        return value

    def whole(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number in a range, both ends included."""
        value = self._values.pop(name, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise _Unprocessable(name, "Input should be a valid integer", "int_type")
        if not low <= value <= high:
            raise _Unprocessable(name, f"Input should be in [{low}, {high}]")
        return value

    def sampler(self, scale_name: str, steps_name: str) -> pb.SamplerOptions:
        """Return how a stage is sampled.

        NIM's defaults, 7.5 and 3, are the guidance strengths of TRELLIS itself, so its scales are
        taken to count from 0 as ours do; its reference page gives no formula.
        """
        options = pb.SamplerOptions(steps=self.whole(steps_name, 1, 1000))
        scale = self._values.pop(scale_name, None)
        if scale is not None:
            if isinstance(scale, bool) or not isinstance(scale, int | float):
                raise _Unprocessable(scale_name, "Input should be a valid number", "float_type")
            if not 0 <= scale <= 50:  # also refuses what is no number
                raise _Unprocessable(scale_name, "Input should be in [0, 50]")
            options.guidance_strength = scale
        return options

    def images(self, name: str) -> list[bytes]:
        """Return pictures: none, one data URI, or a list of them."""
        value = self._values.pop(name, [])
        uris = value if isinstance(value, list) else [value]
        return [_image(name, uri) for uri in uris]

    def check_all_read(self) -> None:
        """Refuse what is left: a misspelt option must not be ignored."""
        for name in self._values:
            raise _Unprocessable(name, "Extra inputs are not permitted", "extra_forbidden")


def _image(name: str, uri: object) -> bytes:
    if not isinstance(uri, str) or not uri.startswith(_IMAGE):
        raise _Unprocessable(name, "Input should be like data:image/png;base64,iVBORw0...")
    media_type, _, text = uri.removeprefix("data:").partition(";base64,")
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _Unprocessable(name, "the picture is not valid base64") from error
    if media_type not in ("image/png", "image/jpeg", "image/jpg", "image/webp") or not content:
        raise _Unprocessable(name, "the picture must be a PNG, JPEG or WebP in base64")
    return content


async def _base64(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Encode a stream: three bytes become four letters, so what is over waits for more."""
    over = b""
    async for chunk in chunks:
        content = over + chunk
        whole = len(content) - len(content) % 3
        yield base64.b64encode(content[:whole])
        over = content[whole:]
    if over:
        yield base64.b64encode(over)


async def _refuse(exchange: Exchange, ended: CallEnded) -> None:
    """Tell an error of the server's in FastAPI's form."""
    error = wire_error(ended.status)
    if ended.status.code is grpc.StatusCode.INVALID_ARGUMENT:
        content = _detail(_FIELD_OF_SPEC.get(error.field, ""), ended.status.message, "value_error")
        await exchange.answer_json(422, content)
    else:
        await exchange.answer_json(error.status, {"detail": ended.status.message}, error.headers)


def _detail(name: str, message: str, kind: str) -> Mapping[str, object]:
    location = ["body", name] if name else ["body"]
    return {"detail": [{"type": kind, "loc": location, "msg": message}]}
