"""Records: what the journal keeps and what workers say, who have read files of strangers.

The first byte chooses the kind of record, the rest is its text.
"""

from collections.abc import Callable, Mapping
from random import Random

from pipeline import AssetOptions, ModelFacts, Stage
from pipeline.mesh.repairing.repair import RepairOptions
from server.artifacts import Digest
from server.engine import (
    CollisionFit,
    Lod,
    Previewed,
    StoredArtifact,
    TaskOutcome,
    Warned,
)
from server.engine.messages import Done, Failed, Ready, pack_report, unpack_report
from server.jobs import (
    JobDetails,
    JobError,
    JobResult,
    JobSpec,
    JobState,
    StageProgressed,
    StageStatus,
    StateChanged,
    Variant,
)
from server.record import dumps, loads
from tests.fuzz.mutations.blind import blind
from tests.fuzz.mutations.json_values import Json, changed_json

_KINDS: tuple[type, ...] = (
    JobSpec,
    JobDetails,
    TaskOutcome,
    StateChanged,
    StageProgressed,
    Previewed,
    Warned,
)


def consume(data: bytes) -> None:
    if not data:
        return
    number, text = data[0] % (len(_KINDS) + 1), data[1:]
    if number == len(_KINDS):
        _read(unpack_report, pack_report, text)
    else:
        _read(lambda text: loads(_KINDS[number], text), lambda value: dumps(value).encode(), text)


def _read(read: Callable[[bytes], object], write: Callable[..., bytes], text: bytes) -> None:
    try:
        value = read(text)
    except ValueError:
        return
    again = write(value)
    assert write(read(again)) == again


def mutate(data: bytes, random: Random) -> bytes:
    if random.randrange(8) == 0:
        return blind(data, random)
    return data[:1] + changed_json(data[1:], random, _WORDS)


def seeds() -> Mapping[str, bytes]:
    values: Mapping[str, object] = {
        "spec": JobSpec(
            asset_name="Chair",
            image=_DIGEST,
            more_images=(_DIGEST,),
            options=AssetOptions(repair=RepairOptions.for_upload()),
        ),
        "details": JobDetails(
            stages=(
                StageStatus(stage=Stage.BAKE, fraction=0.5, start_us=1, end_us=2, preview=_DIGEST),
            ),
            remaining_s=1.5,
            warnings=(_WARNED,),
            result=JobResult(
                lods=_OUTCOME.lods,
                artifacts=_OUTCOME.artifacts,
                variants=(Variant(seed=1, lods=(), collision=_OUTCOME.collision),),
            ),
            error=JobError(reason="INTERNAL", message="no", stage=None, metadata={"a": "b"}),
        ),
        "outcome": _OUTCOME,
        "state": StateChanged(state=JobState.RUNNING),
        "progress": StageProgressed(
            stage=Stage.BAKE, fraction=0.5, job_fraction=0.25, remaining_s=None
        ),
        "preview": Previewed(stage=Stage.BAKE, image=_DIGEST),
        "warning": _WARNED,
    }
    reports = {
        "done": Done(outcome=_OUTCOME),
        "failed": Failed(reason="INVALID_INPUT", message="no", stage=Stage.BAKE, metadata={}),
        "ready": Ready(device="cpu", backends={"attention": "torch"}, models=(), problem=""),
    }
    texts = {name: dumps(value).encode() for name, value in values.items()}
    return {
        **{name: bytes([_KINDS.index(type(values[name]))]) + text for name, text in texts.items()},
        **{name: bytes([len(_KINDS)]) + pack_report(report) for name, report in reports.items()},
    }


_DIGEST = Digest(sha256="ab" * 32, size_bytes=10)
_WARNED = Warned(stage=Stage.BAKE, message="the back is invented")
_OUTCOME = TaskOutcome(
    surfaces=(_DIGEST,),
    slats=(_DIGEST,),
    seeds=(1, 2),
    model=ModelFacts(name="starter", digest="ab" * 32, license="MIT"),
    artifacts=(StoredArtifact(role="model", file_name="a.glb", media_type="x/y", digest=_DIGEST),),
    lods=(
        Lod(
            triangle_count=9,
            budget=10,
            deviation_max_m=0.1,
            deviation_mean_m=0.01,
            screen_coverage=0.5,
        ),
    ),
    collision=CollisionFit(kind="hull", hull_count=1, over_cover=1.5, protrusion_m=0.1),
)
_WORDS: Mapping[str, list[Json]] = {
    "sha256": ["ab" * 32, "ab", "AB" * 32],
    "size_bytes": [0, -1],
    "stage": ["bake", "else", None],
    "state": ["running", "else"],
    "repair": [None, {}],
    "budgets": [[1], [1, 2], [2, 1]],
    "steps": [0, 1, 10**400],
    "height_m": [0, 1, 10**400],
}
