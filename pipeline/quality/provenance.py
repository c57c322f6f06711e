"""How an asset was made, written into the GLB itself.

The record stands in `asset.extras.lodsmith`, where engines and viewers leave it alone, and once
more in the report. It has two hashes. `content_sha256` covers everything else in the file: SHA-256
over the canonical form (RFC 8785) of the JSON chunk without `asset.extras.lodsmith` (and without
`asset.extras`, if that leaves it empty), followed by all bytes of the file behind the JSON chunk.
`record_sha256` covers the record: SHA-256 over its canonical form without `record_sha256`.

Both show accidental or careless change. Neither is a signature: who changes the file on purpose can
compute them anew.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.errors import InvalidInput
from pipeline.quality.canonical import canonical_json, sha256_of_json
from pipeline.quality.chunks import Chunks, JsonObject, read_chunks, write_chunks
from pipeline.report import Json

SCHEMA = "lodsmith.provenance/1"
KEY = "lodsmith"

# Source: IPTC NewsCodes, Digital Source Type.
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

# They have no hand in an asset that was not generated; naming them would give the same mesh other
# bytes on a machine with another torch.
_OF_THE_MODEL = frozenset({"torch", "transformers", "tokenizers", "safetensors", "onnxruntime"})

PromptPolicy = Literal["text", "sha256", "omit"]
InputRole = Literal["picture", "mesh", "shape", "adapter"]

_LONGEST_LICENSE = 100


@dataclass(frozen=True, kw_only=True)
class ProvenanceOptions:
    """Options of `provenance_record`.

    prompt: what goes into files that leave the house: the prompt's text, its SHA-256, or nothing.
        A short prompt can be guessed from its hash. Names of meshes and files are made from the
        prompt, too, unless the asset was given a name.
    picture_license, mesh_license, shape_license, adapter_license: of what went in, as SPDX
        identifiers or in other words; "" where nobody told.
    """

    prompt: PromptPolicy = "sha256"
    picture_license: str = ""
    mesh_license: str = ""
    shape_license: str = ""
    adapter_license: str = ""

    def __post_init__(self) -> None:
        if self.prompt not in ("text", "sha256", "omit"):
            raise InvalidInput(f"prompt must be text, sha256 or omit, got {self.prompt!r}")
        for role in get_args(InputRole):
            license_name = self.license_of(role)
            if len(license_name) > _LONGEST_LICENSE or not license_name.isprintable():
                raise InvalidInput(
                    f"{role}_license must be one line of at most {_LONGEST_LICENSE} characters, "
                    f"got {license_name[: 2 * _LONGEST_LICENSE]!r}"
                )

    def license_of(self, role: InputRole) -> str:
        """The license that was given for inputs of this role."""
        license_name: str = getattr(self, f"{role}_license")
        return license_name


@dataclass(frozen=True, kw_only=True)
class Input:
    """A file that went in. license: "" where nobody told."""

    role: InputRole
    sha256: str
    license: str


def told_recipe(recipe: Mapping[str, Json], options: ProvenanceOptions) -> dict[str, Json]:
    """A recipe for the report; without any prompt where nothing of it may be told.

    The report lies in the house beside the asset, so a prompt of which only the hash leaves the
    house stays readable there.
    """
    if options.prompt != "omit":
        return dict(recipe)
    told = {key: value for key, value in recipe.items() if key != "prompt"}
    chosen = told.get("options")
    condition = chosen.get("condition") if isinstance(chosen, Mapping) else None
    if isinstance(chosen, Mapping) and isinstance(condition, Mapping):
        without = {key: value for key, value in condition.items() if key != "negative_prompt"}
        told["options"] = {**chosen, "condition": without}
    return told


def inputs_of(recipe: Mapping[str, Json], options: ProvenanceOptions) -> tuple[Input, ...]:
    """The files that a report's recipe names, in order, with the licenses that were given."""
    role: InputRole = "picture" if "model" in recipe else "mesh"
    more = recipe.get("more_input_sha256") or ()
    assert isinstance(more, Sequence)
    named: list[tuple[InputRole, Json]] = [
        (role, recipe.get("input_sha256")),
        *((role, digest) for digest in more),
        ("shape", recipe.get("shape_sha256")),
        ("adapter", recipe.get("adapter_sha256")),
    ]
    return tuple(
        Input(role=role, sha256=str(digest), license=options.license_of(role))
        for role, digest in named
        if digest
    )


def provenance_record(
    recipe: Mapping[str, Json],
    inputs: Sequence[Input],
    options: ProvenanceOptions,
) -> JsonObject:
    """Write down where an asset comes from; without the time, so that it is the same twice.

    Args:
        recipe: As in the report, with "options" and "versions". An asset was generated if it names
            a model.
        inputs: The files that went in, as from `inputs_of`.
        options: What is told of the prompt.

    Returns:
        The record, not yet sealed: it has no hashes of the file.
    """
    versions = recipe.get("versions") or {}
    assert isinstance(versions, Mapping)
    record: JsonObject = {
        "schema": SCHEMA,
        "generator": f"Lodsmith {versions.get('lodsmith') or '(checkout)'}",
    }
    model = recipe.get("model")
    if model is not None:
        assert isinstance(model, Mapping)
        record["digital_source_type"] = GENERATED
        record["model"] = {
            key: model[key] for key in ("name", "digest", "license", "runs_on") if model.get(key)
        }
    prompt = recipe.get("prompt")
    if isinstance(prompt, str) and options.prompt == "text":
        record["prompt"] = prompt
    elif isinstance(prompt, str) and options.prompt == "sha256":
        record["prompt_sha256"] = hashlib.sha256(prompt.encode()).hexdigest()
    for key in ("seed", "adapter_strength", "slat_sha256", "surface_sha256"):
        if recipe.get(key) is not None:
            record[key] = recipe[key]
    record["inputs"] = [vars(one) for one in inputs]
    record["options_sha256"] = sha256_of_json(recipe.get("options") or {})
    record["libraries"] = {
        name: version
        for name, version in versions.items()
        if version and name != "lodsmith" and (model is not None or name not in _OF_THE_MODEL)
    }
    record["human_edits"] = []
    return record


def sealed(glb: bytes, record: Mapping[str, object]) -> bytes:
    """Put a record into a finished GLB. Only its JSON chunk is rewritten, keys in their order.

    Args:
        glb: The file; a record that it has already is replaced.
        record: As from `provenance_record`; its hashes are filled in.

    Raises:
        InvalidInput: If it is no GLB, or its `asset.extras` is no object.
    """
    chunks = read_chunks(glb)
    bare = _without_record(chunks.root)
    complete = {key: value for key, value in record.items() if key not in _HASHES}
    complete["content_sha256"] = _content_sha256(bare, chunks.rest)
    complete["record_sha256"] = record_sha256(complete)
    asset = bare.get("asset")
    if not isinstance(asset, dict):
        raise InvalidInput("the GLB has no asset, which every glTF file must have")
    extras = asset.get("extras", {})
    if not isinstance(extras, dict):
        raise InvalidInput("asset.extras of the GLB is no object, so a record has no place there")
    root = {**bare, "asset": {**asset, "extras": {**extras, KEY: complete}}}
    return write_chunks(Chunks(root=root, rest=chunks.rest))


_HASHES = ("content_sha256", "record_sha256")


def read_record(glb: bytes) -> JsonObject | None:
    """The record of a GLB, whether or not it still holds; None if there is none.

    Raises:
        InvalidInput: If it is no GLB.
    """
    return record_in(read_chunks(glb).root)


def record_in(root: Mapping[str, object]) -> JsonObject | None:
    """The record in the JSON of a GLB."""
    asset = root.get("asset")
    extras = asset.get("extras") if isinstance(asset, dict) else None
    record = extras.get(KEY) if isinstance(extras, dict) else None
    return record if isinstance(record, dict) else None


def content_sha256(chunks: Chunks) -> str:
    """Hash of a GLB without its record, as defined above."""
    return _content_sha256(_without_record(chunks.root), chunks.rest)


def record_sha256(record: Mapping[str, object]) -> str:
    """Hash of a record without this hash."""
    return sha256_of_json({k: value for k, value in record.items() if k != "record_sha256"})


def _content_sha256(bare: JsonObject, rest: memoryview) -> str:
    digest = hashlib.sha256(canonical_json(bare))
    digest.update(rest)
    return digest.hexdigest()


def _without_record(root: JsonObject) -> JsonObject:
    asset = root.get("asset")
    if not isinstance(asset, dict) or not isinstance(asset.get("extras"), dict):
        return root
    extras = {key: value for key, value in asset["extras"].items() if key != KEY}
    bare = {key: value for key, value in asset.items() if key != "extras" or extras}
    if extras:
        bare["extras"] = extras
    return {**root, "asset": bare}
