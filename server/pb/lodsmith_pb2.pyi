import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_CANCELLING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]

class StageState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_STATE_UNSPECIFIED: _ClassVar[StageState]
    STAGE_STATE_RUNNING: _ClassVar[StageState]
    STAGE_STATE_SUCCEEDED: _ClassVar[StageState]
    STAGE_STATE_REUSED: _ClassVar[StageState]
    STAGE_STATE_FAILED: _ClassVar[StageState]
    STAGE_STATE_CANCELLED: _ClassVar[StageState]

class StageKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_KIND_UNSPECIFIED: _ClassVar[StageKind]
    STAGE_KIND_QUEUED: _ClassVar[StageKind]
    STAGE_KIND_PREPROCESS: _ClassVar[StageKind]
    STAGE_KIND_CONDITION: _ClassVar[StageKind]
    STAGE_KIND_SPARSE_STRUCTURE: _ClassVar[StageKind]
    STAGE_KIND_SLAT: _ClassVar[StageKind]
    STAGE_KIND_DECODE: _ClassVar[StageKind]
    STAGE_KIND_REPAIR: _ClassVar[StageKind]
    STAGE_KIND_REMESH: _ClassVar[StageKind]
    STAGE_KIND_SIMPLIFY: _ClassVar[StageKind]
    STAGE_KIND_UNWRAP: _ClassVar[StageKind]
    STAGE_KIND_BAKE: _ClassVar[StageKind]
    STAGE_KIND_LODS: _ClassVar[StageKind]
    STAGE_KIND_COLLISION: _ClassVar[StageKind]
    STAGE_KIND_EXPORT: _ClassVar[StageKind]

class WorkerKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_KIND_UNSPECIFIED: _ClassVar[WorkerKind]
    WORKER_KIND_GENERATOR: _ClassVar[WorkerKind]
    WORKER_KIND_MESH: _ClassVar[WorkerKind]

class WorkerState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WORKER_STATE_UNSPECIFIED: _ClassVar[WorkerState]
    WORKER_STATE_STARTING: _ClassVar[WorkerState]
    WORKER_STATE_IDLE: _ClassVar[WorkerState]
    WORKER_STATE_BUSY: _ClassVar[WorkerState]
    WORKER_STATE_BROKEN: _ClassVar[WorkerState]

class Pivot(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PIVOT_UNSPECIFIED: _ClassVar[Pivot]
    PIVOT_BOTTOM_CENTER: _ClassVar[Pivot]
    PIVOT_KEEP: _ClassVar[Pivot]
    PIVOT_CENTER: _ClassVar[Pivot]
    PIVOT_CUSTOM: _ClassVar[Pivot]

class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIRECTION_UNSPECIFIED: _ClassVar[Direction]
    DIRECTION_POSITIVE_X: _ClassVar[Direction]
    DIRECTION_NEGATIVE_X: _ClassVar[Direction]
    DIRECTION_POSITIVE_Y: _ClassVar[Direction]
    DIRECTION_NEGATIVE_Y: _ClassVar[Direction]
    DIRECTION_POSITIVE_Z: _ClassVar[Direction]
    DIRECTION_NEGATIVE_Z: _ClassVar[Direction]

class PartMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PART_MODE_UNSPECIFIED: _ClassVar[PartMode]
    PART_MODE_MERGED: _ClassVar[PartMode]
    PART_MODE_SEPARATE: _ClassVar[PartMode]

class PartShare(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PART_SHARE_UNSPECIFIED: _ClassVar[PartShare]
    PART_SHARE_ERROR: _ClassVar[PartShare]
    PART_SHARE_AREA: _ClassVar[PartShare]

class LodPreset(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LOD_PRESET_UNSPECIFIED: _ClassVar[LodPreset]
    LOD_PRESET_AUTO: _ClassVar[LodPreset]
    LOD_PRESET_DESKTOP: _ClassVar[LodPreset]
    LOD_PRESET_CONSOLE: _ClassVar[LodPreset]
    LOD_PRESET_MOBILE: _ClassVar[LodPreset]
    LOD_PRESET_VR: _ClassVar[LodPreset]

class StopAt(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_AT_UNSPECIFIED: _ClassVar[StopAt]
    STOP_AT_ANY: _ClassVar[StopAt]
    STOP_AT_ALL: _ClassVar[StopAt]

class MultiImage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MULTI_IMAGE_UNSPECIFIED: _ClassVar[MultiImage]
    MULTI_IMAGE_STOCHASTIC: _ClassVar[MultiImage]
    MULTI_IMAGE_MULTIDIFFUSION: _ClassVar[MultiImage]

class PromptPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROMPT_POLICY_UNSPECIFIED: _ClassVar[PromptPolicy]
    PROMPT_POLICY_SHA256: _ClassVar[PromptPolicy]
    PROMPT_POLICY_TEXT: _ClassVar[PromptPolicy]
    PROMPT_POLICY_OMIT: _ClassVar[PromptPolicy]

class PictureKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PICTURE_KIND_UNSPECIFIED: _ClassVar[PictureKind]
    PICTURE_KIND_TURNTABLE: _ClassVar[PictureKind]
    PICTURE_KIND_SWITCHES: _ClassVar[PictureKind]
    PICTURE_KIND_CHARTS: _ClassVar[PictureKind]
    PICTURE_KIND_ERRORS: _ClassVar[PictureKind]

class TexelDensity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXEL_DENSITY_UNSPECIFIED: _ClassVar[TexelDensity]
    TEXEL_DENSITY_UNIFORM: _ClassVar[TexelDensity]
    TEXEL_DENSITY_IMPORTANCE: _ClassVar[TexelDensity]

class Atlas(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ATLAS_UNSPECIFIED: _ClassVar[Atlas]
    ATLAS_PACKED: _ClassVar[Atlas]
    ATLAS_SHARED: _ClassVar[Atlas]
    ATLAS_PER_LOD: _ClassVar[Atlas]

class UvMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UV_MODE_UNSPECIFIED: _ClassVar[UvMode]
    UV_MODE_AUTO: _ClassVar[UvMode]
    UV_MODE_UNWRAP: _ClassVar[UvMode]
    UV_MODE_KEEP: _ClassVar[UvMode]

class ColorSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLOR_SOURCE_UNSPECIFIED: _ClassVar[ColorSource]
    COLOR_SOURCE_AUTO: _ClassVar[ColorSource]
    COLOR_SOURCE_SURFACE: _ClassVar[ColorSource]
    COLOR_SOURCE_GAUSSIANS: _ClassVar[ColorSource]

class Format(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FORMAT_UNSPECIFIED: _ClassVar[Format]
    FORMAT_MESH: _ClassVar[Format]
    FORMAT_GAUSSIAN: _ClassVar[Format]
    FORMAT_RADIANCE_FIELD: _ClassVar[Format]

class RemeshMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REMESH_MODE_UNSPECIFIED: _ClassVar[RemeshMode]
    REMESH_MODE_OFF: _ClassVar[RemeshMode]
    REMESH_MODE_AUTO: _ClassVar[RemeshMode]
    REMESH_MODE_WATERTIGHT: _ClassVar[RemeshMode]
    REMESH_MODE_ISOTROPIC: _ClassVar[RemeshMode]

class CollisionMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLLISION_MODE_UNSPECIFIED: _ClassVar[CollisionMode]
    COLLISION_MODE_NONE: _ClassVar[CollisionMode]
    COLLISION_MODE_HULL: _ClassVar[CollisionMode]
    COLLISION_MODE_DECOMPOSE: _ClassVar[CollisionMode]
    COLLISION_MODE_AUTO: _ClassVar[CollisionMode]
    COLLISION_MODE_BOX: _ClassVar[CollisionMode]
    COLLISION_MODE_SPHERE: _ClassVar[CollisionMode]
    COLLISION_MODE_CAPSULE: _ClassVar[CollisionMode]

class ExportProfile(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EXPORT_PROFILE_UNSPECIFIED: _ClassVar[ExportProfile]
    EXPORT_PROFILE_GENERIC: _ClassVar[ExportProfile]
    EXPORT_PROFILE_UNITY: _ClassVar[ExportProfile]
    EXPORT_PROFILE_UNREAL: _ClassVar[ExportProfile]
    EXPORT_PROFILE_GODOT: _ClassVar[ExportProfile]
    EXPORT_PROFILE_ROBLOX: _ClassVar[ExportProfile]
    EXPORT_PROFILE_WEB: _ClassVar[ExportProfile]

class TextureFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TEXTURE_FORMAT_UNSPECIFIED: _ClassVar[TextureFormat]
    TEXTURE_FORMAT_PNG: _ClassVar[TextureFormat]
    TEXTURE_FORMAT_JPEG: _ClassVar[TextureFormat]
    TEXTURE_FORMAT_AUTO: _ClassVar[TextureFormat]
    TEXTURE_FORMAT_WEBP: _ClassVar[TextureFormat]
    TEXTURE_FORMAT_KTX2: _ClassVar[TextureFormat]

class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPRESSION_UNSPECIFIED: _ClassVar[Compression]
    COMPRESSION_AUTO: _ClassVar[Compression]
    COMPRESSION_NONE: _ClassVar[Compression]
    COMPRESSION_QUANTIZE: _ClassVar[Compression]
    COMPRESSION_MESHOPT: _ClassVar[Compression]

class FileFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FILE_FORMAT_UNSPECIFIED: _ClassVar[FileFormat]
    FILE_FORMAT_GLB: _ClassVar[FileFormat]
    FILE_FORMAT_OBJ: _ClassVar[FileFormat]
    FILE_FORMAT_PLY: _ClassVar[FileFormat]

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_PIPELINE_ERROR: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_INPUT: _ClassVar[ErrorReason]
    ERROR_REASON_UNSUPPORTED_FEATURE: _ClassVar[ErrorReason]
    ERROR_REASON_EMPTY_RESULT: _ClassVar[ErrorReason]
    ERROR_REASON_BUDGET_UNREACHABLE: _ClassVar[ErrorReason]
    ERROR_REASON_MODEL_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_OUT_OF_MEMORY: _ClassVar[ErrorReason]
    ERROR_REASON_DISK_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_CANCELLED: _ClassVar[ErrorReason]
    ERROR_REASON_WORKER_LOST: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_JOB_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_BLOB_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_ID_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_DIGEST_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_OFFSET_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_UPLOAD_BUSY: _ClassVar[ErrorReason]
    ERROR_REASON_QUEUE_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_DRAINING: _ClassVar[ErrorReason]
    ERROR_REASON_LOG_EPOCH_CHANGED: _ClassVar[ErrorReason]
    ERROR_REASON_BLOB_DAMAGED: _ClassVar[ErrorReason]
    ERROR_REASON_SURFACE_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_PROFILE_VIOLATION: _ClassVar[ErrorReason]
    ERROR_REASON_TOKEN_INVALID: _ClassVar[ErrorReason]
    ERROR_REASON_SCOPE_MISSING: _ClassVar[ErrorReason]
    ERROR_REASON_RATE_LIMITED: _ClassVar[ErrorReason]
    ERROR_REASON_QUOTA_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_EVENTS_COMPACTED: _ClassVar[ErrorReason]
    ERROR_REASON_JOB_NOT_FINISHED: _ClassVar[ErrorReason]
    ERROR_REASON_ETAG_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_JOB_TIMEOUT: _ClassVar[ErrorReason]
    ERROR_REASON_STAGE_STALLED: _ClassVar[ErrorReason]
    ERROR_REASON_INPUT_QUARANTINED: _ClassVar[ErrorReason]
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_CANCELLING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState
STAGE_STATE_UNSPECIFIED: StageState
STAGE_STATE_RUNNING: StageState
STAGE_STATE_SUCCEEDED: StageState
STAGE_STATE_REUSED: StageState
STAGE_STATE_FAILED: StageState
STAGE_STATE_CANCELLED: StageState
STAGE_KIND_UNSPECIFIED: StageKind
STAGE_KIND_QUEUED: StageKind
STAGE_KIND_PREPROCESS: StageKind
STAGE_KIND_CONDITION: StageKind
STAGE_KIND_SPARSE_STRUCTURE: StageKind
STAGE_KIND_SLAT: StageKind
STAGE_KIND_DECODE: StageKind
STAGE_KIND_REPAIR: StageKind
STAGE_KIND_REMESH: StageKind
STAGE_KIND_SIMPLIFY: StageKind
STAGE_KIND_UNWRAP: StageKind
STAGE_KIND_BAKE: StageKind
STAGE_KIND_LODS: StageKind
STAGE_KIND_COLLISION: StageKind
STAGE_KIND_EXPORT: StageKind
WORKER_KIND_UNSPECIFIED: WorkerKind
WORKER_KIND_GENERATOR: WorkerKind
WORKER_KIND_MESH: WorkerKind
WORKER_STATE_UNSPECIFIED: WorkerState
WORKER_STATE_STARTING: WorkerState
WORKER_STATE_IDLE: WorkerState
WORKER_STATE_BUSY: WorkerState
WORKER_STATE_BROKEN: WorkerState
PIVOT_UNSPECIFIED: Pivot
PIVOT_BOTTOM_CENTER: Pivot
PIVOT_KEEP: Pivot
PIVOT_CENTER: Pivot
PIVOT_CUSTOM: Pivot
DIRECTION_UNSPECIFIED: Direction
DIRECTION_POSITIVE_X: Direction
DIRECTION_NEGATIVE_X: Direction
DIRECTION_POSITIVE_Y: Direction
DIRECTION_NEGATIVE_Y: Direction
DIRECTION_POSITIVE_Z: Direction
DIRECTION_NEGATIVE_Z: Direction
PART_MODE_UNSPECIFIED: PartMode
PART_MODE_MERGED: PartMode
PART_MODE_SEPARATE: PartMode
PART_SHARE_UNSPECIFIED: PartShare
PART_SHARE_ERROR: PartShare
PART_SHARE_AREA: PartShare
LOD_PRESET_UNSPECIFIED: LodPreset
LOD_PRESET_AUTO: LodPreset
LOD_PRESET_DESKTOP: LodPreset
LOD_PRESET_CONSOLE: LodPreset
LOD_PRESET_MOBILE: LodPreset
LOD_PRESET_VR: LodPreset
STOP_AT_UNSPECIFIED: StopAt
STOP_AT_ANY: StopAt
STOP_AT_ALL: StopAt
MULTI_IMAGE_UNSPECIFIED: MultiImage
MULTI_IMAGE_STOCHASTIC: MultiImage
MULTI_IMAGE_MULTIDIFFUSION: MultiImage
PROMPT_POLICY_UNSPECIFIED: PromptPolicy
PROMPT_POLICY_SHA256: PromptPolicy
PROMPT_POLICY_TEXT: PromptPolicy
PROMPT_POLICY_OMIT: PromptPolicy
PICTURE_KIND_UNSPECIFIED: PictureKind
PICTURE_KIND_TURNTABLE: PictureKind
PICTURE_KIND_SWITCHES: PictureKind
PICTURE_KIND_CHARTS: PictureKind
PICTURE_KIND_ERRORS: PictureKind
TEXEL_DENSITY_UNSPECIFIED: TexelDensity
TEXEL_DENSITY_UNIFORM: TexelDensity
TEXEL_DENSITY_IMPORTANCE: TexelDensity
ATLAS_UNSPECIFIED: Atlas
ATLAS_PACKED: Atlas
ATLAS_SHARED: Atlas
ATLAS_PER_LOD: Atlas
UV_MODE_UNSPECIFIED: UvMode
UV_MODE_AUTO: UvMode
UV_MODE_UNWRAP: UvMode
UV_MODE_KEEP: UvMode
COLOR_SOURCE_UNSPECIFIED: ColorSource
COLOR_SOURCE_AUTO: ColorSource
COLOR_SOURCE_SURFACE: ColorSource
COLOR_SOURCE_GAUSSIANS: ColorSource
FORMAT_UNSPECIFIED: Format
FORMAT_MESH: Format
FORMAT_GAUSSIAN: Format
FORMAT_RADIANCE_FIELD: Format
REMESH_MODE_UNSPECIFIED: RemeshMode
REMESH_MODE_OFF: RemeshMode
REMESH_MODE_AUTO: RemeshMode
REMESH_MODE_WATERTIGHT: RemeshMode
REMESH_MODE_ISOTROPIC: RemeshMode
COLLISION_MODE_UNSPECIFIED: CollisionMode
COLLISION_MODE_NONE: CollisionMode
COLLISION_MODE_HULL: CollisionMode
COLLISION_MODE_DECOMPOSE: CollisionMode
COLLISION_MODE_AUTO: CollisionMode
COLLISION_MODE_BOX: CollisionMode
COLLISION_MODE_SPHERE: CollisionMode
COLLISION_MODE_CAPSULE: CollisionMode
EXPORT_PROFILE_UNSPECIFIED: ExportProfile
EXPORT_PROFILE_GENERIC: ExportProfile
EXPORT_PROFILE_UNITY: ExportProfile
EXPORT_PROFILE_UNREAL: ExportProfile
EXPORT_PROFILE_GODOT: ExportProfile
EXPORT_PROFILE_ROBLOX: ExportProfile
EXPORT_PROFILE_WEB: ExportProfile
TEXTURE_FORMAT_UNSPECIFIED: TextureFormat
TEXTURE_FORMAT_PNG: TextureFormat
TEXTURE_FORMAT_JPEG: TextureFormat
TEXTURE_FORMAT_AUTO: TextureFormat
TEXTURE_FORMAT_WEBP: TextureFormat
TEXTURE_FORMAT_KTX2: TextureFormat
COMPRESSION_UNSPECIFIED: Compression
COMPRESSION_AUTO: Compression
COMPRESSION_NONE: Compression
COMPRESSION_QUANTIZE: Compression
COMPRESSION_MESHOPT: Compression
FILE_FORMAT_UNSPECIFIED: FileFormat
FILE_FORMAT_GLB: FileFormat
FILE_FORMAT_OBJ: FileFormat
FILE_FORMAT_PLY: FileFormat
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_PIPELINE_ERROR: ErrorReason
ERROR_REASON_INVALID_INPUT: ErrorReason
ERROR_REASON_UNSUPPORTED_FEATURE: ErrorReason
ERROR_REASON_EMPTY_RESULT: ErrorReason
ERROR_REASON_BUDGET_UNREACHABLE: ErrorReason
ERROR_REASON_MODEL_UNAVAILABLE: ErrorReason
ERROR_REASON_OUT_OF_MEMORY: ErrorReason
ERROR_REASON_DISK_FULL: ErrorReason
ERROR_REASON_CANCELLED: ErrorReason
ERROR_REASON_WORKER_LOST: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_JOB_NOT_FOUND: ErrorReason
ERROR_REASON_BLOB_MISSING: ErrorReason
ERROR_REASON_REQUEST_ID_REUSED: ErrorReason
ERROR_REASON_TOO_LARGE: ErrorReason
ERROR_REASON_DIGEST_MISMATCH: ErrorReason
ERROR_REASON_OFFSET_MISMATCH: ErrorReason
ERROR_REASON_UPLOAD_BUSY: ErrorReason
ERROR_REASON_QUEUE_FULL: ErrorReason
ERROR_REASON_DRAINING: ErrorReason
ERROR_REASON_LOG_EPOCH_CHANGED: ErrorReason
ERROR_REASON_BLOB_DAMAGED: ErrorReason
ERROR_REASON_SURFACE_MISSING: ErrorReason
ERROR_REASON_PROFILE_VIOLATION: ErrorReason
ERROR_REASON_TOKEN_INVALID: ErrorReason
ERROR_REASON_SCOPE_MISSING: ErrorReason
ERROR_REASON_RATE_LIMITED: ErrorReason
ERROR_REASON_QUOTA_EXCEEDED: ErrorReason
ERROR_REASON_EVENTS_COMPACTED: ErrorReason
ERROR_REASON_JOB_NOT_FINISHED: ErrorReason
ERROR_REASON_ETAG_MISMATCH: ErrorReason
ERROR_REASON_JOB_TIMEOUT: ErrorReason
ERROR_REASON_STAGE_STALLED: ErrorReason
ERROR_REASON_INPUT_QUARANTINED: ErrorReason

class CreateJobRequest(_message.Message):
    __slots__ = ("request_id", "spec", "validate_only")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    spec: JobSpec
    validate_only: bool
    def __init__(self, request_id: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class CreateJobResponse(_message.Message):
    __slots__ = ("job", "deduplicated")
    JOB_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    job: Job
    deduplicated: bool
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ..., deduplicated: _Optional[bool] = ...) -> None: ...

class GetJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class ListJobsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "states", "labels", "created_since", "created_before")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CREATED_SINCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    states: _containers.RepeatedScalarFieldContainer[JobState]
    labels: _containers.ScalarMap[str, str]
    created_since: _timestamp_pb2.Timestamp
    created_before: _timestamp_pb2.Timestamp
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., states: _Optional[_Iterable[_Union[JobState, str]]] = ..., labels: _Optional[_Mapping[str, str]] = ..., created_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[Job]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[Job, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchJobRequest(_message.Message):
    __slots__ = ("name", "after_sequence", "log_epoch", "heartbeat_interval")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LOG_EPOCH_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    name: str
    after_sequence: int
    log_epoch: str
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., after_sequence: _Optional[int] = ..., log_epoch: _Optional[str] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchJobResponse(_message.Message):
    __slots__ = ("event",)
    EVENT_FIELD_NUMBER: _ClassVar[int]
    event: JobEvent
    def __init__(self, event: _Optional[_Union[JobEvent, _Mapping]] = ...) -> None: ...

class ListJobEventsRequest(_message.Message):
    __slots__ = ("name", "after_sequence", "log_epoch", "page_size", "wait")
    NAME_FIELD_NUMBER: _ClassVar[int]
    AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LOG_EPOCH_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    WAIT_FIELD_NUMBER: _ClassVar[int]
    name: str
    after_sequence: int
    log_epoch: str
    page_size: int
    wait: _duration_pb2.Duration
    def __init__(self, name: _Optional[str] = ..., after_sequence: _Optional[int] = ..., log_epoch: _Optional[str] = ..., page_size: _Optional[int] = ..., wait: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class ListJobEventsResponse(_message.Message):
    __slots__ = ("events", "complete")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[JobEvent]
    complete: bool
    def __init__(self, events: _Optional[_Iterable[_Union[JobEvent, _Mapping]]] = ..., complete: _Optional[bool] = ...) -> None: ...

class CancelJobRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class CancelJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: Job
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ...) -> None: ...

class RetryJobRequest(_message.Message):
    __slots__ = ("name", "request_id", "from_stage")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_STAGE_FIELD_NUMBER: _ClassVar[int]
    name: str
    request_id: str
    from_stage: StageKind
    def __init__(self, name: _Optional[str] = ..., request_id: _Optional[str] = ..., from_stage: _Optional[_Union[StageKind, str]] = ...) -> None: ...

class RetryJobResponse(_message.Message):
    __slots__ = ("job", "deduplicated")
    JOB_FIELD_NUMBER: _ClassVar[int]
    DEDUPLICATED_FIELD_NUMBER: _ClassVar[int]
    job: Job
    deduplicated: bool
    def __init__(self, job: _Optional[_Union[Job, _Mapping]] = ..., deduplicated: _Optional[bool] = ...) -> None: ...

class DeleteJobRequest(_message.Message):
    __slots__ = ("name", "etag")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    name: str
    etag: str
    def __init__(self, name: _Optional[str] = ..., etag: _Optional[str] = ...) -> None: ...

class DeleteJobResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FindMissingBlobsRequest(_message.Message):
    __slots__ = ("digests",)
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    digests: _containers.RepeatedCompositeFieldContainer[Digest]
    def __init__(self, digests: _Optional[_Iterable[_Union[Digest, _Mapping]]] = ...) -> None: ...

class FindMissingBlobsResponse(_message.Message):
    __slots__ = ("missing",)
    MISSING_FIELD_NUMBER: _ClassVar[int]
    missing: _containers.RepeatedCompositeFieldContainer[Digest]
    def __init__(self, missing: _Optional[_Iterable[_Union[Digest, _Mapping]]] = ...) -> None: ...

class WriteBlobChunkRequest(_message.Message):
    __slots__ = ("upload_id", "digest", "offset", "data")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    digest: Digest
    offset: int
    data: bytes
    def __init__(self, upload_id: _Optional[str] = ..., digest: _Optional[_Union[Digest, _Mapping]] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class WriteBlobChunkResponse(_message.Message):
    __slots__ = ("committed_size", "complete")
    COMMITTED_SIZE_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    committed_size: int
    complete: bool
    def __init__(self, committed_size: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...

class WriteBlobRequest(_message.Message):
    __slots__ = ("upload_id", "digest", "offset", "data")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    digest: Digest
    offset: int
    data: bytes
    def __init__(self, upload_id: _Optional[str] = ..., digest: _Optional[_Union[Digest, _Mapping]] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class WriteBlobResponse(_message.Message):
    __slots__ = ("committed_size", "complete")
    COMMITTED_SIZE_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    committed_size: int
    complete: bool
    def __init__(self, committed_size: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...

class QueryBlobWriteRequest(_message.Message):
    __slots__ = ("upload_id", "digest")
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    digest: Digest
    def __init__(self, upload_id: _Optional[str] = ..., digest: _Optional[_Union[Digest, _Mapping]] = ...) -> None: ...

class QueryBlobWriteResponse(_message.Message):
    __slots__ = ("committed_size", "complete")
    COMMITTED_SIZE_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    committed_size: int
    complete: bool
    def __init__(self, committed_size: _Optional[int] = ..., complete: _Optional[bool] = ...) -> None: ...

class ReadBlobRequest(_message.Message):
    __slots__ = ("digest", "offset", "limit")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    digest: Digest
    offset: int
    limit: int
    def __init__(self, digest: _Optional[_Union[Digest, _Mapping]] = ..., offset: _Optional[int] = ..., limit: _Optional[int] = ...) -> None: ...

class ReadBlobResponse(_message.Message):
    __slots__ = ("offset", "data")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    offset: int
    data: bytes
    def __init__(self, offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "draining", "workers", "model", "limits", "library_versions", "models", "http_port", "log_epoch", "queued_job_count", "running_job_count")
    class LibraryVersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    HTTP_PORT_FIELD_NUMBER: _ClassVar[int]
    LOG_EPOCH_FIELD_NUMBER: _ClassVar[int]
    QUEUED_JOB_COUNT_FIELD_NUMBER: _ClassVar[int]
    RUNNING_JOB_COUNT_FIELD_NUMBER: _ClassVar[int]
    version: str
    draining: bool
    workers: _containers.RepeatedCompositeFieldContainer[Worker]
    model: Model
    limits: Limits
    library_versions: _containers.ScalarMap[str, str]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    http_port: int
    log_epoch: str
    queued_job_count: int
    running_job_count: int
    def __init__(self, version: _Optional[str] = ..., draining: _Optional[bool] = ..., workers: _Optional[_Iterable[_Union[Worker, _Mapping]]] = ..., model: _Optional[_Union[Model, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., library_versions: _Optional[_Mapping[str, str]] = ..., models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., http_port: _Optional[int] = ..., log_epoch: _Optional[str] = ..., queued_job_count: _Optional[int] = ..., running_job_count: _Optional[int] = ...) -> None: ...

class ListPipelinesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPipelinesResponse(_message.Message):
    __slots__ = ("pipelines",)
    PIPELINES_FIELD_NUMBER: _ClassVar[int]
    pipelines: _containers.RepeatedCompositeFieldContainer[Pipeline]
    def __init__(self, pipelines: _Optional[_Iterable[_Union[Pipeline, _Mapping]]] = ...) -> None: ...

class Pipeline(_message.Message):
    __slots__ = ("name", "description", "sources", "stages", "models", "problem")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    sources: _containers.RepeatedScalarFieldContainer[str]
    stages: _containers.RepeatedScalarFieldContainer[StageKind]
    models: _containers.RepeatedScalarFieldContainer[str]
    problem: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., sources: _Optional[_Iterable[str]] = ..., stages: _Optional[_Iterable[_Union[StageKind, str]]] = ..., models: _Optional[_Iterable[str]] = ..., problem: _Optional[str] = ...) -> None: ...

class Worker(_message.Message):
    __slots__ = ("kind", "state", "device", "backends", "problem")
    class BackendsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    BACKENDS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    kind: WorkerKind
    state: WorkerState
    device: str
    backends: _containers.ScalarMap[str, str]
    problem: str
    def __init__(self, kind: _Optional[_Union[WorkerKind, str]] = ..., state: _Optional[_Union[WorkerState, str]] = ..., device: _Optional[str] = ..., backends: _Optional[_Mapping[str, str]] = ..., problem: _Optional[str] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("available", "path", "name", "digest", "license", "problem", "takes", "formats")
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    TAKES_FIELD_NUMBER: _ClassVar[int]
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    available: bool
    path: str
    name: str
    digest: str
    license: str
    problem: str
    takes: _containers.RepeatedScalarFieldContainer[str]
    formats: _containers.RepeatedScalarFieldContainer[Format]
    def __init__(self, available: _Optional[bool] = ..., path: _Optional[str] = ..., name: _Optional[str] = ..., digest: _Optional[str] = ..., license: _Optional[str] = ..., problem: _Optional[str] = ..., takes: _Optional[_Iterable[str]] = ..., formats: _Optional[_Iterable[_Union[Format, str]]] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_prompt_characters", "max_image_bytes", "max_image_pixels", "max_mesh_bytes", "max_queued_jobs", "min_free_disk_bytes", "max_chunk_bytes", "max_images", "max_variants", "max_adapter_bytes", "max_mesh_triangles", "max_project_jobs", "max_project_bytes", "max_run_timeout", "job_retention", "max_watches", "max_connection_streams", "max_health_watches", "max_infer_calls")
    MAX_PROMPT_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    MAX_MESH_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_JOBS_FIELD_NUMBER: _ClassVar[int]
    MIN_FREE_DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CHUNK_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGES_FIELD_NUMBER: _ClassVar[int]
    MAX_VARIANTS_FIELD_NUMBER: _ClassVar[int]
    MAX_ADAPTER_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_MESH_TRIANGLES_FIELD_NUMBER: _ClassVar[int]
    MAX_PROJECT_JOBS_FIELD_NUMBER: _ClassVar[int]
    MAX_PROJECT_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_RUN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    JOB_RETENTION_FIELD_NUMBER: _ClassVar[int]
    MAX_WATCHES_FIELD_NUMBER: _ClassVar[int]
    MAX_CONNECTION_STREAMS_FIELD_NUMBER: _ClassVar[int]
    MAX_HEALTH_WATCHES_FIELD_NUMBER: _ClassVar[int]
    MAX_INFER_CALLS_FIELD_NUMBER: _ClassVar[int]
    max_prompt_characters: int
    max_image_bytes: int
    max_image_pixels: int
    max_mesh_bytes: int
    max_queued_jobs: int
    min_free_disk_bytes: int
    max_chunk_bytes: int
    max_images: int
    max_variants: int
    max_adapter_bytes: int
    max_mesh_triangles: int
    max_project_jobs: int
    max_project_bytes: int
    max_run_timeout: _duration_pb2.Duration
    job_retention: _duration_pb2.Duration
    max_watches: int
    max_connection_streams: int
    max_health_watches: int
    max_infer_calls: int
    def __init__(self, max_prompt_characters: _Optional[int] = ..., max_image_bytes: _Optional[int] = ..., max_image_pixels: _Optional[int] = ..., max_mesh_bytes: _Optional[int] = ..., max_queued_jobs: _Optional[int] = ..., min_free_disk_bytes: _Optional[int] = ..., max_chunk_bytes: _Optional[int] = ..., max_images: _Optional[int] = ..., max_variants: _Optional[int] = ..., max_adapter_bytes: _Optional[int] = ..., max_mesh_triangles: _Optional[int] = ..., max_project_jobs: _Optional[int] = ..., max_project_bytes: _Optional[int] = ..., max_run_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., job_retention: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_watches: _Optional[int] = ..., max_connection_streams: _Optional[int] = ..., max_health_watches: _Optional[int] = ..., max_infer_calls: _Optional[int] = ...) -> None: ...

class Digest(_message.Message):
    __slots__ = ("sha256", "size_bytes")
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    size_bytes: int
    def __init__(self, sha256: _Optional[bytes] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class JobSpec(_message.Message):
    __slots__ = ("asset_name", "prompt", "image", "mesh", "job", "seed", "options", "more_images", "variant_count", "shape", "model", "adapter", "adapter_strength", "priority", "run_timeout", "ignore_cache", "labels")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ASSET_NAME_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    MESH_FIELD_NUMBER: _ClassVar[int]
    JOB_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    MORE_IMAGES_FIELD_NUMBER: _ClassVar[int]
    VARIANT_COUNT_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_STRENGTH_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    RUN_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    IGNORE_CACHE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    asset_name: str
    prompt: str
    image: Digest
    mesh: Digest
    job: str
    seed: int
    options: AssetOptions
    more_images: _containers.RepeatedCompositeFieldContainer[Digest]
    variant_count: int
    shape: Digest
    model: str
    adapter: Digest
    adapter_strength: float
    priority: int
    run_timeout: _duration_pb2.Duration
    ignore_cache: bool
    labels: _containers.ScalarMap[str, str]
    def __init__(self, asset_name: _Optional[str] = ..., prompt: _Optional[str] = ..., image: _Optional[_Union[Digest, _Mapping]] = ..., mesh: _Optional[_Union[Digest, _Mapping]] = ..., job: _Optional[str] = ..., seed: _Optional[int] = ..., options: _Optional[_Union[AssetOptions, _Mapping]] = ..., more_images: _Optional[_Iterable[_Union[Digest, _Mapping]]] = ..., variant_count: _Optional[int] = ..., shape: _Optional[_Union[Digest, _Mapping]] = ..., model: _Optional[str] = ..., adapter: _Optional[_Union[Digest, _Mapping]] = ..., adapter_strength: _Optional[float] = ..., priority: _Optional[int] = ..., run_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., ignore_cache: _Optional[bool] = ..., labels: _Optional[_Mapping[str, str]] = ...) -> None: ...

class AssetOptions(_message.Message):
    __slots__ = ("sparse_structure", "slat", "place", "repair", "remesh", "lod", "unwrap", "bake", "collision", "export", "condition", "decode", "parts", "provenance", "pictures")
    SPARSE_STRUCTURE_FIELD_NUMBER: _ClassVar[int]
    SLAT_FIELD_NUMBER: _ClassVar[int]
    PLACE_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    REMESH_FIELD_NUMBER: _ClassVar[int]
    LOD_FIELD_NUMBER: _ClassVar[int]
    UNWRAP_FIELD_NUMBER: _ClassVar[int]
    BAKE_FIELD_NUMBER: _ClassVar[int]
    COLLISION_FIELD_NUMBER: _ClassVar[int]
    EXPORT_FIELD_NUMBER: _ClassVar[int]
    CONDITION_FIELD_NUMBER: _ClassVar[int]
    DECODE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    sparse_structure: SamplerOptions
    slat: SamplerOptions
    place: PlaceOptions
    repair: RepairOptions
    remesh: RemeshOptions
    lod: LodOptions
    unwrap: UnwrapOptions
    bake: BakeOptions
    collision: CollisionOptions
    export: ExportOptions
    condition: ConditionOptions
    decode: DecodeOptions
    parts: PartOptions
    provenance: ProvenanceOptions
    pictures: PictureOptions
    def __init__(self, sparse_structure: _Optional[_Union[SamplerOptions, _Mapping]] = ..., slat: _Optional[_Union[SamplerOptions, _Mapping]] = ..., place: _Optional[_Union[PlaceOptions, _Mapping]] = ..., repair: _Optional[_Union[RepairOptions, _Mapping]] = ..., remesh: _Optional[_Union[RemeshOptions, _Mapping]] = ..., lod: _Optional[_Union[LodOptions, _Mapping]] = ..., unwrap: _Optional[_Union[UnwrapOptions, _Mapping]] = ..., bake: _Optional[_Union[BakeOptions, _Mapping]] = ..., collision: _Optional[_Union[CollisionOptions, _Mapping]] = ..., export: _Optional[_Union[ExportOptions, _Mapping]] = ..., condition: _Optional[_Union[ConditionOptions, _Mapping]] = ..., decode: _Optional[_Union[DecodeOptions, _Mapping]] = ..., parts: _Optional[_Union[PartOptions, _Mapping]] = ..., provenance: _Optional[_Union[ProvenanceOptions, _Mapping]] = ..., pictures: _Optional[_Union[PictureOptions, _Mapping]] = ...) -> None: ...

class PictureOptions(_message.Message):
    __slots__ = ("more",)
    MORE_FIELD_NUMBER: _ClassVar[int]
    more: _containers.RepeatedScalarFieldContainer[PictureKind]
    def __init__(self, more: _Optional[_Iterable[_Union[PictureKind, str]]] = ...) -> None: ...

class ProvenanceOptions(_message.Message):
    __slots__ = ("prompt", "picture_license", "mesh_license", "shape_license", "adapter_license")
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    PICTURE_LICENSE_FIELD_NUMBER: _ClassVar[int]
    MESH_LICENSE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_LICENSE_FIELD_NUMBER: _ClassVar[int]
    ADAPTER_LICENSE_FIELD_NUMBER: _ClassVar[int]
    prompt: PromptPolicy
    picture_license: str
    mesh_license: str
    shape_license: str
    adapter_license: str
    def __init__(self, prompt: _Optional[_Union[PromptPolicy, str]] = ..., picture_license: _Optional[str] = ..., mesh_license: _Optional[str] = ..., shape_license: _Optional[str] = ..., adapter_license: _Optional[str] = ...) -> None: ...

class ConditionOptions(_message.Message):
    __slots__ = ("negative_prompt", "multi_image")
    NEGATIVE_PROMPT_FIELD_NUMBER: _ClassVar[int]
    MULTI_IMAGE_FIELD_NUMBER: _ClassVar[int]
    negative_prompt: str
    multi_image: MultiImage
    def __init__(self, negative_prompt: _Optional[str] = ..., multi_image: _Optional[_Union[MultiImage, str]] = ...) -> None: ...

class DecodeOptions(_message.Message):
    __slots__ = ("formats", "color_from")
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    COLOR_FROM_FIELD_NUMBER: _ClassVar[int]
    formats: _containers.RepeatedScalarFieldContainer[Format]
    color_from: ColorSource
    def __init__(self, formats: _Optional[_Iterable[_Union[Format, str]]] = ..., color_from: _Optional[_Union[ColorSource, str]] = ...) -> None: ...

class SamplerOptions(_message.Message):
    __slots__ = ("steps", "guidance_strength", "guidance_interval", "rescale_t")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_STRENGTH_FIELD_NUMBER: _ClassVar[int]
    GUIDANCE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    RESCALE_T_FIELD_NUMBER: _ClassVar[int]
    steps: int
    guidance_strength: float
    guidance_interval: Interval
    rescale_t: float
    def __init__(self, steps: _Optional[int] = ..., guidance_strength: _Optional[float] = ..., guidance_interval: _Optional[_Union[Interval, _Mapping]] = ..., rescale_t: _Optional[float] = ...) -> None: ...

class Interval(_message.Message):
    __slots__ = ("low", "high")
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    low: float
    high: float
    def __init__(self, low: _Optional[float] = ..., high: _Optional[float] = ...) -> None: ...

class PlaceOptions(_message.Message):
    __slots__ = ("height_m", "pivot", "fit_m", "pivot_point", "up", "forward", "settle_deg")
    HEIGHT_M_FIELD_NUMBER: _ClassVar[int]
    PIVOT_FIELD_NUMBER: _ClassVar[int]
    FIT_M_FIELD_NUMBER: _ClassVar[int]
    PIVOT_POINT_FIELD_NUMBER: _ClassVar[int]
    UP_FIELD_NUMBER: _ClassVar[int]
    FORWARD_FIELD_NUMBER: _ClassVar[int]
    SETTLE_DEG_FIELD_NUMBER: _ClassVar[int]
    height_m: float
    pivot: Pivot
    fit_m: Size
    pivot_point: Point
    up: Direction
    forward: Direction
    settle_deg: float
    def __init__(self, height_m: _Optional[float] = ..., pivot: _Optional[_Union[Pivot, str]] = ..., fit_m: _Optional[_Union[Size, _Mapping]] = ..., pivot_point: _Optional[_Union[Point, _Mapping]] = ..., up: _Optional[_Union[Direction, str]] = ..., forward: _Optional[_Union[Direction, str]] = ..., settle_deg: _Optional[float] = ...) -> None: ...

class Size(_message.Message):
    __slots__ = ("x", "y", "z")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    Z_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    z: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., z: _Optional[float] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x", "y", "z")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    Z_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    z: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ..., z: _Optional[float] = ...) -> None: ...

class PartOptions(_message.Message):
    __slots__ = ("mode", "share", "weights")
    MODE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    mode: PartMode
    share: PartShare
    weights: _containers.RepeatedCompositeFieldContainer[PartWeight]
    def __init__(self, mode: _Optional[_Union[PartMode, str]] = ..., share: _Optional[_Union[PartShare, str]] = ..., weights: _Optional[_Iterable[_Union[PartWeight, _Mapping]]] = ...) -> None: ...

class PartWeight(_message.Message):
    __slots__ = ("name", "weight")
    NAME_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    name: str
    weight: float
    def __init__(self, name: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class RepairOptions(_message.Message):
    __slots__ = ("weld_distance_ratio", "drop_speck_ratio", "fill_hole_edges", "fill_hole_perimeter_ratio", "flip_inside_out", "remove_interior", "drop_speck_distance_ratio", "vote_winding")
    WELD_DISTANCE_RATIO_FIELD_NUMBER: _ClassVar[int]
    DROP_SPECK_RATIO_FIELD_NUMBER: _ClassVar[int]
    FILL_HOLE_EDGES_FIELD_NUMBER: _ClassVar[int]
    FILL_HOLE_PERIMETER_RATIO_FIELD_NUMBER: _ClassVar[int]
    FLIP_INSIDE_OUT_FIELD_NUMBER: _ClassVar[int]
    REMOVE_INTERIOR_FIELD_NUMBER: _ClassVar[int]
    DROP_SPECK_DISTANCE_RATIO_FIELD_NUMBER: _ClassVar[int]
    VOTE_WINDING_FIELD_NUMBER: _ClassVar[int]
    weld_distance_ratio: float
    drop_speck_ratio: float
    fill_hole_edges: int
    fill_hole_perimeter_ratio: float
    flip_inside_out: bool
    remove_interior: bool
    drop_speck_distance_ratio: float
    vote_winding: bool
    def __init__(self, weld_distance_ratio: _Optional[float] = ..., drop_speck_ratio: _Optional[float] = ..., fill_hole_edges: _Optional[int] = ..., fill_hole_perimeter_ratio: _Optional[float] = ..., flip_inside_out: _Optional[bool] = ..., remove_interior: _Optional[bool] = ..., drop_speck_distance_ratio: _Optional[float] = ..., vote_winding: _Optional[bool] = ...) -> None: ...

class RemeshOptions(_message.Message):
    __slots__ = ("mode", "resolution", "triangles", "sharp_angle_deg")
    MODE_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    TRIANGLES_FIELD_NUMBER: _ClassVar[int]
    SHARP_ANGLE_DEG_FIELD_NUMBER: _ClassVar[int]
    mode: RemeshMode
    resolution: int
    triangles: int
    sharp_angle_deg: float
    def __init__(self, mode: _Optional[_Union[RemeshMode, str]] = ..., resolution: _Optional[int] = ..., triangles: _Optional[int] = ..., sharp_angle_deg: _Optional[float] = ...) -> None: ...

class LodOptions(_message.Message):
    __slots__ = ("budgets", "reference_height_px", "targets", "preset", "max_deviation_ratio", "merge_parts", "impostor")
    BUDGETS_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_HEIGHT_PX_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    PRESET_FIELD_NUMBER: _ClassVar[int]
    MAX_DEVIATION_RATIO_FIELD_NUMBER: _ClassVar[int]
    MERGE_PARTS_FIELD_NUMBER: _ClassVar[int]
    IMPOSTOR_FIELD_NUMBER: _ClassVar[int]
    budgets: _containers.RepeatedScalarFieldContainer[int]
    reference_height_px: int
    targets: _containers.RepeatedCompositeFieldContainer[LodTarget]
    preset: LodPreset
    max_deviation_ratio: float
    merge_parts: bool
    impostor: bool
    def __init__(self, budgets: _Optional[_Iterable[int]] = ..., reference_height_px: _Optional[int] = ..., targets: _Optional[_Iterable[_Union[LodTarget, _Mapping]]] = ..., preset: _Optional[_Union[LodPreset, str]] = ..., max_deviation_ratio: _Optional[float] = ..., merge_parts: _Optional[bool] = ..., impostor: _Optional[bool] = ...) -> None: ...

class LodTarget(_message.Message):
    __slots__ = ("triangles", "ratio", "deviation_m", "screen_coverage", "stop")
    TRIANGLES_FIELD_NUMBER: _ClassVar[int]
    RATIO_FIELD_NUMBER: _ClassVar[int]
    DEVIATION_M_FIELD_NUMBER: _ClassVar[int]
    SCREEN_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    STOP_FIELD_NUMBER: _ClassVar[int]
    triangles: int
    ratio: float
    deviation_m: float
    screen_coverage: float
    stop: StopAt
    def __init__(self, triangles: _Optional[int] = ..., ratio: _Optional[float] = ..., deviation_m: _Optional[float] = ..., screen_coverage: _Optional[float] = ..., stop: _Optional[_Union[StopAt, str]] = ...) -> None: ...

class UnwrapOptions(_message.Message):
    __slots__ = ("texture_size", "gutter_texels", "density", "atlas", "uv", "lightmap")
    TEXTURE_SIZE_FIELD_NUMBER: _ClassVar[int]
    GUTTER_TEXELS_FIELD_NUMBER: _ClassVar[int]
    DENSITY_FIELD_NUMBER: _ClassVar[int]
    ATLAS_FIELD_NUMBER: _ClassVar[int]
    UV_FIELD_NUMBER: _ClassVar[int]
    LIGHTMAP_FIELD_NUMBER: _ClassVar[int]
    texture_size: int
    gutter_texels: int
    density: TexelDensity
    atlas: Atlas
    uv: UvMode
    lightmap: bool
    def __init__(self, texture_size: _Optional[int] = ..., gutter_texels: _Optional[int] = ..., density: _Optional[_Union[TexelDensity, str]] = ..., atlas: _Optional[_Union[Atlas, str]] = ..., uv: _Optional[_Union[UvMode, str]] = ..., lightmap: _Optional[bool] = ...) -> None: ...

class BakeOptions(_message.Message):
    __slots__ = ("ambient_occlusion", "delight", "roughness", "metallic")
    AMBIENT_OCCLUSION_FIELD_NUMBER: _ClassVar[int]
    DELIGHT_FIELD_NUMBER: _ClassVar[int]
    ROUGHNESS_FIELD_NUMBER: _ClassVar[int]
    METALLIC_FIELD_NUMBER: _ClassVar[int]
    ambient_occlusion: bool
    delight: float
    roughness: float
    metallic: float
    def __init__(self, ambient_occlusion: _Optional[bool] = ..., delight: _Optional[float] = ..., roughness: _Optional[float] = ..., metallic: _Optional[float] = ...) -> None: ...

class CollisionOptions(_message.Message):
    __slots__ = ("mode", "max_hulls", "max_vertices", "max_over_cover", "max_protrusion_ratio")
    MODE_FIELD_NUMBER: _ClassVar[int]
    MAX_HULLS_FIELD_NUMBER: _ClassVar[int]
    MAX_VERTICES_FIELD_NUMBER: _ClassVar[int]
    MAX_OVER_COVER_FIELD_NUMBER: _ClassVar[int]
    MAX_PROTRUSION_RATIO_FIELD_NUMBER: _ClassVar[int]
    mode: CollisionMode
    max_hulls: int
    max_vertices: int
    max_over_cover: float
    max_protrusion_ratio: float
    def __init__(self, mode: _Optional[_Union[CollisionMode, str]] = ..., max_hulls: _Optional[int] = ..., max_vertices: _Optional[int] = ..., max_over_cover: _Optional[float] = ..., max_protrusion_ratio: _Optional[float] = ...) -> None: ...

class ExportOptions(_message.Message):
    __slots__ = ("profile", "texture_format", "texture_psnr_db", "max_texture_size", "compression", "split", "formats")
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    TEXTURE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    TEXTURE_PSNR_DB_FIELD_NUMBER: _ClassVar[int]
    MAX_TEXTURE_SIZE_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    FORMATS_FIELD_NUMBER: _ClassVar[int]
    profile: ExportProfile
    texture_format: TextureFormat
    texture_psnr_db: float
    max_texture_size: int
    compression: Compression
    split: bool
    formats: _containers.RepeatedScalarFieldContainer[FileFormat]
    def __init__(self, profile: _Optional[_Union[ExportProfile, str]] = ..., texture_format: _Optional[_Union[TextureFormat, str]] = ..., texture_psnr_db: _Optional[float] = ..., max_texture_size: _Optional[int] = ..., compression: _Optional[_Union[Compression, str]] = ..., split: _Optional[bool] = ..., formats: _Optional[_Iterable[_Union[FileFormat, str]]] = ...) -> None: ...

class Job(_message.Message):
    __slots__ = ("name", "spec", "state", "stages", "fraction", "estimated_remaining", "warnings", "result", "error", "last_sequence", "create_time", "start_time", "end_time", "retry_of", "queue_position", "etag", "log_epoch")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_REMAINING_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    LOG_EPOCH_FIELD_NUMBER: _ClassVar[int]
    name: str
    spec: JobSpec
    state: JobState
    stages: _containers.RepeatedCompositeFieldContainer[StageStatus]
    fraction: float
    estimated_remaining: _duration_pb2.Duration
    warnings: _containers.RepeatedCompositeFieldContainer[JobWarning]
    result: JobResult
    error: JobError
    last_sequence: int
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    retry_of: str
    queue_position: int
    etag: str
    log_epoch: str
    def __init__(self, name: _Optional[str] = ..., spec: _Optional[_Union[JobSpec, _Mapping]] = ..., state: _Optional[_Union[JobState, str]] = ..., stages: _Optional[_Iterable[_Union[StageStatus, _Mapping]]] = ..., fraction: _Optional[float] = ..., estimated_remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., warnings: _Optional[_Iterable[_Union[JobWarning, _Mapping]]] = ..., result: _Optional[_Union[JobResult, _Mapping]] = ..., error: _Optional[_Union[JobError, _Mapping]] = ..., last_sequence: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., retry_of: _Optional[str] = ..., queue_position: _Optional[int] = ..., etag: _Optional[str] = ..., log_epoch: _Optional[str] = ...) -> None: ...

class StageStatus(_message.Message):
    __slots__ = ("stage", "fraction", "start_time", "end_time", "preview", "state", "attempt")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    stage: StageKind
    fraction: float
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    preview: Digest
    state: StageState
    attempt: int
    def __init__(self, stage: _Optional[_Union[StageKind, str]] = ..., fraction: _Optional[float] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., preview: _Optional[_Union[Digest, _Mapping]] = ..., state: _Optional[_Union[StageState, str]] = ..., attempt: _Optional[int] = ...) -> None: ...

class JobWarning(_message.Message):
    __slots__ = ("stage", "message")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    stage: StageKind
    message: str
    def __init__(self, stage: _Optional[_Union[StageKind, str]] = ..., message: _Optional[str] = ...) -> None: ...

class JobResult(_message.Message):
    __slots__ = ("lods", "artifacts", "variants")
    LODS_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    VARIANTS_FIELD_NUMBER: _ClassVar[int]
    lods: _containers.RepeatedCompositeFieldContainer[Lod]
    artifacts: _containers.RepeatedCompositeFieldContainer[Artifact]
    variants: _containers.RepeatedCompositeFieldContainer[Variant]
    def __init__(self, lods: _Optional[_Iterable[_Union[Lod, _Mapping]]] = ..., artifacts: _Optional[_Iterable[_Union[Artifact, _Mapping]]] = ..., variants: _Optional[_Iterable[_Union[Variant, _Mapping]]] = ...) -> None: ...

class Variant(_message.Message):
    __slots__ = ("seed", "lods", "collision")
    SEED_FIELD_NUMBER: _ClassVar[int]
    LODS_FIELD_NUMBER: _ClassVar[int]
    COLLISION_FIELD_NUMBER: _ClassVar[int]
    seed: int
    lods: _containers.RepeatedCompositeFieldContainer[Lod]
    collision: Collision
    def __init__(self, seed: _Optional[int] = ..., lods: _Optional[_Iterable[_Union[Lod, _Mapping]]] = ..., collision: _Optional[_Union[Collision, _Mapping]] = ...) -> None: ...

class Collision(_message.Message):
    __slots__ = ("kind", "hull_count", "over_cover", "protrusion_m")
    KIND_FIELD_NUMBER: _ClassVar[int]
    HULL_COUNT_FIELD_NUMBER: _ClassVar[int]
    OVER_COVER_FIELD_NUMBER: _ClassVar[int]
    PROTRUSION_M_FIELD_NUMBER: _ClassVar[int]
    kind: str
    hull_count: int
    over_cover: float
    protrusion_m: float
    def __init__(self, kind: _Optional[str] = ..., hull_count: _Optional[int] = ..., over_cover: _Optional[float] = ..., protrusion_m: _Optional[float] = ...) -> None: ...

class Lod(_message.Message):
    __slots__ = ("triangle_count", "budget", "deviation_max_m", "deviation_mean_m", "screen_coverage", "normal_deviation_deg", "silhouette_px")
    TRIANGLE_COUNT_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    DEVIATION_MAX_M_FIELD_NUMBER: _ClassVar[int]
    DEVIATION_MEAN_M_FIELD_NUMBER: _ClassVar[int]
    SCREEN_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    NORMAL_DEVIATION_DEG_FIELD_NUMBER: _ClassVar[int]
    SILHOUETTE_PX_FIELD_NUMBER: _ClassVar[int]
    triangle_count: int
    budget: int
    deviation_max_m: float
    deviation_mean_m: float
    screen_coverage: float
    normal_deviation_deg: float
    silhouette_px: float
    def __init__(self, triangle_count: _Optional[int] = ..., budget: _Optional[int] = ..., deviation_max_m: _Optional[float] = ..., deviation_mean_m: _Optional[float] = ..., screen_coverage: _Optional[float] = ..., normal_deviation_deg: _Optional[float] = ..., silhouette_px: _Optional[float] = ...) -> None: ...

class Artifact(_message.Message):
    __slots__ = ("role", "file_name", "media_type", "digest", "variant")
    ROLE_FIELD_NUMBER: _ClassVar[int]
    FILE_NAME_FIELD_NUMBER: _ClassVar[int]
    MEDIA_TYPE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    role: str
    file_name: str
    media_type: str
    digest: Digest
    variant: int
    def __init__(self, role: _Optional[str] = ..., file_name: _Optional[str] = ..., media_type: _Optional[str] = ..., digest: _Optional[_Union[Digest, _Mapping]] = ..., variant: _Optional[int] = ...) -> None: ...

class JobError(_message.Message):
    __slots__ = ("reason", "message", "stage", "metadata", "retryable")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    reason: ErrorReason
    message: str
    stage: StageKind
    metadata: _containers.ScalarMap[str, str]
    retryable: bool
    def __init__(self, reason: _Optional[_Union[ErrorReason, str]] = ..., message: _Optional[str] = ..., stage: _Optional[_Union[StageKind, str]] = ..., metadata: _Optional[_Mapping[str, str]] = ..., retryable: _Optional[bool] = ...) -> None: ...

class JobEvent(_message.Message):
    __slots__ = ("sequence", "event_time", "snapshot", "state", "progress", "preview", "warning", "finished", "heartbeat")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    event_time: _timestamp_pb2.Timestamp
    snapshot: Job
    state: JobState
    progress: StageProgress
    preview: Preview
    warning: JobWarning
    finished: Job
    heartbeat: Heartbeat
    def __init__(self, sequence: _Optional[int] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., snapshot: _Optional[_Union[Job, _Mapping]] = ..., state: _Optional[_Union[JobState, str]] = ..., progress: _Optional[_Union[StageProgress, _Mapping]] = ..., preview: _Optional[_Union[Preview, _Mapping]] = ..., warning: _Optional[_Union[JobWarning, _Mapping]] = ..., finished: _Optional[_Union[Job, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("queue_position", "estimated_remaining")
    QUEUE_POSITION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_REMAINING_FIELD_NUMBER: _ClassVar[int]
    queue_position: int
    estimated_remaining: _duration_pb2.Duration
    def __init__(self, queue_position: _Optional[int] = ..., estimated_remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class StageProgress(_message.Message):
    __slots__ = ("stage", "fraction", "job_fraction", "estimated_remaining", "state", "attempt")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    JOB_FRACTION_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_REMAINING_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    stage: StageKind
    fraction: float
    job_fraction: float
    estimated_remaining: _duration_pb2.Duration
    state: StageState
    attempt: int
    def __init__(self, stage: _Optional[_Union[StageKind, str]] = ..., fraction: _Optional[float] = ..., job_fraction: _Optional[float] = ..., estimated_remaining: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., state: _Optional[_Union[StageState, str]] = ..., attempt: _Optional[int] = ...) -> None: ...

class Preview(_message.Message):
    __slots__ = ("stage", "image")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    stage: StageKind
    image: Digest
    def __init__(self, stage: _Optional[_Union[StageKind, str]] = ..., image: _Optional[_Union[Digest, _Mapping]] = ...) -> None: ...
