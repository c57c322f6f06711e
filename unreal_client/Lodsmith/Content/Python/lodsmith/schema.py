"""Generated from protos/lodsmith/v1/lodsmith.proto by `make protos`. Do not edit."""

from enum import IntEnum


class JobState(IntEnum):
    UNSPECIFIED = 0
    QUEUED = 1
    RUNNING = 2
    CANCELLING = 3
    SUCCEEDED = 4
    FAILED = 5
    CANCELLED = 6


class StageState(IntEnum):
    UNSPECIFIED = 0
    RUNNING = 1
    SUCCEEDED = 2
    REUSED = 3
    FAILED = 4
    CANCELLED = 5


class StageKind(IntEnum):
    UNSPECIFIED = 0
    QUEUED = 1
    PREPROCESS = 2
    CONDITION = 3
    SPARSE_STRUCTURE = 4
    SLAT = 5
    DECODE = 6
    REPAIR = 7
    REMESH = 8
    SIMPLIFY = 9
    UNWRAP = 10
    BAKE = 11
    LODS = 12
    COLLISION = 13
    EXPORT = 14


class WorkerKind(IntEnum):
    UNSPECIFIED = 0
    GENERATOR = 1
    MESH = 2


class WorkerState(IntEnum):
    UNSPECIFIED = 0
    STARTING = 1
    IDLE = 2
    BUSY = 3
    BROKEN = 4


class Pivot(IntEnum):
    UNSPECIFIED = 0
    BOTTOM_CENTER = 1
    KEEP = 2
    CENTER = 3
    CUSTOM = 4


class Direction(IntEnum):
    UNSPECIFIED = 0
    POSITIVE_X = 1
    NEGATIVE_X = 2
    POSITIVE_Y = 3
    NEGATIVE_Y = 4
    POSITIVE_Z = 5
    NEGATIVE_Z = 6


class PartMode(IntEnum):
    UNSPECIFIED = 0
    MERGED = 1
    SEPARATE = 2


class PartShare(IntEnum):
    UNSPECIFIED = 0
    ERROR = 1
    AREA = 2


class LodPreset(IntEnum):
    UNSPECIFIED = 0
    AUTO = 1
    DESKTOP = 2
    CONSOLE = 3
    MOBILE = 4
    VR = 5


class StopAt(IntEnum):
    UNSPECIFIED = 0
    ANY = 1
    ALL = 2


class MultiImage(IntEnum):
    UNSPECIFIED = 0
    STOCHASTIC = 1
    MULTIDIFFUSION = 2


class PromptPolicy(IntEnum):
    UNSPECIFIED = 0
    SHA256 = 1
    TEXT = 2
    OMIT = 3


class PictureKind(IntEnum):
    UNSPECIFIED = 0
    TURNTABLE = 1
    SWITCHES = 2
    CHARTS = 3
    ERRORS = 4


class TexelDensity(IntEnum):
    UNSPECIFIED = 0
    UNIFORM = 1
    IMPORTANCE = 2


class Atlas(IntEnum):
    UNSPECIFIED = 0
    PACKED = 1
    SHARED = 2
    PER_LOD = 3


class UvMode(IntEnum):
    UNSPECIFIED = 0
    AUTO = 1
    UNWRAP = 2
    KEEP = 3


class ColorSource(IntEnum):
    UNSPECIFIED = 0
    AUTO = 1
    SURFACE = 2
    GAUSSIANS = 3


class Format(IntEnum):
    UNSPECIFIED = 0
    MESH = 1
    GAUSSIAN = 2
    RADIANCE_FIELD = 3


class RemeshMode(IntEnum):
    UNSPECIFIED = 0
    OFF = 1
    AUTO = 2
    WATERTIGHT = 3
    ISOTROPIC = 4


class CollisionMode(IntEnum):
    UNSPECIFIED = 0
    NONE = 1
    HULL = 2
    DECOMPOSE = 3
    AUTO = 4
    BOX = 5
    SPHERE = 6
    CAPSULE = 7


class ExportProfile(IntEnum):
    UNSPECIFIED = 0
    GENERIC = 1
    UNITY = 2
    UNREAL = 3
    GODOT = 4
    ROBLOX = 5
    WEB = 6


class TextureFormat(IntEnum):
    UNSPECIFIED = 0
    PNG = 1
    JPEG = 2
    AUTO = 3
    WEBP = 4
    KTX2 = 5


class Compression(IntEnum):
    UNSPECIFIED = 0
    AUTO = 1
    NONE = 2
    QUANTIZE = 3
    MESHOPT = 4


class FileFormat(IntEnum):
    UNSPECIFIED = 0
    GLB = 1
    OBJ = 2
    PLY = 3


class ErrorReason(IntEnum):
    UNSPECIFIED = 0
    PIPELINE_ERROR = 1
    INVALID_INPUT = 2
    UNSUPPORTED_FEATURE = 3
    EMPTY_RESULT = 4
    BUDGET_UNREACHABLE = 5
    MODEL_UNAVAILABLE = 6
    OUT_OF_MEMORY = 7
    DISK_FULL = 8
    CANCELLED = 9
    WORKER_LOST = 10
    INTERNAL = 11
    JOB_NOT_FOUND = 12
    BLOB_MISSING = 13
    REQUEST_ID_REUSED = 14
    TOO_LARGE = 15
    DIGEST_MISMATCH = 16
    OFFSET_MISMATCH = 17
    UPLOAD_BUSY = 18
    QUEUE_FULL = 19
    DRAINING = 20
    LOG_EPOCH_CHANGED = 21
    BLOB_DAMAGED = 22
    SURFACE_MISSING = 23
    PROFILE_VIOLATION = 24
    TOKEN_INVALID = 25
    SCOPE_MISSING = 26
    RATE_LIMITED = 27
    QUOTA_EXCEEDED = 28
    EVENTS_COMPACTED = 29
    JOB_NOT_FINISHED = 30
    ETAG_MISMATCH = 31
    JOB_TIMEOUT = 32
    STAGE_STALLED = 33
    INPUT_QUARANTINED = 34


# Per message its fields: number, name, type, label, oneof. A map is from text to text.
MESSAGES = {
    "Duration": (
        (1, "seconds", "int64", "", ""),
        (2, "nanos", "int32", "", ""),
    ),
    "Timestamp": (
        (1, "seconds", "int64", "", ""),
        (2, "nanos", "int32", "", ""),
    ),
    "CreateJobRequest": (
        (1, "request_id", "string", "", ""),
        (2, "spec", "JobSpec", "", ""),
        (3, "validate_only", "bool", "", ""),
    ),
    "CreateJobResponse": (
        (1, "job", "Job", "", ""),
        (2, "deduplicated", "bool", "", ""),
    ),
    "GetJobRequest": (
        (1, "name", "string", "", ""),
    ),
    "GetJobResponse": (
        (1, "job", "Job", "", ""),
    ),
    "ListJobsRequest": (
        (1, "page_size", "int32", "", ""),
        (2, "page_token", "string", "", ""),
        (3, "states", "JobState", "repeated", ""),
        (4, "labels", "string", "map", ""),
        (5, "created_since", "Timestamp", "", ""),
        (6, "created_before", "Timestamp", "", ""),
    ),
    "ListJobsResponse": (
        (1, "jobs", "Job", "repeated", ""),
        (2, "next_page_token", "string", "", ""),
    ),
    "WatchJobRequest": (
        (1, "name", "string", "", ""),
        (2, "after_sequence", "int64", "", ""),
        (3, "log_epoch", "string", "", ""),
        (4, "heartbeat_interval", "Duration", "", ""),
    ),
    "WatchJobResponse": (
        (1, "event", "JobEvent", "", ""),
    ),
    "ListJobEventsRequest": (
        (1, "name", "string", "", ""),
        (2, "after_sequence", "int64", "", ""),
        (3, "log_epoch", "string", "", ""),
        (4, "page_size", "int32", "", ""),
        (5, "wait", "Duration", "", ""),
    ),
    "ListJobEventsResponse": (
        (1, "events", "JobEvent", "repeated", ""),
        (2, "complete", "bool", "", ""),
    ),
    "CancelJobRequest": (
        (1, "name", "string", "", ""),
    ),
    "CancelJobResponse": (
        (1, "job", "Job", "", ""),
    ),
    "RetryJobRequest": (
        (1, "name", "string", "", ""),
        (2, "request_id", "string", "", ""),
        (3, "from_stage", "StageKind", "", ""),
    ),
    "RetryJobResponse": (
        (1, "job", "Job", "", ""),
        (2, "deduplicated", "bool", "", ""),
    ),
    "DeleteJobRequest": (
        (1, "name", "string", "", ""),
        (2, "etag", "string", "", ""),
    ),
    "DeleteJobResponse": (),
    "FindMissingBlobsRequest": (
        (1, "digests", "Digest", "repeated", ""),
    ),
    "FindMissingBlobsResponse": (
        (1, "missing", "Digest", "repeated", ""),
    ),
    "WriteBlobChunkRequest": (
        (1, "upload_id", "string", "", ""),
        (2, "digest", "Digest", "", ""),
        (3, "offset", "int64", "", ""),
        (4, "data", "bytes", "", ""),
    ),
    "WriteBlobChunkResponse": (
        (1, "committed_size", "int64", "", ""),
        (2, "complete", "bool", "", ""),
    ),
    "WriteBlobRequest": (
        (1, "upload_id", "string", "", ""),
        (2, "digest", "Digest", "", ""),
        (3, "offset", "int64", "", ""),
        (4, "data", "bytes", "", ""),
    ),
    "WriteBlobResponse": (
        (1, "committed_size", "int64", "", ""),
        (2, "complete", "bool", "", ""),
    ),
    "QueryBlobWriteRequest": (
        (1, "upload_id", "string", "", ""),
        (2, "digest", "Digest", "", ""),
    ),
    "QueryBlobWriteResponse": (
        (1, "committed_size", "int64", "", ""),
        (2, "complete", "bool", "", ""),
    ),
    "ReadBlobRequest": (
        (1, "digest", "Digest", "", ""),
        (2, "offset", "int64", "", ""),
        (3, "limit", "int64", "", ""),
    ),
    "ReadBlobResponse": (
        (1, "offset", "int64", "", ""),
        (2, "data", "bytes", "", ""),
    ),
    "GetServerInfoRequest": (),
    "GetServerInfoResponse": (
        (1, "version", "string", "", ""),
        (2, "draining", "bool", "", ""),
        (3, "workers", "Worker", "repeated", ""),
        (4, "model", "Model", "", ""),
        (5, "limits", "Limits", "", ""),
        (6, "library_versions", "string", "map", ""),
        (7, "models", "Model", "repeated", ""),
        (8, "http_port", "int32", "", ""),
        (9, "log_epoch", "string", "", ""),
        (10, "queued_job_count", "int32", "", ""),
        (11, "running_job_count", "int32", "", ""),
    ),
    "ListPipelinesRequest": (),
    "ListPipelinesResponse": (
        (1, "pipelines", "Pipeline", "repeated", ""),
    ),
    "Pipeline": (
        (1, "name", "string", "", ""),
        (2, "description", "string", "", ""),
        (3, "sources", "string", "repeated", ""),
        (4, "stages", "StageKind", "repeated", ""),
        (5, "models", "string", "repeated", ""),
        (6, "problem", "string", "", ""),
    ),
    "Worker": (
        (1, "kind", "WorkerKind", "", ""),
        (2, "state", "WorkerState", "", ""),
        (3, "device", "string", "", ""),
        (4, "backends", "string", "map", ""),
        (5, "problem", "string", "", ""),
    ),
    "Model": (
        (1, "available", "bool", "", ""),
        (2, "path", "string", "", ""),
        (3, "name", "string", "", ""),
        (4, "digest", "string", "", ""),
        (5, "license", "string", "", ""),
        (6, "problem", "string", "", ""),
        (7, "takes", "string", "repeated", ""),
        (8, "formats", "Format", "repeated", ""),
    ),
    "Limits": (
        (1, "max_prompt_characters", "int32", "", ""),
        (2, "max_image_bytes", "int64", "", ""),
        (3, "max_image_pixels", "int64", "", ""),
        (4, "max_mesh_bytes", "int64", "", ""),
        (5, "max_queued_jobs", "int32", "", ""),
        (6, "min_free_disk_bytes", "int64", "", ""),
        (7, "max_chunk_bytes", "int32", "", ""),
        (8, "max_images", "int32", "", ""),
        (9, "max_variants", "int32", "", ""),
        (10, "max_adapter_bytes", "int64", "", ""),
        (11, "max_mesh_triangles", "int64", "", ""),
        (12, "max_project_jobs", "int32", "", ""),
        (13, "max_project_bytes", "int64", "", ""),
        (14, "max_run_timeout", "Duration", "", ""),
        (15, "job_retention", "Duration", "", ""),
        (16, "max_watches", "int32", "", ""),
        (17, "max_connection_streams", "int32", "", ""),
        (18, "max_health_watches", "int32", "", ""),
        (19, "max_infer_calls", "int32", "", ""),
    ),
    "Digest": (
        (1, "sha256", "bytes", "", ""),
        (2, "size_bytes", "int64", "", ""),
    ),
    "JobSpec": (
        (1, "asset_name", "string", "", ""),
        (2, "prompt", "string", "", "source"),
        (3, "image", "Digest", "", "source"),
        (4, "mesh", "Digest", "", "source"),
        (5, "seed", "int64", "", ""),
        (6, "options", "AssetOptions", "", ""),
        (7, "more_images", "Digest", "repeated", ""),
        (8, "variant_count", "int32", "", ""),
        (9, "shape", "Digest", "", ""),
        (10, "model", "string", "", ""),
        (11, "adapter", "Digest", "", ""),
        (12, "adapter_strength", "double", "optional", ""),
        (13, "job", "string", "", "source"),
        (14, "priority", "int32", "", ""),
        (15, "run_timeout", "Duration", "", ""),
        (16, "ignore_cache", "bool", "", ""),
        (17, "labels", "string", "map", ""),
    ),
    "AssetOptions": (
        (1, "sparse_structure", "SamplerOptions", "", ""),
        (2, "slat", "SamplerOptions", "", ""),
        (3, "place", "PlaceOptions", "", ""),
        (4, "repair", "RepairOptions", "", ""),
        (5, "remesh", "RemeshOptions", "", ""),
        (6, "lod", "LodOptions", "", ""),
        (7, "unwrap", "UnwrapOptions", "", ""),
        (8, "bake", "BakeOptions", "", ""),
        (9, "collision", "CollisionOptions", "", ""),
        (10, "export", "ExportOptions", "", ""),
        (11, "condition", "ConditionOptions", "", ""),
        (12, "decode", "DecodeOptions", "", ""),
        (13, "parts", "PartOptions", "", ""),
        (14, "provenance", "ProvenanceOptions", "", ""),
        (15, "pictures", "PictureOptions", "", ""),
    ),
    "PictureOptions": (
        (1, "more", "PictureKind", "repeated", ""),
    ),
    "ProvenanceOptions": (
        (1, "prompt", "PromptPolicy", "", ""),
        (2, "picture_license", "string", "", ""),
        (3, "mesh_license", "string", "", ""),
        (4, "shape_license", "string", "", ""),
        (5, "adapter_license", "string", "", ""),
    ),
    "ConditionOptions": (
        (1, "negative_prompt", "string", "", ""),
        (2, "multi_image", "MultiImage", "", ""),
    ),
    "DecodeOptions": (
        (1, "formats", "Format", "repeated", ""),
        (2, "color_from", "ColorSource", "", ""),
    ),
    "SamplerOptions": (
        (1, "steps", "int32", "optional", ""),
        (2, "guidance_strength", "double", "optional", ""),
        (3, "guidance_interval", "Interval", "", ""),
        (4, "rescale_t", "double", "optional", ""),
    ),
    "Interval": (
        (1, "low", "double", "", ""),
        (2, "high", "double", "", ""),
    ),
    "PlaceOptions": (
        (1, "height_m", "double", "optional", ""),
        (2, "pivot", "Pivot", "", ""),
        (3, "fit_m", "Size", "", ""),
        (4, "pivot_point", "Point", "", ""),
        (5, "up", "Direction", "", ""),
        (6, "forward", "Direction", "", ""),
        (7, "settle_deg", "double", "optional", ""),
    ),
    "Size": (
        (1, "x", "double", "", ""),
        (2, "y", "double", "", ""),
        (3, "z", "double", "", ""),
    ),
    "Point": (
        (1, "x", "double", "", ""),
        (2, "y", "double", "", ""),
        (3, "z", "double", "", ""),
    ),
    "PartOptions": (
        (1, "mode", "PartMode", "", ""),
        (2, "share", "PartShare", "", ""),
        (3, "weights", "PartWeight", "repeated", ""),
    ),
    "PartWeight": (
        (1, "name", "string", "", ""),
        (2, "weight", "double", "", ""),
    ),
    "RepairOptions": (
        (1, "weld_distance_ratio", "double", "optional", ""),
        (2, "drop_speck_ratio", "double", "optional", ""),
        (3, "fill_hole_edges", "int32", "optional", ""),
        (4, "fill_hole_perimeter_ratio", "double", "optional", ""),
        (5, "flip_inside_out", "bool", "optional", ""),
        (6, "remove_interior", "bool", "optional", ""),
        (7, "drop_speck_distance_ratio", "double", "optional", ""),
        (8, "vote_winding", "bool", "optional", ""),
    ),
    "RemeshOptions": (
        (1, "mode", "RemeshMode", "", ""),
        (2, "resolution", "int32", "optional", ""),
        (3, "triangles", "int32", "optional", ""),
        (4, "sharp_angle_deg", "double", "optional", ""),
    ),
    "LodOptions": (
        (1, "budgets", "int32", "repeated", ""),
        (2, "reference_height_px", "int32", "optional", ""),
        (3, "targets", "LodTarget", "repeated", ""),
        (4, "preset", "LodPreset", "", ""),
        (5, "max_deviation_ratio", "double", "optional", ""),
        (6, "merge_parts", "bool", "optional", ""),
        (7, "impostor", "bool", "optional", ""),
    ),
    "LodTarget": (
        (1, "triangles", "int32", "optional", ""),
        (2, "ratio", "double", "optional", ""),
        (3, "deviation_m", "double", "optional", ""),
        (4, "screen_coverage", "double", "optional", ""),
        (5, "stop", "StopAt", "", ""),
    ),
    "UnwrapOptions": (
        (1, "texture_size", "int32", "optional", ""),
        (2, "gutter_texels", "int32", "optional", ""),
        (3, "density", "TexelDensity", "", ""),
        (4, "atlas", "Atlas", "", ""),
        (5, "uv", "UvMode", "", ""),
        (6, "lightmap", "bool", "optional", ""),
    ),
    "BakeOptions": (
        (1, "ambient_occlusion", "bool", "optional", ""),
        (2, "delight", "double", "optional", ""),
        (3, "roughness", "double", "optional", ""),
        (4, "metallic", "double", "optional", ""),
    ),
    "CollisionOptions": (
        (1, "mode", "CollisionMode", "", ""),
        (2, "max_hulls", "int32", "optional", ""),
        (3, "max_vertices", "int32", "optional", ""),
        (4, "max_over_cover", "double", "optional", ""),
        (5, "max_protrusion_ratio", "double", "optional", ""),
    ),
    "ExportOptions": (
        (1, "profile", "ExportProfile", "", ""),
        (2, "texture_format", "TextureFormat", "", ""),
        (3, "texture_psnr_db", "double", "optional", ""),
        (4, "max_texture_size", "int32", "optional", ""),
        (5, "compression", "Compression", "", ""),
        (6, "split", "bool", "optional", ""),
        (7, "formats", "FileFormat", "repeated", ""),
    ),
    "Job": (
        (1, "name", "string", "", ""),
        (2, "spec", "JobSpec", "", ""),
        (3, "state", "JobState", "", ""),
        (4, "stages", "StageStatus", "repeated", ""),
        (5, "fraction", "double", "", ""),
        (6, "estimated_remaining", "Duration", "", ""),
        (7, "warnings", "JobWarning", "repeated", ""),
        (8, "result", "JobResult", "", ""),
        (9, "error", "JobError", "", ""),
        (10, "last_sequence", "int64", "", ""),
        (11, "create_time", "Timestamp", "", ""),
        (12, "start_time", "Timestamp", "", ""),
        (13, "end_time", "Timestamp", "", ""),
        (14, "retry_of", "string", "", ""),
        (15, "queue_position", "int32", "optional", ""),
        (16, "etag", "string", "", ""),
        (17, "log_epoch", "string", "", ""),
    ),
    "StageStatus": (
        (1, "stage", "StageKind", "", ""),
        (2, "fraction", "double", "", ""),
        (3, "start_time", "Timestamp", "", ""),
        (4, "end_time", "Timestamp", "", ""),
        (5, "preview", "Digest", "", ""),
        (6, "state", "StageState", "", ""),
        (7, "attempt", "int32", "", ""),
    ),
    "JobWarning": (
        (1, "stage", "StageKind", "", ""),
        (2, "message", "string", "", ""),
    ),
    "JobResult": (
        (1, "lods", "Lod", "repeated", ""),
        (2, "artifacts", "Artifact", "repeated", ""),
        (3, "variants", "Variant", "repeated", ""),
    ),
    "Variant": (
        (1, "seed", "int64", "", ""),
        (2, "lods", "Lod", "repeated", ""),
        (3, "collision", "Collision", "", ""),
    ),
    "Collision": (
        (1, "kind", "string", "", ""),
        (2, "hull_count", "int32", "", ""),
        (3, "over_cover", "double", "optional", ""),
        (4, "protrusion_m", "double", "", ""),
    ),
    "Lod": (
        (1, "triangle_count", "int32", "", ""),
        (2, "budget", "int32", "", ""),
        (3, "deviation_max_m", "double", "", ""),
        (4, "deviation_mean_m", "double", "", ""),
        (5, "screen_coverage", "double", "", ""),
        (6, "normal_deviation_deg", "double", "", ""),
        (7, "silhouette_px", "double", "", ""),
    ),
    "Artifact": (
        (1, "role", "string", "", ""),
        (2, "file_name", "string", "", ""),
        (3, "media_type", "string", "", ""),
        (4, "digest", "Digest", "", ""),
        (5, "variant", "int32", "", ""),
    ),
    "JobError": (
        (1, "reason", "ErrorReason", "", ""),
        (2, "message", "string", "", ""),
        (3, "stage", "StageKind", "", ""),
        (4, "metadata", "string", "map", ""),
        (5, "retryable", "bool", "", ""),
    ),
    "JobEvent": (
        (1, "sequence", "int64", "", ""),
        (2, "event_time", "Timestamp", "", ""),
        (3, "snapshot", "Job", "", "kind"),
        (4, "state", "JobState", "", "kind"),
        (5, "progress", "StageProgress", "", "kind"),
        (6, "preview", "Preview", "", "kind"),
        (7, "warning", "JobWarning", "", "kind"),
        (8, "finished", "Job", "", "kind"),
        (9, "heartbeat", "Heartbeat", "", "kind"),
    ),
    "Heartbeat": (
        (1, "queue_position", "int32", "optional", ""),
        (2, "estimated_remaining", "Duration", "", ""),
    ),
    "StageProgress": (
        (1, "stage", "StageKind", "", ""),
        (2, "fraction", "double", "", ""),
        (3, "job_fraction", "double", "", ""),
        (4, "estimated_remaining", "Duration", "", ""),
        (5, "state", "StageState", "", ""),
        (6, "attempt", "int32", "", ""),
    ),
    "Preview": (
        (1, "stage", "StageKind", "", ""),
        (2, "image", "Digest", "", ""),
    ),
    "Any": (
        (1, "type_url", "string", "", ""),
        (2, "value", "bytes", "", ""),
    ),
    "Status": (
        (1, "code", "int32", "", ""),
        (2, "message", "string", "", ""),
        (3, "details", "Any", "repeated", ""),
    ),
    "ErrorInfo": (
        (1, "reason", "string", "", ""),
        (2, "domain", "string", "", ""),
        (3, "metadata", "string", "map", ""),
    ),
    "RetryInfo": (
        (1, "retry_delay", "Duration", "", ""),
    ),
    "BadRequest": (
        (1, "field_violations", "FieldViolation", "repeated", ""),
    ),
    "FieldViolation": (
        (1, "field", "string", "", ""),
        (2, "description", "string", "", ""),
        (3, "reason", "string", "", ""),
        (4, "localized_message", "LocalizedMessage", "", ""),
    ),
    "LocalizedMessage": (
        (1, "locale", "string", "", ""),
        (2, "message", "string", "", ""),
    ),
}

# Paths. A method takes <Name>Request and returns <Name>Response: buf lint holds that.
METHODS = {
    "CreateJob": "/lodsmith.v1.JobService/CreateJob",
    "GetJob": "/lodsmith.v1.JobService/GetJob",
    "ListJobs": "/lodsmith.v1.JobService/ListJobs",
    "WatchJob": "/lodsmith.v1.JobService/WatchJob",
    "ListJobEvents": "/lodsmith.v1.JobService/ListJobEvents",
    "CancelJob": "/lodsmith.v1.JobService/CancelJob",
    "RetryJob": "/lodsmith.v1.JobService/RetryJob",
    "DeleteJob": "/lodsmith.v1.JobService/DeleteJob",
    "FindMissingBlobs": "/lodsmith.v1.BlobService/FindMissingBlobs",
    "WriteBlob": "/lodsmith.v1.BlobService/WriteBlob",
    "WriteBlobChunk": "/lodsmith.v1.BlobService/WriteBlobChunk",
    "QueryBlobWrite": "/lodsmith.v1.BlobService/QueryBlobWrite",
    "ReadBlob": "/lodsmith.v1.BlobService/ReadBlob",
    "GetServerInfo": "/lodsmith.v1.CatalogService/GetServerInfo",
    "ListPipelines": "/lodsmith.v1.CatalogService/ListPipelines",
}
