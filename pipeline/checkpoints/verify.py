"""Is a model whole, and is it what it says it is?

Structure first, from the files' headers, in milliseconds: names, shapes and types of every tensor
against what the arguments beside them say. Then, unless asked to be quick, the SHA-256 of every
file against its record and the catalog.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pipeline.checkpoints.catalog import (
    CONDITIONERS,
    SLAT_MEAN,
    SLAT_STD,
    PipelineFacts,
    checkpoint,
    published_file,
)
from pipeline.checkpoints.hashing import HashProgress, sha256_of_files, unwatched
from pipeline.checkpoints.header import TensorFacts, read_header
from pipeline.checkpoints.library import (
    Place,
    has_all,
    locate_checkpoint,
    locate_conditioner,
    place_of,
)
from pipeline.errors import ModelUnavailable

Json = Any  # what json.loads returns; every use below checks what it reads
State = Literal["ok", "note", "problem"]

_NEEDED_MODELS = (
    "sparse_structure_flow_model",
    "sparse_structure_decoder",
    "slat_flow_model",
    "slat_decoder_mesh",
)
_NEEDED_PARAMS = ("steps", "cfg_strength", "cfg_interval", "rescale_t")
_INSTALLED_CONDITIONER = "all-MiniLM-L6-v2"  # comes as a Python package, which checks it itself
_FLOATS = frozenset({"F32", "F16", "BF16"})
_TOLD = 3  # of the tensors that differ; the rest is counted


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found out about one file.

    file: below its model's folder; with the repository before it, where that is another one.
    text: the problem, or a remark; "" where all is well.
    is_elsewhere: whether the file belongs to another model or conditioner.
    sha256: "" where it was not computed.
    """

    file: str
    state: State = "ok"
    text: str = ""
    is_elsewhere: bool = False
    sha256: str = ""
    path: Path | None = field(default=None, repr=False)
    place: Place | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Findings, one or more per file. path: of the model."""

    path: Path
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What must be put right."""
        return tuple(found for found in self.findings if found.state == "problem")

    def to_json(self) -> dict[str, Json]:
        """What a program reads."""
        files = [
            {"file": f.file, "state": f.state, "text": f.text, "sha256": f.sha256}
            for f in self.findings
        ]
        return {"path": str(self.path), "ok": not self.problems, "files": files}

    def lines(self) -> list[str]:
        """What a person reads: a line per file."""
        width = max((len(f.file) for f in self.findings), default=0)
        return [f"{f.state:<8} {f.file:<{width}}  {f.text}".rstrip() for f in self.findings]


def verify(
    path: Path, home: Path, progress: HashProgress = unwatched, *, is_quick: bool = False
) -> Verification:
    """Check every file of a model, and those of other repositories that it needs.

    Args:
        path: The model's folder or file, as `resolve` returns it.
        home: Folder of the records.
        progress: Told while files are hashed.
        is_quick: Leave out the SHA-256, which takes seconds per gigabyte.

    Returns:
        Findings; a problem is no exception.
    """
    findings = check_structure(place_of(home, path), home)
    if not is_quick:
        findings = _hashed(findings, progress)
    return Verification(path=path, findings=tuple(findings))


def check_structure(place: Place, home: Path) -> list[Finding]:
    """Check what can be told without reading tensors.

    Args:
        place: The model.
        home: Folder of the records.
    """
    if (place.path / "pipeline.json").exists() or place.entry is None or place.entry.pipeline:
        return _check_pipeline(place, home)
    return _check_conditioner(place, is_elsewhere=False)


def _check_pipeline(place: Place, home: Path) -> list[Finding]:
    facts = place.entry.pipeline if place.entry is not None else None
    try:
        config = _read_json(place.path / "pipeline.json")
        args = _object(config, "args", "")
        models = _object(args, "models", "args.")
        for role in _NEEDED_MODELS:
            if role not in models:
                raise ModelUnavailable(f"lacks {role} under args.models")
        _check_values(args)
        if facts is not None:
            _check_published_values(config, args, facts)
        findings = [_finding(place, "pipeline.json")]
    except ModelUnavailable as e:
        return [_finding(place, "pipeline.json", "problem", str(e))]
    entries = list(models.values())
    for role in ("image_cond_model", "text_cond_model"):
        conditioner = args.get(role)
        if conditioner in CONDITIONERS:
            findings += _check_needed_conditioner(str(conditioner), home)
        elif conditioner not in (None, _INSTALLED_CONDITIONER):
            entries.append(conditioner)  # a checkpoint of this project's own kind
    for entry in entries:
        findings += _check_entry(entry, place, home)
    return findings + _check_rest(place, {found.path for found in findings})


def _check_entry(entry: Json, place: Place, home: Path) -> list[Finding]:
    try:
        there, path = locate_checkpoint(entry, place, home)
    except ModelUnavailable as e:
        # Which may be the fault of another repository, or of the name itself.
        own = isinstance(entry, str) and entry.count("/") < 2
        return [Finding(file=str(entry), state="problem", text=str(e), is_elsewhere=not own)]
    return _check_checkpoint(there, path, is_elsewhere=there is not place)


def _check_checkpoint(place: Place, path: Path, *, is_elsewhere: bool = False) -> list[Finding]:
    """The JSON and the tensors of one checkpoint."""
    config_file = path.with_name(path.name + ".json")
    tensor_file = path.with_name(path.name + ".safetensors")
    findings: list[Finding] = []
    expected: dict[str, TensorFacts] | None = None
    is_published = place.entry is not None and checkpoint(path.name) is not None
    try:
        expected = _expected(config_file, is_published=is_published)
        findings.append(_finding(place, config_file, is_elsewhere=is_elsewhere))
    except ModelUnavailable as e:
        findings.append(_finding(place, config_file, "problem", str(e), is_elsewhere=is_elsewhere))
    try:
        stored = read_header(tensor_file)
        wrong = "" if expected is None else _differences(expected, stored, is_exact=is_published)
    except ModelUnavailable as e:
        wrong = str(e)
    state: State = "problem" if wrong else "ok"
    return [*findings, _finding(place, tensor_file, state, wrong, is_elsewhere=is_elsewhere)]


def _expected(file: Path, *, is_published: bool) -> dict[str, TensorFacts]:
    from pipeline.checkpoints.manifest import expected_tensors  # torch: a second

    config = _read_json(file)
    kind, args = config.get("name"), _object(config, "args", "")
    if is_published:
        released = checkpoint(file.name)
        assert released is not None
        if kind != released.kind:
            raise ModelUnavailable(f"describes {kind!r}, but the released file {released.kind}")
        for name, value in released.args.items():
            if args.get(name) != value:
                raise ModelUnavailable(
                    f"has {name}={args.get(name)!r}, but the released file {value!r}"
                )
    return expected_tensors(str(kind), args)


def _differences(
    expected: Mapping[str, TensorFacts], stored: Mapping[str, TensorFacts], *, is_exact: bool
) -> str:
    """What is missing, foreign or unlike, in words; "" if nothing is.

    is_exact: types must be the released ones; a model of one's own may be stored in any precision
    that it can be loaded from.
    """
    problems = [f"{key} is missing" for key in expected if key not in stored]
    problems += [f"{key} is foreign" for key in stored if key not in expected]
    for key in expected.keys() & stored.keys():
        want, have = expected[key], stored[key]
        types = {want.dtype} if is_exact else _FLOATS
        if have.shape != want.shape:
            problems.append(f"{key} has shape {list(have.shape)}, not {list(want.shape)}")
        elif have.dtype not in types:
            problems.append(f"{key} is {have.dtype}, not {' or '.join(sorted(types))}")
    problems.sort()
    more = f" and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
    return "; ".join(problems[:_TOLD]) + more


def _check_needed_conditioner(name: str, home: Path) -> list[Finding]:
    try:
        place = locate_conditioner(name, home)
    except ModelUnavailable as e:
        return [Finding(file=name, state="problem", text=str(e), is_elsewhere=True)]
    return _check_conditioner(place, is_elsewhere=True)


def _check_conditioner(place: Place, *, is_elsewhere: bool) -> list[Finding]:
    entry = place.entry
    assert entry is not None
    findings: list[Finding] = []
    for known in entry.files:
        file = place.folder / known.path
        wrong = ""
        try:
            if not file.exists():
                if known.path in entry.optional:
                    continue
                raise ModelUnavailable(f"{file} is missing")
            if file.suffix == ".safetensors":
                from pipeline.checkpoints.manifest import conditioner_tensors  # torch: a second

                expected, stored = conditioner_tensors(entry.name), read_header(file)
                of_interest = {key: facts for key, facts in stored.items() if key in expected}
                wrong = _differences(expected, of_interest, is_exact=True)
            elif file.suffix == ".json":
                _read_json(file)
            elif known.size_bytes not in (None, file.stat().st_size):
                raise ModelUnavailable(
                    f"{file} has {file.stat().st_size:,} bytes, not the published "
                    f"{known.size_bytes:,}; copy it again"
                )
        except ModelUnavailable as e:
            wrong = str(e)
        state: State = "problem" if wrong else "ok"
        findings.append(_finding(place, file, state, wrong, is_elsewhere=is_elsewhere))
    return findings


def _check_rest(place: Place, seen: set[Path | None]) -> list[Finding]:
    """Files in `ckpts/` that `pipeline.json` does not name, and what else a publisher gave."""
    findings: list[Finding] = []
    folder = place.path / "ckpts"
    left = [] if not folder.is_dir() else sorted(f for f in folder.rglob("*") if f.is_file())
    left = [f for f in left if f not in seen and not f.name.startswith(".")]
    for file in left:
        partner = {".json": ".safetensors", ".safetensors": ".json"}.get(file.suffix)
        is_released = place.entry is None or published_file(place.entry, _below(place, file))
        if partner is None or file.with_suffix(partner) not in left or not is_released:
            text = "a foreign file, which belongs to no checkpoint of this model; move it away"
            findings.append(_finding(place, file, "problem", text))
        elif file.suffix == ".json":  # encoders, which generation does without
            findings += _check_checkpoint(place, file.with_suffix(""))
    if place.entry is not None and place.entry.pipeline is not None:
        present = {place.folder / f.path for f in place.entry.files}
        missing = sorted(
            _below(place, file)
            for file in present
            if not file.exists() and _below(place, file).startswith("ckpts/")
        )
        if has_all(place.entry, place.folder) and missing:
            text = "not here; encoding an existing mesh needs it"
            findings += [_finding(place, file, "note", text) for file in missing]
    return findings


def _hashed(findings: list[Finding], progress: HashProgress) -> list[Finding]:
    """Add the SHA-256 to each finding whose file exists, and compare it."""
    files = [f.path for f in findings if f.path is not None and f.path.is_file()]
    digests = sha256_of_files(files, progress)
    result: list[Finding] = []
    for found in findings:
        digest = digests.get(found.path) if found.path is not None else None
        if digest is None or found.path is None or found.place is None:
            result.append(found)
            continue
        wrong = _wrong_hash(found.place, found.path, digest)
        if wrong and found.state != "problem":
            found = replace(found, state="problem", text=wrong)
        result.append(replace(found, sha256=digest))
    return result + _gone(findings)


def _wrong_hash(place: Place, file: Path, digest: str) -> str:
    relative = _below(place, file)
    known = published_file(place.entry, relative)
    if known is not None and known.sha256 not in (None, digest):
        return f"SHA-256 {digest} is not the published {known.sha256}; download it again"
    if place.record is None:
        return ""
    recorded = place.record.files.get(relative)
    if recorded is None:
        return f"was not there when {place.record.name} was added; move it away or add it again"
    if recorded.sha256 != digest:
        return (
            f"has changed since {place.record.name} was added: SHA-256 {digest} is not "
            f"{recorded.sha256}; restore it or add the model again"
        )
    return ""


def _gone(findings: list[Finding]) -> list[Finding]:
    """Files of a record that nothing has mentioned."""
    seen = {found.path for found in findings}
    records = {f.place.path: f.place for f in findings if f.place and not f.is_elsewhere}
    return [
        _finding(place, path, "problem", f"is missing since {place.record.name} was added")
        for place in records.values()
        if place.record is not None
        for path in place.record.files
        if place.folder / path not in seen and not (place.folder / path).exists()
    ]


def _check_values(args: Mapping[str, Json]) -> None:
    """The values that a sampler needs, whatever they are."""
    for stage in ("sparse_structure_sampler", "slat_sampler"):
        params = _object(_object(args, stage, "args."), "params", f"args.{stage}.")
        for name in _NEEDED_PARAMS:
            if name not in params:
                raise ModelUnavailable(f"lacks args.{stage}.params.{name}")
    norm = _object(args, "slat_normalization", "args.")
    mean, std = norm.get("mean", []), norm.get("std", [])
    for values in (mean, std):
        if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values):
            raise ModelUnavailable(
                "must hold lists of numbers as args.slat_normalization.mean, std"
            )
    if not mean or len(mean) != len(std) or min(std) <= 0:
        raise ModelUnavailable(
            f"has {len(mean)} values as args.slat_normalization.mean and {len(std)} as std; there "
            "must be as many of each, and every std above 0"
        )


def _check_published_values(
    config: Mapping[str, Json], args: Mapping[str, Json], facts: PipelineFacts
) -> None:
    """The values that the publisher gave: another one is another model, or a slip."""
    expected: dict[str, Json] = {"name": facts.name}
    found: dict[str, Json] = {"name": config.get("name")}
    for stage in ("sparse_structure_sampler", "slat_sampler"):
        params = args[stage]["params"]
        for name in _NEEDED_PARAMS:
            value = getattr(facts.sampler, name)
            expected[f"{stage}.{name}"] = list(value) if isinstance(value, tuple) else value
            found[f"{stage}.{name}"] = params[name]
    norm = args["slat_normalization"]
    expected |= {
        "slat_normalization.mean": list(SLAT_MEAN),
        "slat_normalization.std": list(SLAT_STD),
    }
    found |= {f"slat_normalization.{name}": norm[name] for name in ("mean", "std")}
    role, conditioner = facts.conditioner
    expected[role], found[role] = conditioner, args.get(role)
    for role, entry in facts.models.items():
        expected[f"models.{role}"], found[f"models.{role}"] = entry, args["models"].get(role)
    for name, value in expected.items():
        if found[name] != value:
            raise ModelUnavailable(f"has {name}={found[name]!r}, but the published file {value!r}")


def _finding(
    place: Place,
    file: Path | str,
    state: State = "ok",
    text: str = "",
    *,
    is_elsewhere: bool = False,
) -> Finding:
    path = place.folder / file
    name = _below(place, path)
    return Finding(
        file=f"{place.repository or place.folder.name}: {name}" if is_elsewhere else name,
        state=state,
        text=text.removeprefix(f"{path} ").removeprefix(f"{path}: "),
        is_elsewhere=is_elsewhere,
        path=path,
        place=place,
    )


def _below(place: Place, file: Path) -> str:
    return file.relative_to(place.folder).as_posix()


def _read_json(file: Path) -> dict[str, Json]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError as e:
        raise ModelUnavailable(f"{file} is missing") from e
    except (OSError, ValueError) as e:
        raise ModelUnavailable(f"{file} cannot be read: {e}") from e
    if not isinstance(content, dict):
        raise ModelUnavailable(f"{file} must hold a JSON object")
    return content


def _object(content: Mapping[str, Json], name: str, where: str) -> dict[str, Json]:
    value = content.get(name)
    if not isinstance(value, dict):
        raise ModelUnavailable(f"must hold an object {where}{name}, got {value!r}")
    return value
