// Generated from protos/lodsmith/v1/lodsmith.proto by `make protos`. Do not edit.

using System;
using System.Collections.Generic;

namespace Lodsmith.V1
{
    /// <summary>Where a job is.</summary>
    public enum JobState
    {
        /// <summary>Not set.</summary>
        Unspecified = 0,
        /// <summary>Waits for a worker. Next: RUNNING, CANCELLED, FAILED.</summary>
        Queued = 1,
        /// <summary>
        /// A stage runs, or the next one waits for its worker. Next: SUCCEEDED, FAILED, CANCELLING, or
        /// QUEUED again when the server restarts.
        /// </summary>
        Running = 2,
        /// <summary>Was asked to stop. Next: CANCELLED.</summary>
        Cancelling = 3,
        /// <summary>Ended with all artifacts. Final.</summary>
        Succeeded = 4,
        /// <summary>Ended with <c>Job.error</c>. Final.</summary>
        Failed = 5,
        /// <summary>Ended because it was asked to. Final.</summary>
        Cancelled = 6,
    }

    /// <summary>Where a stage is.</summary>
    public enum StageState
    {
        /// <summary>Not set.</summary>
        Unspecified = 0,
        /// <summary>Works.</summary>
        Running = 1,
        /// <summary>Done.</summary>
        Succeeded = 2,
        /// <summary>Not run: the result of the same work was kept.</summary>
        Reused = 3,
        /// <summary>Its job ended in it with an error.</summary>
        Failed = 4,
        /// <summary>Its job was stopped in it.</summary>
        Cancelled = 5,
    }

    /// <summary>
    /// The steps of a job, in order. A job takes some of them: a mesh goes from preprocess to repair, a
    /// given shape needs no sparse structure. Closed: new methods are new options of a stage, not new
    /// stages.
    /// </summary>
    public enum StageKind
    {
        /// <summary>Not set.</summary>
        Unspecified = 0,
        /// <summary>Waits for a worker.</summary>
        Queued = 1,
        /// <summary>Picture: cut out, centered. Mesh: read and checked.</summary>
        Preprocess = 2,
        /// <summary>Prompt or picture to condition tokens.</summary>
        Condition = 3,
        /// <summary>Noise to active voxels.</summary>
        SparseStructure = 4,
        /// <summary>Noise on those voxels to structured latents.</summary>
        Slat = 5,
        /// <summary>Structured latents to a dense colored mesh, 3D Gaussians, a radiance field.</summary>
        Decode = 6,
        /// <summary>Weld, orient, remove specks and interior faces, close holes.</summary>
        Repair = 7,
        /// <summary>Rebuild the surface from even triangles.</summary>
        Remesh = 8,
        /// <summary>Fewer triangles.</summary>
        Simplify = 9,
        /// <summary>Charts and atlas.</summary>
        Unwrap = 10,
        /// <summary>Dense mesh into textures.</summary>
        Bake = 11,
        /// <summary>Measure the chain of LODs against the dense mesh.</summary>
        Lods = 12,
        /// <summary>Convex hulls.</summary>
        Collision = 13,
        /// <summary>GLB, report, preview.</summary>
        Export = 14,
    }

    /// <summary>Which stages a worker runs.</summary>
    public enum WorkerKind
    {
        /// <summary>Not set.</summary>
        Unspecified = 0,
        /// <summary>Preprocess to decode; owns the model.</summary>
        Generator = 1,
        /// <summary>Reads meshes; repair to export.</summary>
        Mesh = 2,
    }

    /// <summary>What a worker does now.</summary>
    public enum WorkerState
    {
        /// <summary>Not set.</summary>
        Unspecified = 0,
        /// <summary>Loads code and model. Jobs wait.</summary>
        Starting = 1,
        /// <summary>Waits for work.</summary>
        Idle = 2,
        /// <summary>Works.</summary>
        Busy = 3,
        /// <summary>Does not start; <c>Worker.problem</c> says why. Jobs that need it fail.</summary>
        Broken = 4,
    }

    /// <summary>Where the origin of the asset is.</summary>
    public enum Pivot
    {
        /// <summary>The default: bottom center.</summary>
        Unspecified = 0,
        /// <summary>Middle of the bounding box's bottom face.</summary>
        BottomCenter = 1,
        /// <summary>Where the source has it.</summary>
        Keep = 2,
        /// <summary>Middle of the bounding box.</summary>
        Center = 3,
        /// <summary>At <c>pivot_point</c>.</summary>
        Custom = 4,
    }

    /// <summary>A direction along an axis.</summary>
    public enum Direction
    {
        /// <summary>The default of the field.</summary>
        Unspecified = 0,
        /// <summary>+X.</summary>
        PositiveX = 1,
        /// <summary>-X.</summary>
        NegativeX = 2,
        /// <summary>+Y.</summary>
        PositiveY = 3,
        /// <summary>-Y.</summary>
        NegativeY = 4,
        /// <summary>+Z.</summary>
        PositiveZ = 5,
        /// <summary>-Z.</summary>
        NegativeZ = 6,
    }

    /// <summary>What becomes of the parts of a mesh.</summary>
    public enum PartMode
    {
        /// <summary>The default: merged.</summary>
        Unspecified = 0,
        /// <summary>One mesh per LOD, with everything in it.</summary>
        Merged = 1,
        /// <summary>
        /// Every mesh node keeps its name, place and pivot, with LODs of its own; copies stay copies. All
        /// share one material.
        /// </summary>
        Separate = 2,
    }

    /// <summary>How separate parts share a number of triangles.</summary>
    public enum PartShare
    {
        /// <summary>The default: by error.</summary>
        Unspecified = 0,
        /// <summary>So that all have about the same error; small plain parts may vanish in far LODs.</summary>
        Error = 1,
        /// <summary>By the area of their surface.</summary>
        Area = 2,
    }

    /// <summary>A chain of LODs for a platform.</summary>
    public enum LodPreset
    {
        /// <summary>None.</summary>
        Unspecified = 0,
        /// <summary>
        /// Four LODs with the fewest triangles that look the same at full, half, quarter and eighth of the
        /// view's height.
        /// </summary>
        Auto = 1,
        /// <summary>As auto, with at most 50,000, 20,000, 8,000, 2,000 triangles.</summary>
        Desktop = 2,
        /// <summary>At most 30,000, 12,000, 5,000, 1,500.</summary>
        Console = 3,
        /// <summary>At most 8,000, 3,000, 1,000, 300; small screens need less.</summary>
        Mobile = 4,
        /// <summary>At most 20,000, 8,000, 3,000, 1,000; things are seen from close by.</summary>
        Vr = 5,
    }

    /// <summary>When reducing ends that has several targets.</summary>
    public enum StopAt
    {
        /// <summary>The default: all.</summary>
        Unspecified = 0,
        /// <summary>At the first target that is reached.</summary>
        Any = 1,
        /// <summary>When all are reached.</summary>
        All = 2,
    }

    /// <summary>How several pictures of one object are used.</summary>
    public enum MultiImage
    {
        /// <summary>The default: stochastic.</summary>
        Unspecified = 0,
        /// <summary>They take turns, one per sampler step. Costs no more than one picture.</summary>
        Stochastic = 1,
        /// <summary>Every step takes the mean over all of them, and costs as many times more.</summary>
        Multidiffusion = 2,
    }

    /// <summary>What is told of a prompt in the record that each GLB carries.</summary>
    public enum PromptPolicy
    {
        /// <summary>The default: its SHA-256.</summary>
        Unspecified = 0,
        /// <summary>Its SHA-256. A short prompt can be guessed from it.</summary>
        Sha256 = 1,
        /// <summary>Its text.</summary>
        Text = 2,
        /// <summary>Nothing, and nothing in the report either.</summary>
        Omit = 3,
    }

    /// <summary>Pictures of an asset.</summary>
    public enum PictureKind
    {
        /// <summary>Not set.</summary>
        Unspecified = 0,
        /// <summary>An animation of one turn, WebP.</summary>
        Turntable = 1,
        /// <summary>Each LOD beside the one before, at the size at which it takes over.</summary>
        Switches = 2,
        /// <summary>The atlas with its charts, and the texel density of LOD0.</summary>
        Charts = 3,
        /// <summary>How far each LOD is from LOD0.</summary>
        Errors = 4,
    }

    /// <summary>Which parts of a surface get more texels.</summary>
    public enum TexelDensity
    {
        /// <summary>The default: uniform.</summary>
        Unspecified = 0,
        /// <summary>Every metre of a LOD has the same.</summary>
        Uniform = 1,
        /// <summary>What hardly anything can be seen of, or looks down, has down to half as many along each side.</summary>
        Importance = 2,
    }

    /// <summary>How LODs share textures.</summary>
    public enum Atlas
    {
        /// <summary>The default: packed.</summary>
        Unspecified = 0,
        /// <summary>Each LOD has charts of its own, all in one atlas: one material, one set of textures.</summary>
        Packed = 1,
        /// <summary>All LODs lie on the charts of LOD0. Coarse ones look worse.</summary>
        Shared = 2,
        /// <summary>Each LOD has textures and a material of its own, half as large along each side.</summary>
        PerLod = 3,
    }

    /// <summary>What becomes of the UVs that a mesh has.</summary>
    public enum UvMode
    {
        /// <summary>The default: auto.</summary>
        Unspecified = 0,
        /// <summary>They are kept where they are good and no LOD has fewer than half of the triangles.</summary>
        Auto = 1,
        /// <summary>New ones are made and textures painted anew.</summary>
        Unwrap = 2,
        /// <summary>They and their textures are kept as they are, or the job fails with the reason.</summary>
        Keep = 3,
    }

    /// <summary>Where the colors of a generated mesh come from.</summary>
    public enum ColorSource
    {
        /// <summary>The default: auto.</summary>
        Unspecified = 0,
        /// <summary>The Gaussians, where the model makes more of them than vertices.</summary>
        Auto = 1,
        /// <summary>The vertices of the decoded surface.</summary>
        Surface = 2,
        /// <summary>Pictures of the 3D Gaussians of the same latents.</summary>
        Gaussians = 3,
    }

    /// <summary>What structured latents can be decoded to.</summary>
    public enum Format
    {
        /// <summary>Not set.</summary>
        Unspecified = 0,
        /// <summary>A mesh, which becomes a GLB with LODs.</summary>
        Mesh = 1,
        /// <summary>3D Gaussians, as a PLY that splat viewers read.</summary>
        Gaussian = 2,
        /// <summary>A radiance field, as safetensors.</summary>
        RadianceField = 3,
    }

    /// <summary>When the surface is rebuilt.</summary>
    public enum RemeshMode
    {
        /// <summary>The default: auto.</summary>
        Unspecified = 0,
        /// <summary>Never.</summary>
        Off = 1,
        /// <summary>Where the source's triangles are too poor to simplify well.</summary>
        Auto = 2,
        /// <summary>Always, as one closed surface.</summary>
        Watertight = 3,
        /// <summary>Always, as even triangles on the same surface; creases and borders stay. Quads are not made.</summary>
        Isotropic = 4,
    }

    /// <summary>What players bump into.</summary>
    public enum CollisionMode
    {
        /// <summary>The default: auto.</summary>
        Unspecified = 0,
        /// <summary>Nothing.</summary>
        None = 1,
        /// <summary>One convex hull.</summary>
        Hull = 2,
        /// <summary>Several hulls that follow the shape.</summary>
        Decompose = 3,
        /// <summary>The cheapest of all kinds that fits well.</summary>
        Auto = 4,
        /// <summary>A box in any direction.</summary>
        Box = 5,
        /// <summary>A ball.</summary>
        Sphere = 6,
        /// <summary>A capsule in any direction.</summary>
        Capsule = 7,
    }

    /// <summary>Whose importer a file is made for.</summary>
    public enum ExportProfile
    {
        /// <summary>The default: generic.</summary>
        Unspecified = 0,
        /// <summary>Any glTF 2.0 reader.</summary>
        Generic = 1,
        /// <summary>Unity with glTFast.</summary>
        Unity = 2,
        /// <summary>Unreal Engine's glTF importer.</summary>
        Unreal = 3,
        /// <summary>Godot 4: hulls become bodies, LOD1 and on are files of their own.</summary>
        Godot = 4,
        /// <summary>Roblox: at most 20,000 triangles per mesh, textures of at most 1,024, maps also as files.</summary>
        Roblox = 5,
        /// <summary>Browsers: WebP, quantized and compressed by meshopt.</summary>
        Web = 6,
    }

    /// <summary>How textures are stored in the file.</summary>
    public enum TextureEncoding
    {
        /// <summary>The default: auto.</summary>
        Unspecified = 0,
        /// <summary>Lossless.</summary>
        Png = 1,
        /// <summary>A third of the size; normal maps and transparent base colors stay PNG.</summary>
        Jpeg = 2,
        /// <summary>
        /// WebP for the web. Else JPEG for what keeps <c>texture_psnr_db</c> and becomes clearly smaller, PNG
        /// for the rest.
        /// </summary>
        Auto = 3,
        /// <summary>For profiles web and generic only.</summary>
        Webp = 4,
        /// <summary>Basis Universal, for profiles web and generic only. Needs the program basisu on the server.</summary>
        Ktx2 = 5,
    }

    /// <summary>How meshes are stored in a GLB.</summary>
    public enum Compression
    {
        /// <summary>The default: auto.</summary>
        Unspecified = 0,
        /// <summary>Meshopt for the web, else none.</summary>
        Auto = 1,
        /// <summary>Plain numbers of 32 bits.</summary>
        None = 2,
        /// <summary>Positions and UVs of 16 bits, normals of 8. For profiles web and generic only.</summary>
        Quantize = 3,
        /// <summary>Quantized and compressed. For profiles web and generic only.</summary>
        Meshopt = 4,
    }

    /// <summary>Kinds of files for a mesh.</summary>
    public enum FileFormat
    {
        /// <summary>Not set.</summary>
        Unspecified = 0,
        /// <summary>Binary glTF 2.0.</summary>
        Glb = 1,
        /// <summary>Wavefront OBJ with MTL and PNGs, LOD0 alone unless split.</summary>
        Obj = 2,
        /// <summary>PLY with colors per vertex, LOD0 alone unless split.</summary>
        Ply = 3,
    }

    /// <summary>What can go wrong. In <c>ErrorInfo.reason</c> without the prefix.</summary>
    public enum ErrorReason
    {
        /// <summary>Not set.</summary>
        Unspecified = 0,
        /// <summary>A stage could not finish.</summary>
        PipelineError = 1,
        /// <summary>The request or a file in it is wrong; the message says how to put it right.</summary>
        InvalidInput = 2,
        /// <summary>A valid file uses something that is not supported; the message names it.</summary>
        UnsupportedFeature = 3,
        /// <summary>The model left nothing to mesh. Try another seed.</summary>
        EmptyResult = 4,
        /// <summary>A LOD cannot be brought under its budget; metadata <c>smallest_count</c> can be reached.</summary>
        BudgetUnreachable = 5,
        /// <summary>The server has no usable model. <c>lodsmith doctor</c> on its machine says why.</summary>
        ModelUnavailable = 6,
        /// <summary>The options ask for more memory than there is. Ask for less.</summary>
        OutOfMemory = 7,
        /// <summary>The server's disk is full.</summary>
        DiskFull = 8,
        /// <summary>The job was asked to stop.</summary>
        Cancelled = 9,
        /// <summary>A worker process died twice in the same work. The input may be what kills it.</summary>
        WorkerLost = 10,
        /// <summary>A defect in the server; metadata <c>incident</c> finds it in the server's log.</summary>
        Internal = 11,
        /// <summary>No such job.</summary>
        JobNotFound = 12,
        /// <summary>No such blob: never uploaded, or expired.</summary>
        BlobMissing = 13,
        /// <summary>The request id belongs to a job with another spec.</summary>
        RequestIdReused = 14,
        /// <summary>Larger than the server's limits.</summary>
        TooLarge = 15,
        /// <summary>Bytes do not hash to their digest.</summary>
        DigestMismatch = 16,
        /// <summary>Bytes do not join what is there, or lie behind the end.</summary>
        OffsetMismatch = 17,
        /// <summary>Another stream writes this upload.</summary>
        UploadBusy = 18,
        /// <summary>As many jobs wait as may.</summary>
        QueueFull = 19,
        /// <summary>The server is shutting down.</summary>
        Draining = 20,
        /// <summary>The cursor is ahead of the job's log: the server's data were replaced.</summary>
        LogEpochChanged = 21,
        /// <summary>Stored bytes no longer hash to their digest. Run the job again.</summary>
        BlobDamaged = 22,
        /// <summary>The job has no dense surface to export again: it has not got so far, or none was asked for.</summary>
        SurfaceMissing = 23,
        /// <summary>A file would break a rule of its profile's importer; metadata <c>rule</c>, <c>found</c>, <c>allowed</c>.</summary>
        ProfileViolation = 24,
        /// <summary>The call has no token, or one that is unknown, expired or revoked.</summary>
        TokenInvalid = 25,
        /// <summary>The token does not allow this call; metadata <c>scope</c> is what it lacks.</summary>
        ScopeMissing = 26,
        /// <summary>The project makes more calls than it may; repeat after the RetryInfo's delay.</summary>
        RateLimited = 27,
        /// <summary>The project has as many jobs or bytes as it may; metadata <c>quota</c>, <c>limit</c>.</summary>
        QuotaExceeded = 28,
        /// <summary>The cursor is older than the log that is kept; metadata <c>oldest_sequence</c>.</summary>
        EventsCompacted = 29,
        /// <summary>The job still waits or runs.</summary>
        JobNotFinished = 30,
        /// <summary>The job is not what the caller last saw.</summary>
        EtagMismatch = 31,
        /// <summary>The job ran longer than it may. Ask for less, or for a longer <c>run_timeout</c>.</summary>
        JobTimeout = 32,
        /// <summary>A stage made no progress for far longer than it usually takes, and was stopped.</summary>
        StageStalled = 33,
        /// <summary>The same work has killed workers before and is not tried again.</summary>
        InputQuarantined = 34,
    }

    /// <summary>As &lt;c&gt;google.protobuf.Duration&lt;/c&gt;.</summary>
    public sealed class Duration : WireMessage
    {
        /// <summary></summary>
        public long Seconds { get; set; }

        /// <summary></summary>
        public int Nanos { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Duration Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Duration Parse(byte[] data, int offset, int count)
        {
            var message = new Duration();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Seconds != 0)
            {
                writer.Integer(1, Seconds);
            }
            if (Nanos != 0)
            {
                writer.Integer(2, Nanos);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Seconds = reader.Int64();
                        break;
                    case 16:
                        Nanos = reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>As &lt;c&gt;google.protobuf.Timestamp&lt;/c&gt;.</summary>
    public sealed class Timestamp : WireMessage
    {
        /// <summary></summary>
        public long Seconds { get; set; }

        /// <summary></summary>
        public int Nanos { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Timestamp Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Timestamp Parse(byte[] data, int offset, int count)
        {
            var message = new Timestamp();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Seconds != 0)
            {
                writer.Integer(1, Seconds);
            }
            if (Nanos != 0)
            {
                writer.Integer(2, Nanos);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Seconds = reader.Int64();
                        break;
                    case 16:
                        Nanos = reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks for a new job.</summary>
    public sealed class CreateJobRequest : WireMessage
    {
        /// <summary>
        /// Makes the call safe to repeat: 1 to 64 characters of A-Z a-z 0-9 . _ : -, best a random UUID.
        /// Absent: every call makes a job.
        /// </summary>
        public string RequestId { get; set; } = "";

        /// <summary>What to make.</summary>
        public JobSpec Spec { get; set; }

        /// <summary>Only check the request: the same errors as the real call, and a job without a name.</summary>
        public bool ValidateOnly { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CreateJobRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CreateJobRequest Parse(byte[] data, int offset, int count)
        {
            var message = new CreateJobRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(RequestId))
            {
                writer.String(1, RequestId);
            }
            if (Spec != null)
            {
                writer.Message(2, Spec);
            }
            if (ValidateOnly)
            {
                writer.Bool(3, ValidateOnly);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        RequestId = reader.String();
                        break;
                    case 18:
                        Spec = reader.Message(Spec ?? new JobSpec());
                        break;
                    case 24:
                        ValidateOnly = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>CreateJob</c>.</summary>
    public sealed class CreateJobResponse : WireMessage
    {
        /// <summary>The job, usually QUEUED.</summary>
        public Job Job { get; set; }

        /// <summary>True when <c>request_id</c> was known and no new job was made.</summary>
        public bool Deduplicated { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CreateJobResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CreateJobResponse Parse(byte[] data, int offset, int count)
        {
            var message = new CreateJobResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Job != null)
            {
                writer.Message(1, Job);
            }
            if (Deduplicated)
            {
                writer.Bool(2, Deduplicated);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Job = reader.Message(Job ?? new Job());
                        break;
                    case 16:
                        Deduplicated = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks for one job.</summary>
    public sealed class GetJobRequest : WireMessage
    {
        /// <summary><c>Job.name</c>.</summary>
        public string Name { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static GetJobRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static GetJobRequest Parse(byte[] data, int offset, int count)
        {
            var message = new GetJobRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(1, Name);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Name = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>GetJob</c>.</summary>
    public sealed class GetJobResponse : WireMessage
    {
        /// <summary>The job as it is now.</summary>
        public Job Job { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static GetJobResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static GetJobResponse Parse(byte[] data, int offset, int count)
        {
            var message = new GetJobResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Job != null)
            {
                writer.Message(1, Job);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Job = reader.Message(Job ?? new Job());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks for a page of jobs.</summary>
    public sealed class ListJobsRequest : WireMessage
    {
        /// <summary>Most jobs to return, 1 to 500. Absent or 0: 50.</summary>
        public int PageSize { get; set; }

        /// <summary><c>next_page_token</c> of the page before. Absent: the first page.</summary>
        public string PageToken { get; set; } = "";

        /// <summary>Only jobs in one of these states. Empty: all.</summary>
        public List<JobState> States { get; } = new List<JobState>();

        /// <summary>Only jobs that have all of these labels, at most 16. Empty: all.</summary>
        public Dictionary<string, string> Labels { get; } = new Dictionary<string, string>();

        /// <summary>Only jobs that were created at this time or later. Absent: all.</summary>
        public Timestamp CreatedSince { get; set; }

        /// <summary>Only jobs that were created before this time. Absent: all.</summary>
        public Timestamp CreatedBefore { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListJobsRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListJobsRequest Parse(byte[] data, int offset, int count)
        {
            var message = new ListJobsRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (PageSize != 0)
            {
                writer.Integer(1, PageSize);
            }
            if (!string.IsNullOrEmpty(PageToken))
            {
                writer.String(2, PageToken);
            }
            writer.Packed(3, States, (packed, item) => packed.Varint((int)item));
            writer.Map(4, Labels);
            if (CreatedSince != null)
            {
                writer.Message(5, CreatedSince);
            }
            if (CreatedBefore != null)
            {
                writer.Message(6, CreatedBefore);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        PageSize = reader.Int32();
                        break;
                    case 18:
                        PageToken = reader.String();
                        break;
                    case 24:
                        States.Add((JobState)reader.Int32());
                        break;
                    case 26:
                        reader.Packed(packed => States.Add((JobState)packed.Int32()));
                        break;
                    case 34:
                        reader.MapEntry(Labels);
                        break;
                    case 42:
                        CreatedSince = reader.Message(CreatedSince ?? new Timestamp());
                        break;
                    case 50:
                        CreatedBefore = reader.Message(CreatedBefore ?? new Timestamp());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>ListJobs</c>.</summary>
    public sealed class ListJobsResponse : WireMessage
    {
        /// <summary>Newest first.</summary>
        public List<Job> Jobs { get; } = new List<Job>();

        /// <summary>Where the next page starts; absent on the last page. Opaque.</summary>
        public string NextPageToken { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListJobsResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListJobsResponse Parse(byte[] data, int offset, int count)
        {
            var message = new ListJobsResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            foreach (Job item in Jobs)
            {
                writer.Message(1, item);
            }
            if (!string.IsNullOrEmpty(NextPageToken))
            {
                writer.String(2, NextPageToken);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Jobs.Add(reader.Message(new Job()));
                        break;
                    case 18:
                        NextPageToken = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks to follow a job.</summary>
    public sealed class WatchJobRequest : WireMessage
    {
        /// <summary><c>Job.name</c>.</summary>
        public string Name { get; set; } = "";

        /// <summary>The last sequence already seen; the stream goes on with the next one. 0: start with a snapshot.</summary>
        public long AfterSequence { get; set; }

        /// <summary><c>Job.log_epoch</c> of the log that the cursor is of. Absent: it is not compared.</summary>
        public string LogEpoch { get; set; } = "";

        /// <summary>Longest silence before a heartbeat, 5 to 60 s. Absent: 15 s.</summary>
        public Duration HeartbeatInterval { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WatchJobRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WatchJobRequest Parse(byte[] data, int offset, int count)
        {
            var message = new WatchJobRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(1, Name);
            }
            if (AfterSequence != 0)
            {
                writer.Integer(2, AfterSequence);
            }
            if (!string.IsNullOrEmpty(LogEpoch))
            {
                writer.String(3, LogEpoch);
            }
            if (HeartbeatInterval != null)
            {
                writer.Message(4, HeartbeatInterval);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Name = reader.String();
                        break;
                    case 16:
                        AfterSequence = reader.Int64();
                        break;
                    case 26:
                        LogEpoch = reader.String();
                        break;
                    case 34:
                        HeartbeatInterval = reader.Message(HeartbeatInterval ?? new Duration());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>One message of <c>WatchJob</c>.</summary>
    public sealed class WatchJobResponse : WireMessage
    {
        /// <summary>The event.</summary>
        public JobEvent Event { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WatchJobResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WatchJobResponse Parse(byte[] data, int offset, int count)
        {
            var message = new WatchJobResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Event != null)
            {
                writer.Message(1, Event);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Event = reader.Message(Event ?? new JobEvent());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks for a page of a job's events.</summary>
    public sealed class ListJobEventsRequest : WireMessage
    {
        /// <summary><c>Job.name</c>.</summary>
        public string Name { get; set; } = "";

        /// <summary>The last sequence already seen. 0: from the first one on.</summary>
        public long AfterSequence { get; set; }

        /// <summary><c>Job.log_epoch</c> of the log that the cursor is of. Absent: it is not compared.</summary>
        public string LogEpoch { get; set; } = "";

        /// <summary>Most events to return, 1 to 500. Absent or 0: 100.</summary>
        public int PageSize { get; set; }

        /// <summary>
        /// How long to wait for the first event, 0 to 30 s. Absent: not at all. A job that has ended is
        /// not waited for.
        /// </summary>
        public Duration Wait { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListJobEventsRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListJobEventsRequest Parse(byte[] data, int offset, int count)
        {
            var message = new ListJobEventsRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(1, Name);
            }
            if (AfterSequence != 0)
            {
                writer.Integer(2, AfterSequence);
            }
            if (!string.IsNullOrEmpty(LogEpoch))
            {
                writer.String(3, LogEpoch);
            }
            if (PageSize != 0)
            {
                writer.Integer(4, PageSize);
            }
            if (Wait != null)
            {
                writer.Message(5, Wait);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Name = reader.String();
                        break;
                    case 16:
                        AfterSequence = reader.Int64();
                        break;
                    case 26:
                        LogEpoch = reader.String();
                        break;
                    case 32:
                        PageSize = reader.Int32();
                        break;
                    case 42:
                        Wait = reader.Message(Wait ?? new Duration());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>ListJobEvents</c>.</summary>
    public sealed class ListJobEventsResponse : WireMessage
    {
        /// <summary>The next events, in order, without gaps. Empty: nothing has happened.</summary>
        public List<JobEvent> Events { get; } = new List<JobEvent>();

        /// <summary>True when no event can follow these.</summary>
        public bool Complete { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListJobEventsResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListJobEventsResponse Parse(byte[] data, int offset, int count)
        {
            var message = new ListJobEventsResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            foreach (JobEvent item in Events)
            {
                writer.Message(1, item);
            }
            if (Complete)
            {
                writer.Bool(2, Complete);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Events.Add(reader.Message(new JobEvent()));
                        break;
                    case 16:
                        Complete = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks a job to stop.</summary>
    public sealed class CancelJobRequest : WireMessage
    {
        /// <summary><c>Job.name</c>.</summary>
        public string Name { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CancelJobRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CancelJobRequest Parse(byte[] data, int offset, int count)
        {
            var message = new CancelJobRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(1, Name);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Name = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>CancelJob</c>.</summary>
    public sealed class CancelJobResponse : WireMessage
    {
        /// <summary>The job, now CANCELLING or ended.</summary>
        public Job Job { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CancelJobResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CancelJobResponse Parse(byte[] data, int offset, int count)
        {
            var message = new CancelJobResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Job != null)
            {
                writer.Message(1, Job);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Job = reader.Message(Job ?? new Job());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks for a job to be run again.</summary>
    public sealed class RetryJobRequest : WireMessage
    {
        /// <summary><c>Job.name</c> of a job that has ended.</summary>
        public string Name { get; set; } = "";

        /// <summary>As in <c>CreateJobRequest</c>.</summary>
        public string RequestId { get; set; } = "";

        /// <summary>The first stage to run again although its result is kept. Absent: whatever is kept is used.</summary>
        public StageKind FromStage { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RetryJobRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RetryJobRequest Parse(byte[] data, int offset, int count)
        {
            var message = new RetryJobRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(1, Name);
            }
            if (!string.IsNullOrEmpty(RequestId))
            {
                writer.String(2, RequestId);
            }
            if (FromStage != 0)
            {
                writer.Integer(3, (int)FromStage);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Name = reader.String();
                        break;
                    case 18:
                        RequestId = reader.String();
                        break;
                    case 24:
                        FromStage = (StageKind)reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>RetryJob</c>.</summary>
    public sealed class RetryJobResponse : WireMessage
    {
        /// <summary>The new job.</summary>
        public Job Job { get; set; }

        /// <summary>True when <c>request_id</c> was known and no new job was made.</summary>
        public bool Deduplicated { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RetryJobResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RetryJobResponse Parse(byte[] data, int offset, int count)
        {
            var message = new RetryJobResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Job != null)
            {
                writer.Message(1, Job);
            }
            if (Deduplicated)
            {
                writer.Bool(2, Deduplicated);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Job = reader.Message(Job ?? new Job());
                        break;
                    case 16:
                        Deduplicated = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks to forget a job.</summary>
    public sealed class DeleteJobRequest : WireMessage
    {
        /// <summary><c>Job.name</c>.</summary>
        public string Name { get; set; } = "";

        /// <summary><c>Job.etag</c>. Absent: not compared.</summary>
        public string Etag { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static DeleteJobRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static DeleteJobRequest Parse(byte[] data, int offset, int count)
        {
            var message = new DeleteJobRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(1, Name);
            }
            if (!string.IsNullOrEmpty(Etag))
            {
                writer.String(2, Etag);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Name = reader.String();
                        break;
                    case 18:
                        Etag = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>DeleteJob</c>.</summary>
    public sealed class DeleteJobResponse : WireMessage
    {
        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static DeleteJobResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static DeleteJobResponse Parse(byte[] data, int offset, int count)
        {
            var message = new DeleteJobResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                reader.Skip(tag);
            }
        }
    }

    /// <summary>Asks which blobs are missing.</summary>
    public sealed class FindMissingBlobsRequest : WireMessage
    {
        /// <summary>At most 1,000. <c>size_bytes</c> may be absent.</summary>
        public List<Digest> Digests { get; } = new List<Digest>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static FindMissingBlobsRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static FindMissingBlobsRequest Parse(byte[] data, int offset, int count)
        {
            var message = new FindMissingBlobsRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            foreach (Digest item in Digests)
            {
                writer.Message(1, item);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Digests.Add(reader.Message(new Digest()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>FindMissingBlobs</c>.</summary>
    public sealed class FindMissingBlobsResponse : WireMessage
    {
        /// <summary>Those that are not there, in the order of the request.</summary>
        public List<Digest> Missing { get; } = new List<Digest>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static FindMissingBlobsResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static FindMissingBlobsResponse Parse(byte[] data, int offset, int count)
        {
            var message = new FindMissingBlobsResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            foreach (Digest item in Missing)
            {
                writer.Message(1, item);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Missing.Add(reader.Message(new Digest()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>One chunk of an upload.</summary>
    public sealed class WriteBlobChunkRequest : WireMessage
    {
        /// <summary>As in <c>WriteBlobRequest</c>.</summary>
        public string UploadId { get; set; } = "";

        /// <summary>As in <c>WriteBlobRequest</c>.</summary>
        public Digest Digest { get; set; }

        /// <summary>Where <c>data</c> belongs: where the last chunk ended, or an earlier chunk once more.</summary>
        public long Offset { get; set; }

        /// <summary>At most 1 MiB. May be empty.</summary>
        public byte[] Data { get; set; } = Array.Empty<byte>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WriteBlobChunkRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WriteBlobChunkRequest Parse(byte[] data, int offset, int count)
        {
            var message = new WriteBlobChunkRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(UploadId))
            {
                writer.String(1, UploadId);
            }
            if (Digest != null)
            {
                writer.Message(2, Digest);
            }
            if (Offset != 0)
            {
                writer.Integer(3, Offset);
            }
            if (Data != null && Data.Length > 0)
            {
                writer.Bytes(4, Data);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        UploadId = reader.String();
                        break;
                    case 18:
                        Digest = reader.Message(Digest ?? new Digest());
                        break;
                    case 24:
                        Offset = reader.Int64();
                        break;
                    case 34:
                        Data = reader.Bytes();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>WriteBlobChunk</c>.</summary>
    public sealed class WriteBlobChunkResponse : WireMessage
    {
        /// <summary>Bytes that the server has: the next offset.</summary>
        public long CommittedSize { get; set; }

        /// <summary>True when all bytes arrived and hash to the digest: the blob can be used.</summary>
        public bool Complete { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WriteBlobChunkResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WriteBlobChunkResponse Parse(byte[] data, int offset, int count)
        {
            var message = new WriteBlobChunkResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (CommittedSize != 0)
            {
                writer.Integer(1, CommittedSize);
            }
            if (Complete)
            {
                writer.Bool(2, Complete);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        CommittedSize = reader.Int64();
                        break;
                    case 16:
                        Complete = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>One message of an upload.</summary>
    public sealed class WriteBlobRequest : WireMessage
    {
        /// <summary>
        /// Names the upload across streams: 32 lower-case hex digits, made by the client at random.
        /// Needed in the first message of a stream, ignored later.
        /// </summary>
        public string UploadId { get; set; } = "";

        /// <summary>
        /// What all bytes together must hash to, and how many they are. Needed in the first message of a
        /// stream, ignored later.
        /// </summary>
        public Digest Digest { get; set; }

        /// <summary>Where <c>data</c> belongs. Must equal what has arrived so far: no gaps, no overlaps.</summary>
        public long Offset { get; set; }

        /// <summary>At most 1 MiB. May be empty.</summary>
        public byte[] Data { get; set; } = Array.Empty<byte>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WriteBlobRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WriteBlobRequest Parse(byte[] data, int offset, int count)
        {
            var message = new WriteBlobRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(UploadId))
            {
                writer.String(1, UploadId);
            }
            if (Digest != null)
            {
                writer.Message(2, Digest);
            }
            if (Offset != 0)
            {
                writer.Integer(3, Offset);
            }
            if (Data != null && Data.Length > 0)
            {
                writer.Bytes(4, Data);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        UploadId = reader.String();
                        break;
                    case 18:
                        Digest = reader.Message(Digest ?? new Digest());
                        break;
                    case 24:
                        Offset = reader.Int64();
                        break;
                    case 34:
                        Data = reader.Bytes();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>WriteBlob</c>.</summary>
    public sealed class WriteBlobResponse : WireMessage
    {
        /// <summary>Bytes that the server has.</summary>
        public long CommittedSize { get; set; }

        /// <summary>True when all bytes arrived and hash to the digest: the blob can be used.</summary>
        public bool Complete { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WriteBlobResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static WriteBlobResponse Parse(byte[] data, int offset, int count)
        {
            var message = new WriteBlobResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (CommittedSize != 0)
            {
                writer.Integer(1, CommittedSize);
            }
            if (Complete)
            {
                writer.Bool(2, Complete);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        CommittedSize = reader.Int64();
                        break;
                    case 16:
                        Complete = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks for the state of an upload.</summary>
    public sealed class QueryBlobWriteRequest : WireMessage
    {
        /// <summary>The upload's id, as in <c>WriteBlobRequest</c>.</summary>
        public string UploadId { get; set; } = "";

        /// <summary>The blob to be uploaded.</summary>
        public Digest Digest { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static QueryBlobWriteRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static QueryBlobWriteRequest Parse(byte[] data, int offset, int count)
        {
            var message = new QueryBlobWriteRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(UploadId))
            {
                writer.String(1, UploadId);
            }
            if (Digest != null)
            {
                writer.Message(2, Digest);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        UploadId = reader.String();
                        break;
                    case 18:
                        Digest = reader.Message(Digest ?? new Digest());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Answers <c>QueryBlobWrite</c>.</summary>
    public sealed class QueryBlobWriteResponse : WireMessage
    {
        /// <summary>The offset to go on from; 0 for an unknown upload.</summary>
        public long CommittedSize { get; set; }

        /// <summary>True when the server has the blob: nothing needs to be sent.</summary>
        public bool Complete { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static QueryBlobWriteResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static QueryBlobWriteResponse Parse(byte[] data, int offset, int count)
        {
            var message = new QueryBlobWriteResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (CommittedSize != 0)
            {
                writer.Integer(1, CommittedSize);
            }
            if (Complete)
            {
                writer.Bool(2, Complete);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        CommittedSize = reader.Int64();
                        break;
                    case 16:
                        Complete = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks for bytes of a blob.</summary>
    public sealed class ReadBlobRequest : WireMessage
    {
        /// <summary>Which blob. <c>size_bytes</c> may be absent.</summary>
        public Digest Digest { get; set; }

        /// <summary>First byte to send. Default 0; the blob's size gives an empty stream.</summary>
        public long Offset { get; set; }

        /// <summary>Most bytes to send. Absent or 0: to the end.</summary>
        public long Limit { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ReadBlobRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ReadBlobRequest Parse(byte[] data, int offset, int count)
        {
            var message = new ReadBlobRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Digest != null)
            {
                writer.Message(1, Digest);
            }
            if (Offset != 0)
            {
                writer.Integer(2, Offset);
            }
            if (Limit != 0)
            {
                writer.Integer(3, Limit);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Digest = reader.Message(Digest ?? new Digest());
                        break;
                    case 16:
                        Offset = reader.Int64();
                        break;
                    case 24:
                        Limit = reader.Int64();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>One message of <c>ReadBlob</c>.</summary>
    public sealed class ReadBlobResponse : WireMessage
    {
        /// <summary>Where <c>data</c> belongs in the blob.</summary>
        public long Offset { get; set; }

        /// <summary>At most 1 MiB, never empty.</summary>
        public byte[] Data { get; set; } = Array.Empty<byte>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ReadBlobResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ReadBlobResponse Parse(byte[] data, int offset, int count)
        {
            var message = new ReadBlobResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Offset != 0)
            {
                writer.Integer(1, Offset);
            }
            if (Data != null && Data.Length > 0)
            {
                writer.Bytes(2, Data);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Offset = reader.Int64();
                        break;
                    case 18:
                        Data = reader.Bytes();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks what the server is.</summary>
    public sealed class GetServerInfoRequest : WireMessage
    {
        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static GetServerInfoRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static GetServerInfoRequest Parse(byte[] data, int offset, int count)
        {
            var message = new GetServerInfoRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                reader.Skip(tag);
            }
        }
    }

    /// <summary>Answers <c>GetServerInfo</c>.</summary>
    public sealed class GetServerInfoResponse : WireMessage
    {
        /// <summary>The server's version, as in its package: "0.1.0".</summary>
        public string Version { get; set; } = "";

        /// <summary>True while the server finishes what runs and takes no new jobs.</summary>
        public bool Draining { get; set; }

        /// <summary>The processes that do the work.</summary>
        public List<Worker> Workers { get; } = new List<Worker>();

        /// <summary>The first of <c>models</c>.</summary>
        public Model Model { get; set; }

        /// <summary>What the server refuses.</summary>
        public Limits Limits { get; set; }

        /// <summary>Names and versions of the libraries that matter for results and speed.</summary>
        public Dictionary<string, string> LibraryVersions { get; } = new Dictionary<string, string>();

        /// <summary>The models for prompts and pictures.</summary>
        public List<Model> Models { get; } = new List<Model>();

        /// <summary>Port of the same host with the same calls as Connect and gRPC-Web over HTTP/1.1. 0: none.</summary>
        public int HttpPort { get; set; }

        /// <summary>Names the log of events, see <c>Job.log_epoch</c>.</summary>
        public string LogEpoch { get; set; } = "";

        /// <summary>Jobs that wait, of all projects.</summary>
        public int QueuedJobCount { get; set; }

        /// <summary>Jobs that run, of all projects.</summary>
        public int RunningJobCount { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static GetServerInfoResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static GetServerInfoResponse Parse(byte[] data, int offset, int count)
        {
            var message = new GetServerInfoResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Version))
            {
                writer.String(1, Version);
            }
            if (Draining)
            {
                writer.Bool(2, Draining);
            }
            foreach (Worker item in Workers)
            {
                writer.Message(3, item);
            }
            if (Model != null)
            {
                writer.Message(4, Model);
            }
            if (Limits != null)
            {
                writer.Message(5, Limits);
            }
            writer.Map(6, LibraryVersions);
            foreach (Model item in Models)
            {
                writer.Message(7, item);
            }
            if (HttpPort != 0)
            {
                writer.Integer(8, HttpPort);
            }
            if (!string.IsNullOrEmpty(LogEpoch))
            {
                writer.String(9, LogEpoch);
            }
            if (QueuedJobCount != 0)
            {
                writer.Integer(10, QueuedJobCount);
            }
            if (RunningJobCount != 0)
            {
                writer.Integer(11, RunningJobCount);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Version = reader.String();
                        break;
                    case 16:
                        Draining = reader.Bool();
                        break;
                    case 26:
                        Workers.Add(reader.Message(new Worker()));
                        break;
                    case 34:
                        Model = reader.Message(Model ?? new Model());
                        break;
                    case 42:
                        Limits = reader.Message(Limits ?? new Limits());
                        break;
                    case 50:
                        reader.MapEntry(LibraryVersions);
                        break;
                    case 58:
                        Models.Add(reader.Message(new Model()));
                        break;
                    case 64:
                        HttpPort = reader.Int32();
                        break;
                    case 74:
                        LogEpoch = reader.String();
                        break;
                    case 80:
                        QueuedJobCount = reader.Int32();
                        break;
                    case 88:
                        RunningJobCount = reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Asks for the pipelines.</summary>
    public sealed class ListPipelinesRequest : WireMessage
    {
        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListPipelinesRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListPipelinesRequest Parse(byte[] data, int offset, int count)
        {
            var message = new ListPipelinesRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                reader.Skip(tag);
            }
        }
    }

    /// <summary>Answers <c>ListPipelines</c>.</summary>
    public sealed class ListPipelinesResponse : WireMessage
    {
        /// <summary>All of them.</summary>
        public List<Pipeline> Pipelines { get; } = new List<Pipeline>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListPipelinesResponse Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ListPipelinesResponse Parse(byte[] data, int offset, int count)
        {
            var message = new ListPipelinesResponse();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            foreach (Pipeline item in Pipelines)
            {
                writer.Message(1, item);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Pipelines.Add(reader.Message(new Pipeline()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>One way to an asset.</summary>
    public sealed class Pipeline : WireMessage
    {
        /// <summary>"generate", "lod" or "reexport".</summary>
        public string Name { get; set; } = "";

        /// <summary>One sentence for a person.</summary>
        public string Description { get; set; } = "";

        /// <summary>What it starts from: fields of <c>JobSpec.source</c>.</summary>
        public List<string> Sources { get; } = new List<string>();

        /// <summary>Its stages, in order.</summary>
        public List<StageKind> Stages { get; } = new List<StageKind>();

        /// <summary>The models that it can use, by <c>Model.name</c>. Empty: it needs none, or none is loaded yet.</summary>
        public List<string> Models { get; } = new List<string>();

        /// <summary>Why it cannot be used now, for a person. Absent when it can.</summary>
        public string Problem { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Pipeline Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Pipeline Parse(byte[] data, int offset, int count)
        {
            var message = new Pipeline();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(1, Name);
            }
            if (!string.IsNullOrEmpty(Description))
            {
                writer.String(2, Description);
            }
            foreach (string item in Sources)
            {
                writer.String(3, item);
            }
            writer.Packed(4, Stages, (packed, item) => packed.Varint((int)item));
            foreach (string item in Models)
            {
                writer.String(5, item);
            }
            if (!string.IsNullOrEmpty(Problem))
            {
                writer.String(6, Problem);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Name = reader.String();
                        break;
                    case 18:
                        Description = reader.String();
                        break;
                    case 26:
                        Sources.Add(reader.String());
                        break;
                    case 32:
                        Stages.Add((StageKind)reader.Int32());
                        break;
                    case 34:
                        reader.Packed(packed => Stages.Add((StageKind)packed.Int32()));
                        break;
                    case 42:
                        Models.Add(reader.String());
                        break;
                    case 50:
                        Problem = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>A process that runs stages.</summary>
    public sealed class Worker : WireMessage
    {
        /// <summary>Which stages it runs.</summary>
        public WorkerKind Kind { get; set; }

        /// <summary>What it does now.</summary>
        public WorkerState State { get; set; }

        /// <summary>
        /// Where it computes, in words: "cpu, 8 threads" or "cuda:0 NVIDIA L4, 22.0 GiB". Absent until the
        /// process is ready.
        /// </summary>
        public string Device { get; set; } = "";

        /// <summary>Which kernels it uses, by purpose: "attention" to "torch". Absent until the process is ready.</summary>
        public Dictionary<string, string> Backends { get; } = new Dictionary<string, string>();

        /// <summary>Why it cannot work, for a person; details as for <c>Model.problem</c>. Absent when nothing is wrong.</summary>
        public string Problem { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Worker Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Worker Parse(byte[] data, int offset, int count)
        {
            var message = new Worker();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Kind != 0)
            {
                writer.Integer(1, (int)Kind);
            }
            if (State != 0)
            {
                writer.Integer(2, (int)State);
            }
            if (!string.IsNullOrEmpty(Device))
            {
                writer.String(3, Device);
            }
            writer.Map(4, Backends);
            if (!string.IsNullOrEmpty(Problem))
            {
                writer.String(5, Problem);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Kind = (WorkerKind)reader.Int32();
                        break;
                    case 16:
                        State = (WorkerState)reader.Int32();
                        break;
                    case 26:
                        Device = reader.String();
                        break;
                    case 34:
                        reader.MapEntry(Backends);
                        break;
                    case 42:
                        Problem = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>A generative model of a server.</summary>
    public sealed class Model : WireMessage
    {
        /// <summary>True when its files are there. A damaged file shows as <c>Worker.problem</c>.</summary>
        public bool Available { get; set; }

        /// <summary>
        /// Where the server looks for it. Told to callers with the scope admin only; where no token is asked
        /// for, that is everyone.
        /// </summary>
        public string Path { get; set; } = "";

        /// <summary>The model's own name. Absent until a generator has loaded it.</summary>
        public string Name { get; set; } = "";

        /// <summary>SHA-256 over its configuration and weights, hex. Absent until a generator has loaded it.</summary>
        public string Digest { get; set; } = "";

        /// <summary>
        /// Licence of the weights, as an SPDX identifier or in the model's own words. Absent until a
        /// generator has loaded it.
        /// </summary>
        public string License { get; set; } = "";

        /// <summary>
        /// Why it is not available and what to do, for a person; no more than that it is not, for callers
        /// without the scope admin. Absent when available.
        /// </summary>
        public string Problem { get; set; } = "";

        /// <summary>What it takes: "prompt", "image". Empty until a generator has loaded it.</summary>
        public List<string> Takes { get; } = new List<string>();

        /// <summary>What it can make. Empty until a generator has loaded it.</summary>
        public List<Format> Formats { get; } = new List<Format>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Model Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Model Parse(byte[] data, int offset, int count)
        {
            var message = new Model();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Available)
            {
                writer.Bool(1, Available);
            }
            if (!string.IsNullOrEmpty(Path))
            {
                writer.String(2, Path);
            }
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(3, Name);
            }
            if (!string.IsNullOrEmpty(Digest))
            {
                writer.String(4, Digest);
            }
            if (!string.IsNullOrEmpty(License))
            {
                writer.String(5, License);
            }
            if (!string.IsNullOrEmpty(Problem))
            {
                writer.String(6, Problem);
            }
            foreach (string item in Takes)
            {
                writer.String(7, item);
            }
            writer.Packed(8, Formats, (packed, item) => packed.Varint((int)item));
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Available = reader.Bool();
                        break;
                    case 18:
                        Path = reader.String();
                        break;
                    case 26:
                        Name = reader.String();
                        break;
                    case 34:
                        Digest = reader.String();
                        break;
                    case 42:
                        License = reader.String();
                        break;
                    case 50:
                        Problem = reader.String();
                        break;
                    case 58:
                        Takes.Add(reader.String());
                        break;
                    case 64:
                        Formats.Add((Format)reader.Int32());
                        break;
                    case 66:
                        reader.Packed(packed => Formats.Add((Format)packed.Int32()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>What the server refuses. All ends included.</summary>
    public sealed class Limits : WireMessage
    {
        /// <summary>Longest prompt, in characters.</summary>
        public int MaxPromptCharacters { get; set; }

        /// <summary>Largest picture file.</summary>
        public long MaxImageBytes { get; set; }

        /// <summary>Most pixels in a picture.</summary>
        public long MaxImagePixels { get; set; }

        /// <summary>Largest mesh file.</summary>
        public long MaxMeshBytes { get; set; }

        /// <summary>Most jobs that may wait.</summary>
        public int MaxQueuedJobs { get; set; }

        /// <summary>Free disk space below which nothing new is taken.</summary>
        public long MinFreeDiskBytes { get; set; }

        /// <summary>Most bytes of data in one message of an upload.</summary>
        public int MaxChunkBytes { get; set; }

        /// <summary>Most pictures of one object.</summary>
        public int MaxImages { get; set; }

        /// <summary>Most assets of one job.</summary>
        public int MaxVariants { get; set; }

        /// <summary>Largest adapter file.</summary>
        public long MaxAdapterBytes { get; set; }

        /// <summary>Most triangles of a mesh, copies counted as often as they appear.</summary>
        public long MaxMeshTriangles { get; set; }

        /// <summary>Most jobs of a project that may wait or run. 0: no limit.</summary>
        public int MaxProjectJobs { get; set; }

        /// <summary>
        /// Most bytes that a project may keep on the server, half-done uploads counted as announced. What
        /// a job leaves that has begun may pass it; then no other begins. 0: no limit.
        /// </summary>
        public long MaxProjectBytes { get; set; }

        /// <summary>Longest time that a job may run; see <c>JobSpec.run_timeout</c>. Absent: no limit.</summary>
        public Duration MaxRunTimeout { get; set; }

        /// <summary>How long a job that has ended is kept. Absent: for ever.</summary>
        public Duration JobRetention { get; set; }

        /// <summary>Most streams of responses that a project may have open; one more ends with QUOTA_EXCEEDED.</summary>
        public int MaxWatches { get; set; }

        /// <summary>Most calls at once on one connection of gRPC. Clients let more wait, without an error.</summary>
        public int MaxConnectionStreams { get; set; }

        /// <summary>Most watches of the server's health at once, of all clients; one more ends with RATE_LIMITED.</summary>
        public int MaxHealthWatches { get; set; }

        /// <summary>Most calls of /v1/infer at once, of all clients; one more ends with status 429.</summary>
        public int MaxInferCalls { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Limits Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Limits Parse(byte[] data, int offset, int count)
        {
            var message = new Limits();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (MaxPromptCharacters != 0)
            {
                writer.Integer(1, MaxPromptCharacters);
            }
            if (MaxImageBytes != 0)
            {
                writer.Integer(2, MaxImageBytes);
            }
            if (MaxImagePixels != 0)
            {
                writer.Integer(3, MaxImagePixels);
            }
            if (MaxMeshBytes != 0)
            {
                writer.Integer(4, MaxMeshBytes);
            }
            if (MaxQueuedJobs != 0)
            {
                writer.Integer(5, MaxQueuedJobs);
            }
            if (MinFreeDiskBytes != 0)
            {
                writer.Integer(6, MinFreeDiskBytes);
            }
            if (MaxChunkBytes != 0)
            {
                writer.Integer(7, MaxChunkBytes);
            }
            if (MaxImages != 0)
            {
                writer.Integer(8, MaxImages);
            }
            if (MaxVariants != 0)
            {
                writer.Integer(9, MaxVariants);
            }
            if (MaxAdapterBytes != 0)
            {
                writer.Integer(10, MaxAdapterBytes);
            }
            if (MaxMeshTriangles != 0)
            {
                writer.Integer(11, MaxMeshTriangles);
            }
            if (MaxProjectJobs != 0)
            {
                writer.Integer(12, MaxProjectJobs);
            }
            if (MaxProjectBytes != 0)
            {
                writer.Integer(13, MaxProjectBytes);
            }
            if (MaxRunTimeout != null)
            {
                writer.Message(14, MaxRunTimeout);
            }
            if (JobRetention != null)
            {
                writer.Message(15, JobRetention);
            }
            if (MaxWatches != 0)
            {
                writer.Integer(16, MaxWatches);
            }
            if (MaxConnectionStreams != 0)
            {
                writer.Integer(17, MaxConnectionStreams);
            }
            if (MaxHealthWatches != 0)
            {
                writer.Integer(18, MaxHealthWatches);
            }
            if (MaxInferCalls != 0)
            {
                writer.Integer(19, MaxInferCalls);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        MaxPromptCharacters = reader.Int32();
                        break;
                    case 16:
                        MaxImageBytes = reader.Int64();
                        break;
                    case 24:
                        MaxImagePixels = reader.Int64();
                        break;
                    case 32:
                        MaxMeshBytes = reader.Int64();
                        break;
                    case 40:
                        MaxQueuedJobs = reader.Int32();
                        break;
                    case 48:
                        MinFreeDiskBytes = reader.Int64();
                        break;
                    case 56:
                        MaxChunkBytes = reader.Int32();
                        break;
                    case 64:
                        MaxImages = reader.Int32();
                        break;
                    case 72:
                        MaxVariants = reader.Int32();
                        break;
                    case 80:
                        MaxAdapterBytes = reader.Int64();
                        break;
                    case 88:
                        MaxMeshTriangles = reader.Int64();
                        break;
                    case 96:
                        MaxProjectJobs = reader.Int32();
                        break;
                    case 104:
                        MaxProjectBytes = reader.Int64();
                        break;
                    case 114:
                        MaxRunTimeout = reader.Message(MaxRunTimeout ?? new Duration());
                        break;
                    case 122:
                        JobRetention = reader.Message(JobRetention ?? new Duration());
                        break;
                    case 128:
                        MaxWatches = reader.Int32();
                        break;
                    case 136:
                        MaxConnectionStreams = reader.Int32();
                        break;
                    case 144:
                        MaxHealthWatches = reader.Int32();
                        break;
                    case 152:
                        MaxInferCalls = reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Names bytes by what they are.</summary>
    public sealed class Digest : WireMessage
    {
        /// <summary>SHA-256: exactly 32 bytes, raw.</summary>
        public byte[] Sha256 { get; set; } = Array.Empty<byte>();

        /// <summary>How many bytes there are.</summary>
        public long SizeBytes { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Digest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Digest Parse(byte[] data, int offset, int count)
        {
            var message = new Digest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Sha256 != null && Sha256.Length > 0)
            {
                writer.Bytes(1, Sha256);
            }
            if (SizeBytes != 0)
            {
                writer.Integer(2, SizeBytes);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Sha256 = reader.Bytes();
                        break;
                    case 16:
                        SizeBytes = reader.Int64();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>What to make.</summary>
    public sealed class JobSpec : WireMessage
    {
        /// <summary>Which member of <c>source</c> is set.</summary>
        public enum SourceOneofCase
        {
            /// <summary>None.</summary>
            None = 0,
            /// <summary><see cref="JobSpec.Prompt"/>.</summary>
            Prompt = 2,
            /// <summary><see cref="JobSpec.Image"/>.</summary>
            Image = 3,
            /// <summary><see cref="JobSpec.Mesh"/>.</summary>
            Mesh = 4,
            /// <summary><see cref="JobSpec.Job"/>.</summary>
            Job = 13,
        }

        private object _source;

        /// <summary>Which member of <c>source</c> is set; a new one clears the rest.</summary>
        public SourceOneofCase SourceCase { get; private set; }

        /// <summary>
        /// Names files and meshes. Any text of up to 200 characters; the server makes a name of it that
        /// every engine and file system takes: "a wooden barrel" gives <c>AWoodenBarrel.glb</c> with meshes
        /// <c>SM_AWoodenBarrel_LOD0</c>. In answers: that name. Absent: made from the prompt, else "Asset".
        /// </summary>
        public string AssetName { get; set; } = "";

        /// <summary>Generate from these words, 1 to 1,000 characters: "a wooden barrel".</summary>
        public string Prompt
        {
            get
            {
                return SourceCase == SourceOneofCase.Prompt ? (string)_source : "";
            }
            set
            {
                _source = value;
                SourceCase = value == null ? SourceOneofCase.None : SourceOneofCase.Prompt;
            }
        }

        /// <summary>
        /// Generate from this picture (uploaded before): PNG, JPEG or WebP with one object, best with
        /// a transparent background. <c>more_images</c> may show it from other sides.
        /// </summary>
        public Digest Image
        {
            get
            {
                return SourceCase == SourceOneofCase.Image ? (Digest)_source : null;
            }
            set
            {
                _source = value;
                SourceCase = value == null ? SourceOneofCase.None : SourceOneofCase.Image;
            }
        }

        /// <summary>Skip the generator and take this GLB (uploaded before), with all its materials.</summary>
        public Digest Mesh
        {
            get
            {
                return SourceCase == SourceOneofCase.Mesh ? (Digest)_source : null;
            }
            set
            {
                _source = value;
                SourceCase = value == null ? SourceOneofCase.None : SourceOneofCase.Mesh;
            }
        }

        /// <summary>
        /// Export again from the dense surfaces of this earlier job (<c>Job.name</c>): nothing is generated
        /// or read again. Options that are absent are as they were there; those of stages before
        /// <c>repair</c>, and the fields below, cannot be given.
        /// </summary>
        public string Job
        {
            get
            {
                return SourceCase == SourceOneofCase.Job ? (string)_source : "";
            }
            set
            {
                _source = value;
                SourceCase = value == null ? SourceOneofCase.None : SourceOneofCase.Job;
            }
        }

        /// <summary>
        /// The only randomness: the same spec on the same server gives the same assets, byte for byte
        /// (the report's times differ), while its models, settings, kernels and libraries stay the same.
        /// 0 to 2^63 - 1, default 0. Ignored for a mesh.
        /// </summary>
        public long Seed { get; set; }

        /// <summary>How each stage works. Whatever is absent has the documented default.</summary>
        public AssetOptions Options { get; set; }

        /// <summary>
        /// More pictures of the same object (uploaded before), at most <c>Limits.max_images</c> with <c>image</c>.
        /// Only with <c>image</c>.
        /// </summary>
        public List<Digest> MoreImages { get; } = new List<Digest>();

        /// <summary>
        /// How many assets to make, with the seeds <c>seed</c>, <c>seed + 1</c>, ...: 1 to <c>Limits.max_variants</c>.
        /// Absent or 0: 1. Only for prompts and pictures.
        /// </summary>
        public int VariantCount { get; set; }

        /// <summary>
        /// Keep the coarse shape of this GLB (uploaded before), and take details and colors from the
        /// prompt or picture. Its own materials are not looked at. Only for prompts and pictures.
        /// </summary>
        public Digest Shape { get; set; }

        /// <summary>Which of the server's models, by <c>Model.name</c>. Absent: the first that takes the source.</summary>
        public string Model { get; set; } = "";

        /// <summary>
        /// Apply this LoRA adapter (uploaded before), as <c>lodsmith train --lora</c> writes it. Only for
        /// prompts and pictures.
        /// </summary>
        public Digest Adapter { get; set; }

        /// <summary>How much of the adapter, 0 to 2. Default: 1. Only with <c>adapter</c>.</summary>
        public double? AdapterStrength { get; set; }

        /// <summary>
        /// Jobs of higher priority start first, -10 to 10. One that waits gains one per ten minutes.
        /// Default: 0. Changes nothing of what comes out, as all fields below.
        /// </summary>
        public int Priority { get; set; }

        /// <summary>
        /// How long the job's stages may run in all; waiting does not count, tries that were repeated do,
        /// also after a restart of the server. Then it fails with JOB_TIMEOUT. Absent:
        /// <c>Limits.max_run_timeout</c>.
        /// </summary>
        public Duration RunTimeout { get; set; }

        /// <summary>Run every stage, also where the result of the same work is kept. Default: false.</summary>
        public bool IgnoreCache { get; set; }

        /// <summary>
        /// For the client's own use, and for <c>ListJobs</c>: at most 16, names and values of at most 64
        /// characters.
        /// </summary>
        public Dictionary<string, string> Labels { get; } = new Dictionary<string, string>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobSpec Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobSpec Parse(byte[] data, int offset, int count)
        {
            var message = new JobSpec();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(AssetName))
            {
                writer.String(1, AssetName);
            }
            if (SourceCase == SourceOneofCase.Prompt)
            {
                writer.String(2, Prompt);
            }
            if (SourceCase == SourceOneofCase.Image)
            {
                writer.Message(3, Image);
            }
            if (SourceCase == SourceOneofCase.Mesh)
            {
                writer.Message(4, Mesh);
            }
            if (Seed != 0)
            {
                writer.Integer(5, Seed);
            }
            if (Options != null)
            {
                writer.Message(6, Options);
            }
            foreach (Digest item in MoreImages)
            {
                writer.Message(7, item);
            }
            if (VariantCount != 0)
            {
                writer.Integer(8, VariantCount);
            }
            if (Shape != null)
            {
                writer.Message(9, Shape);
            }
            if (!string.IsNullOrEmpty(Model))
            {
                writer.String(10, Model);
            }
            if (Adapter != null)
            {
                writer.Message(11, Adapter);
            }
            if (AdapterStrength != null)
            {
                writer.Double(12, AdapterStrength.Value);
            }
            if (SourceCase == SourceOneofCase.Job)
            {
                writer.String(13, Job);
            }
            if (Priority != 0)
            {
                writer.Integer(14, Priority);
            }
            if (RunTimeout != null)
            {
                writer.Message(15, RunTimeout);
            }
            if (IgnoreCache)
            {
                writer.Bool(16, IgnoreCache);
            }
            writer.Map(17, Labels);
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        AssetName = reader.String();
                        break;
                    case 18:
                        Prompt = reader.String();
                        break;
                    case 26:
                        Image = reader.Message(Image ?? new Digest());
                        break;
                    case 34:
                        Mesh = reader.Message(Mesh ?? new Digest());
                        break;
                    case 106:
                        Job = reader.String();
                        break;
                    case 40:
                        Seed = reader.Int64();
                        break;
                    case 50:
                        Options = reader.Message(Options ?? new AssetOptions());
                        break;
                    case 58:
                        MoreImages.Add(reader.Message(new Digest()));
                        break;
                    case 64:
                        VariantCount = reader.Int32();
                        break;
                    case 74:
                        Shape = reader.Message(Shape ?? new Digest());
                        break;
                    case 82:
                        Model = reader.String();
                        break;
                    case 90:
                        Adapter = reader.Message(Adapter ?? new Digest());
                        break;
                    case 97:
                        AdapterStrength = reader.Double();
                        break;
                    case 112:
                        Priority = reader.Int32();
                        break;
                    case 122:
                        RunTimeout = reader.Message(RunTimeout ?? new Duration());
                        break;
                    case 128:
                        IgnoreCache = reader.Bool();
                        break;
                    case 138:
                        reader.MapEntry(Labels);
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Options of a job, one field per stage.</summary>
    public sealed class AssetOptions : WireMessage
    {
        /// <summary>How active voxels are sampled. Ignored for a mesh.</summary>
        public SamplerOptions SparseStructure { get; set; }

        /// <summary>How the structured latents on them are sampled. Ignored for a mesh.</summary>
        public SamplerOptions Slat { get; set; }

        /// <summary>Size and pivot.</summary>
        public PlaceOptions Place { get; set; }

        /// <summary>What is mended before simplification. Absent: what suits the kind of source.</summary>
        public RepairOptions Repair { get; set; }

        /// <summary>Whether the surface is rebuilt.</summary>
        public RemeshOptions Remesh { get; set; }

        /// <summary>The levels of detail.</summary>
        public LodOptions Lod { get; set; }

        /// <summary>The atlas.</summary>
        public UnwrapOptions Unwrap { get; set; }

        /// <summary>The textures.</summary>
        public BakeOptions Bake { get; set; }

        /// <summary>The collision hulls.</summary>
        public CollisionOptions Collision { get; set; }

        /// <summary>The file.</summary>
        public ExportOptions Export { get; set; }

        /// <summary>How prompts and pictures are read. Ignored for a mesh.</summary>
        public ConditionOptions Condition { get; set; }

        /// <summary>What the structured latents are decoded to. Ignored for a mesh.</summary>
        public DecodeOptions Decode { get; set; }

        /// <summary>What becomes of the separate parts of a mesh.</summary>
        public PartOptions Parts { get; set; }

        /// <summary>What the files tell about where they come from.</summary>
        public ProvenanceOptions Provenance { get; set; }

        /// <summary>Which pictures come with the preview.</summary>
        public PictureOptions Pictures { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static AssetOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static AssetOptions Parse(byte[] data, int offset, int count)
        {
            var message = new AssetOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (SparseStructure != null)
            {
                writer.Message(1, SparseStructure);
            }
            if (Slat != null)
            {
                writer.Message(2, Slat);
            }
            if (Place != null)
            {
                writer.Message(3, Place);
            }
            if (Repair != null)
            {
                writer.Message(4, Repair);
            }
            if (Remesh != null)
            {
                writer.Message(5, Remesh);
            }
            if (Lod != null)
            {
                writer.Message(6, Lod);
            }
            if (Unwrap != null)
            {
                writer.Message(7, Unwrap);
            }
            if (Bake != null)
            {
                writer.Message(8, Bake);
            }
            if (Collision != null)
            {
                writer.Message(9, Collision);
            }
            if (Export != null)
            {
                writer.Message(10, Export);
            }
            if (Condition != null)
            {
                writer.Message(11, Condition);
            }
            if (Decode != null)
            {
                writer.Message(12, Decode);
            }
            if (Parts != null)
            {
                writer.Message(13, Parts);
            }
            if (Provenance != null)
            {
                writer.Message(14, Provenance);
            }
            if (Pictures != null)
            {
                writer.Message(15, Pictures);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        SparseStructure = reader.Message(SparseStructure ?? new SamplerOptions());
                        break;
                    case 18:
                        Slat = reader.Message(Slat ?? new SamplerOptions());
                        break;
                    case 26:
                        Place = reader.Message(Place ?? new PlaceOptions());
                        break;
                    case 34:
                        Repair = reader.Message(Repair ?? new RepairOptions());
                        break;
                    case 42:
                        Remesh = reader.Message(Remesh ?? new RemeshOptions());
                        break;
                    case 50:
                        Lod = reader.Message(Lod ?? new LodOptions());
                        break;
                    case 58:
                        Unwrap = reader.Message(Unwrap ?? new UnwrapOptions());
                        break;
                    case 66:
                        Bake = reader.Message(Bake ?? new BakeOptions());
                        break;
                    case 74:
                        Collision = reader.Message(Collision ?? new CollisionOptions());
                        break;
                    case 82:
                        Export = reader.Message(Export ?? new ExportOptions());
                        break;
                    case 90:
                        Condition = reader.Message(Condition ?? new ConditionOptions());
                        break;
                    case 98:
                        Decode = reader.Message(Decode ?? new DecodeOptions());
                        break;
                    case 106:
                        Parts = reader.Message(Parts ?? new PartOptions());
                        break;
                    case 114:
                        Provenance = reader.Message(Provenance ?? new ProvenanceOptions());
                        break;
                    case 122:
                        Pictures = reader.Message(Pictures ?? new PictureOptions());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Which pictures come with the preview.</summary>
    public sealed class PictureOptions : WireMessage
    {
        /// <summary>Each once, a second or two of work each. Empty: none.</summary>
        public List<PictureKind> More { get; } = new List<PictureKind>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static PictureOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static PictureOptions Parse(byte[] data, int offset, int count)
        {
            var message = new PictureOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            writer.Packed(1, More, (packed, item) => packed.Varint((int)item));
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        More.Add((PictureKind)reader.Int32());
                        break;
                    case 10:
                        reader.Packed(packed => More.Add((PictureKind)packed.Int32()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>
    /// What the files tell about where they come from.
    ///
    /// Licenses are SPDX identifiers, or up to 100 characters in other words. They go into report and
    /// files as they are given, and the gate <c>license.inputs</c> holds them to a policy.
    /// </summary>
    public sealed class ProvenanceOptions : WireMessage
    {
        /// <summary>What of the prompt goes into files that leave the house. Default: its SHA-256.</summary>
        public PromptPolicy Prompt { get; set; }

        /// <summary>License of the pictures. Absent: not told.</summary>
        public string PictureLicense { get; set; } = "";

        /// <summary>License of the mesh. Absent: not told.</summary>
        public string MeshLicense { get; set; } = "";

        /// <summary>License of <c>JobSpec.shape</c>. Absent: not told.</summary>
        public string ShapeLicense { get; set; } = "";

        /// <summary>License of the adapter. Absent: not told.</summary>
        public string AdapterLicense { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ProvenanceOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ProvenanceOptions Parse(byte[] data, int offset, int count)
        {
            var message = new ProvenanceOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Prompt != 0)
            {
                writer.Integer(1, (int)Prompt);
            }
            if (!string.IsNullOrEmpty(PictureLicense))
            {
                writer.String(2, PictureLicense);
            }
            if (!string.IsNullOrEmpty(MeshLicense))
            {
                writer.String(3, MeshLicense);
            }
            if (!string.IsNullOrEmpty(ShapeLicense))
            {
                writer.String(4, ShapeLicense);
            }
            if (!string.IsNullOrEmpty(AdapterLicense))
            {
                writer.String(5, AdapterLicense);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Prompt = (PromptPolicy)reader.Int32();
                        break;
                    case 18:
                        PictureLicense = reader.String();
                        break;
                    case 26:
                        MeshLicense = reader.String();
                        break;
                    case 34:
                        ShapeLicense = reader.String();
                        break;
                    case 42:
                        AdapterLicense = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>How prompts and pictures are read.</summary>
    public sealed class ConditionOptions : WireMessage
    {
        /// <summary>What the asset should not be, up to 1,000 characters. Only with a prompt.</summary>
        public string NegativePrompt { get; set; } = "";

        /// <summary>How several pictures are used. Default: stochastic.</summary>
        public MultiImage MultiImage { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ConditionOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ConditionOptions Parse(byte[] data, int offset, int count)
        {
            var message = new ConditionOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(NegativePrompt))
            {
                writer.String(1, NegativePrompt);
            }
            if (MultiImage != 0)
            {
                writer.Integer(2, (int)MultiImage);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        NegativePrompt = reader.String();
                        break;
                    case 16:
                        MultiImage = (MultiImage)reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>What the structured latents are decoded to.</summary>
    public sealed class DecodeOptions : WireMessage
    {
        /// <summary>At least one, each once. Empty: mesh. Without mesh there are no LODs.</summary>
        public List<Format> Formats { get; } = new List<Format>();

        /// <summary>Where the colors of a mesh come from. Default: auto.</summary>
        public ColorSource ColorFrom { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static DecodeOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static DecodeOptions Parse(byte[] data, int offset, int count)
        {
            var message = new DecodeOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            writer.Packed(1, Formats, (packed, item) => packed.Varint((int)item));
            if (ColorFrom != 0)
            {
                writer.Integer(2, (int)ColorFrom);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Formats.Add((Format)reader.Int32());
                        break;
                    case 10:
                        reader.Packed(packed => Formats.Add((Format)packed.Int32()));
                        break;
                    case 16:
                        ColorFrom = (ColorSource)reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>How a rectified flow is sampled. Absent fields take the model's own values.</summary>
    public sealed class SamplerOptions : WireMessage
    {
        /// <summary>Euler steps, 1 to 1,000. Time grows with them.</summary>
        public int? Steps { get; set; }

        /// <summary>Guidance strength s in v = (1 + s) v_cond - s v_uncond, 0 to 50; 0 is none.</summary>
        public double? GuidanceStrength { get; set; }

        /// <summary>Times at which guidance is on.</summary>
        public Interval GuidanceInterval { get; set; }

        /// <summary>Above 1 spends more of the steps near noise, 1 spaces them evenly; 0.1 to 10.</summary>
        public double? RescaleT { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static SamplerOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static SamplerOptions Parse(byte[] data, int offset, int count)
        {
            var message = new SamplerOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Steps != null)
            {
                writer.Integer(1, Steps.Value);
            }
            if (GuidanceStrength != null)
            {
                writer.Double(2, GuidanceStrength.Value);
            }
            if (GuidanceInterval != null)
            {
                writer.Message(3, GuidanceInterval);
            }
            if (RescaleT != null)
            {
                writer.Double(4, RescaleT.Value);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Steps = reader.Int32();
                        break;
                    case 17:
                        GuidanceStrength = reader.Double();
                        break;
                    case 26:
                        GuidanceInterval = reader.Message(GuidanceInterval ?? new Interval());
                        break;
                    case 33:
                        RescaleT = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>A range of flow time: 1 is noise, 0 is data. Both ends included.</summary>
    public sealed class Interval : WireMessage
    {
        /// <summary>Lower end, in [0, 1].</summary>
        public double Low { get; set; }

        /// <summary>Upper end, in [low, 1].</summary>
        public double High { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Interval Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Interval Parse(byte[] data, int offset, int count)
        {
            var message = new Interval();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (BitConverter.DoubleToInt64Bits(Low) != 0)
            {
                writer.Double(1, Low);
            }
            if (BitConverter.DoubleToInt64Bits(High) != 0)
            {
                writer.Double(2, High);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 9:
                        Low = reader.Double();
                        break;
                    case 17:
                        High = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Size and pivot of the asset.</summary>
    public sealed class PlaceOptions : WireMessage
    {
        /// <summary>
        /// Height along Y in metres, 0.001 to 10,000. Absent: generated assets are 1 m along their longest
        /// side, meshes keep their size.
        /// </summary>
        public double? HeightM { get; set; }

        /// <summary>Where the origin is. Default: bottom center.</summary>
        public Pivot Pivot { get; set; }

        /// <summary>Make it as large as fits into this box, without stretching it. Not with <c>height_m</c>.</summary>
        public Size FitM { get; set; }

        /// <summary>
        /// The origin's place in the bounding box: (0, 0, 0) is its lowest corner, (1, 1, 1) its highest.
        /// Only with a custom pivot.
        /// </summary>
        public Point PivotPoint { get; set; }

        /// <summary>Which direction of the source is up. Default: +Y, as glTF says.</summary>
        public Direction Up { get; set; }

        /// <summary>Which direction of the source is the front; not along <c>up</c>. Default: +Z, as glTF says.</summary>
        public Direction Forward { get; set; }

        /// <summary>
        /// Tilt the asset by up to this many degrees, 0 to 45, so that it rests on the ground by itself.
        /// Default: 0, it stays as it is.
        /// </summary>
        public double? SettleDeg { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static PlaceOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static PlaceOptions Parse(byte[] data, int offset, int count)
        {
            var message = new PlaceOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (HeightM != null)
            {
                writer.Double(1, HeightM.Value);
            }
            if (Pivot != 0)
            {
                writer.Integer(2, (int)Pivot);
            }
            if (FitM != null)
            {
                writer.Message(3, FitM);
            }
            if (PivotPoint != null)
            {
                writer.Message(4, PivotPoint);
            }
            if (Up != 0)
            {
                writer.Integer(5, (int)Up);
            }
            if (Forward != 0)
            {
                writer.Integer(6, (int)Forward);
            }
            if (SettleDeg != null)
            {
                writer.Double(7, SettleDeg.Value);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 9:
                        HeightM = reader.Double();
                        break;
                    case 16:
                        Pivot = (Pivot)reader.Int32();
                        break;
                    case 26:
                        FitM = reader.Message(FitM ?? new Size());
                        break;
                    case 34:
                        PivotPoint = reader.Message(PivotPoint ?? new Point());
                        break;
                    case 40:
                        Up = (Direction)reader.Int32();
                        break;
                    case 48:
                        Forward = (Direction)reader.Int32();
                        break;
                    case 57:
                        SettleDeg = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Lengths along x, y and z, metres, each above 0.</summary>
    public sealed class Size : WireMessage
    {
        /// <summary>Along x.</summary>
        public double X { get; set; }

        /// <summary>Along y.</summary>
        public double Y { get; set; }

        /// <summary>Along z.</summary>
        public double Z { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Size Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Size Parse(byte[] data, int offset, int count)
        {
            var message = new Size();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (BitConverter.DoubleToInt64Bits(X) != 0)
            {
                writer.Double(1, X);
            }
            if (BitConverter.DoubleToInt64Bits(Y) != 0)
            {
                writer.Double(2, Y);
            }
            if (BitConverter.DoubleToInt64Bits(Z) != 0)
            {
                writer.Double(3, Z);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 9:
                        X = reader.Double();
                        break;
                    case 17:
                        Y = reader.Double();
                        break;
                    case 25:
                        Z = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>A place.</summary>
    public sealed class Point : WireMessage
    {
        /// <summary>Along x.</summary>
        public double X { get; set; }

        /// <summary>Along y.</summary>
        public double Y { get; set; }

        /// <summary>Along z.</summary>
        public double Z { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Point Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Point Parse(byte[] data, int offset, int count)
        {
            var message = new Point();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (BitConverter.DoubleToInt64Bits(X) != 0)
            {
                writer.Double(1, X);
            }
            if (BitConverter.DoubleToInt64Bits(Y) != 0)
            {
                writer.Double(2, Y);
            }
            if (BitConverter.DoubleToInt64Bits(Z) != 0)
            {
                writer.Double(3, Z);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 9:
                        X = reader.Double();
                        break;
                    case 17:
                        Y = reader.Double();
                        break;
                    case 25:
                        Z = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>What becomes of the separate parts (mesh nodes) of a mesh.</summary>
    public sealed class PartOptions : WireMessage
    {
        /// <summary>Default: merged.</summary>
        public PartMode Mode { get; set; }

        /// <summary>How separate parts share each LOD's triangles. Default: by error.</summary>
        public PartShare Share { get; set; }

        /// <summary>Parts that matter more or less than others. Only for separate parts.</summary>
        public List<PartWeight> Weights { get; } = new List<PartWeight>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static PartOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static PartOptions Parse(byte[] data, int offset, int count)
        {
            var message = new PartOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Mode != 0)
            {
                writer.Integer(1, (int)Mode);
            }
            if (Share != 0)
            {
                writer.Integer(2, (int)Share);
            }
            foreach (PartWeight item in Weights)
            {
                writer.Message(3, item);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Mode = (PartMode)reader.Int32();
                        break;
                    case 16:
                        Share = (PartShare)reader.Int32();
                        break;
                    case 26:
                        Weights.Add(reader.Message(new PartWeight()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>How much some parts matter.</summary>
    public sealed class PartWeight : WireMessage
    {
        /// <summary>Name of a part; * stands for any characters: "Wheel*".</summary>
        public string Name { get; set; } = "";

        /// <summary>More than 1 gives it more triangles, less than 1 fewer: 0.01 to 100.</summary>
        public double Weight { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static PartWeight Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static PartWeight Parse(byte[] data, int offset, int count)
        {
            var message = new PartWeight();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(1, Name);
            }
            if (BitConverter.DoubleToInt64Bits(Weight) != 0)
            {
                writer.Double(2, Weight);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Name = reader.String();
                        break;
                    case 17:
                        Weight = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>
    /// What is mended before simplification. Absent fields have the default that suits the source: a
    /// mesh that an artist made is changed as little as possible; generated dust and pinholes go.
    /// </summary>
    public sealed class RepairOptions : WireMessage
    {
        /// <summary>
        /// Open borders closer than this share of the bounding box's diagonal are joined, in [0, 0.01];
        /// 0 joins exact copies only. Default: 1e-6 for a mesh, 0 for a generated surface.
        /// </summary>
        public double? WeldDistanceRatio { get; set; }

        /// <summary>
        /// Parts with less than this share of the largest part's area are dropped while they are below
        /// 5 % of the whole, in [0, 1). Default: 0 (keep all) for a mesh, 0.01 for a generated surface.
        /// </summary>
        public double? DropSpeckRatio { get; set; }

        /// <summary>
        /// Holes with up to this many edges are closed, 0 to 500. Default: 0 for a mesh, 100 for a
        /// generated surface.
        /// </summary>
        public int? FillHoleEdges { get; set; }

        /// <summary>And only those shorter around than this share of the diagonal, in [0, 10]. Default: 0.15.</summary>
        public double? FillHolePerimeterRatio { get; set; }

        /// <summary>Turn closed parts whose faces look inward. Default: true.</summary>
        public bool? FlipInsideOut { get; set; }

        /// <summary>
        /// Drop faces that nobody can see from outside. Default: false for a mesh, true for a generated
        /// surface.
        /// </summary>
        public bool? RemoveInterior { get; set; }

        /// <summary>
        /// Small parts go only if they are at least this share of the diagonal away from what is larger,
        /// in [0, 1]; 0 means at any distance. Default: 0.
        /// </summary>
        public double? DropSpeckDistanceRatio { get; set; }

        /// <summary>
        /// Turn parts, also open ones, that are seen from their back more than from their front.
        /// Default: true.
        /// </summary>
        public bool? VoteWinding { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RepairOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RepairOptions Parse(byte[] data, int offset, int count)
        {
            var message = new RepairOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (WeldDistanceRatio != null)
            {
                writer.Double(1, WeldDistanceRatio.Value);
            }
            if (DropSpeckRatio != null)
            {
                writer.Double(2, DropSpeckRatio.Value);
            }
            if (FillHoleEdges != null)
            {
                writer.Integer(3, FillHoleEdges.Value);
            }
            if (FillHolePerimeterRatio != null)
            {
                writer.Double(4, FillHolePerimeterRatio.Value);
            }
            if (FlipInsideOut != null)
            {
                writer.Bool(5, FlipInsideOut.Value);
            }
            if (RemoveInterior != null)
            {
                writer.Bool(6, RemoveInterior.Value);
            }
            if (DropSpeckDistanceRatio != null)
            {
                writer.Double(7, DropSpeckDistanceRatio.Value);
            }
            if (VoteWinding != null)
            {
                writer.Bool(8, VoteWinding.Value);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 9:
                        WeldDistanceRatio = reader.Double();
                        break;
                    case 17:
                        DropSpeckRatio = reader.Double();
                        break;
                    case 24:
                        FillHoleEdges = reader.Int32();
                        break;
                    case 33:
                        FillHolePerimeterRatio = reader.Double();
                        break;
                    case 40:
                        FlipInsideOut = reader.Bool();
                        break;
                    case 48:
                        RemoveInterior = reader.Bool();
                        break;
                    case 57:
                        DropSpeckDistanceRatio = reader.Double();
                        break;
                    case 64:
                        VoteWinding = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Whether the surface is rebuilt from even triangles.</summary>
    public sealed class RemeshOptions : WireMessage
    {
        /// <summary>Default: auto.</summary>
        public RemeshMode Mode { get; set; }

        /// <summary>
        /// Watertight: grid cells along the longest side, 16 to 384. Details below a cell are lost.
        /// Default: 192.
        /// </summary>
        public int? Resolution { get; set; }

        /// <summary>Isotropic: how many triangles to aim at, 100 to 2,000,000. Absent: about as many as before.</summary>
        public int? Triangles { get; set; }

        /// <summary>Isotropic: creases sharper than this are kept, 5 to 180 degrees. Default: 40.</summary>
        public double? SharpAngleDeg { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RemeshOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RemeshOptions Parse(byte[] data, int offset, int count)
        {
            var message = new RemeshOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Mode != 0)
            {
                writer.Integer(1, (int)Mode);
            }
            if (Resolution != null)
            {
                writer.Integer(2, Resolution.Value);
            }
            if (Triangles != null)
            {
                writer.Integer(3, Triangles.Value);
            }
            if (SharpAngleDeg != null)
            {
                writer.Double(4, SharpAngleDeg.Value);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Mode = (RemeshMode)reader.Int32();
                        break;
                    case 16:
                        Resolution = reader.Int32();
                        break;
                    case 24:
                        Triangles = reader.Int32();
                        break;
                    case 33:
                        SharpAngleDeg = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>
    /// The levels of detail. At most one of <c>budgets</c>, <c>targets</c> and <c>preset</c> says how many triangles
    /// they have.
    /// </summary>
    public sealed class LodOptions : WireMessage
    {
        /// <summary>
        /// Most triangles of LOD0, LOD1, ...: 1 to 8 values, each 4 to 1,000,000 and less than the one
        /// before. A LOD never has more. Default, if nothing else is given: 20,000, 10,000, 4,000, 1,000.
        /// </summary>
        public List<int> Budgets { get; } = new List<int>();

        /// <summary>Height of the view in pixels for which coverages are meant, 100 to 10,000. Default: 1,080.</summary>
        public int? ReferenceHeightPx { get; set; }

        /// <summary>What LOD0, LOD1, ... are to reach: 1 to 8.</summary>
        public List<LodTarget> Targets { get; } = new List<LodTarget>();

        /// <summary>A chain that suits a platform.</summary>
        public LodPreset Preset { get; set; }

        /// <summary>
        /// Fail with BUDGET_UNREACHABLE rather than deliver a LOD that is farther off than this share of
        /// the bounding box's diagonal, above 0. Absent: any deviation is delivered, and reported.
        /// </summary>
        public double? MaxDeviationRatio { get; set; }

        /// <summary>
        /// Where collapsing edges cannot reach a budget, merge parts or rebuild the surface, with a
        /// warning. False: fail with BUDGET_UNREACHABLE. Default: true.
        /// </summary>
        public bool? MergeParts { get; set; }

        /// <summary>
        /// Add a billboard as the last LOD: pictures of the asset from all sides in one texture.
        /// Default: false.
        /// </summary>
        public bool? Impostor { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static LodOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static LodOptions Parse(byte[] data, int offset, int count)
        {
            var message = new LodOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            writer.Packed(1, Budgets, (packed, item) => packed.Varint(item));
            if (ReferenceHeightPx != null)
            {
                writer.Integer(2, ReferenceHeightPx.Value);
            }
            foreach (LodTarget item in Targets)
            {
                writer.Message(3, item);
            }
            if (Preset != 0)
            {
                writer.Integer(4, (int)Preset);
            }
            if (MaxDeviationRatio != null)
            {
                writer.Double(5, MaxDeviationRatio.Value);
            }
            if (MergeParts != null)
            {
                writer.Bool(6, MergeParts.Value);
            }
            if (Impostor != null)
            {
                writer.Bool(7, Impostor.Value);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Budgets.Add(reader.Int32());
                        break;
                    case 10:
                        reader.Packed(packed => Budgets.Add(packed.Int32()));
                        break;
                    case 16:
                        ReferenceHeightPx = reader.Int32();
                        break;
                    case 26:
                        Targets.Add(reader.Message(new LodTarget()));
                        break;
                    case 32:
                        Preset = (LodPreset)reader.Int32();
                        break;
                    case 41:
                        MaxDeviationRatio = reader.Double();
                        break;
                    case 48:
                        MergeParts = reader.Bool();
                        break;
                    case 56:
                        Impostor = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>How far a LOD is reduced: at least one of the four.</summary>
    public sealed class LodTarget : WireMessage
    {
        /// <summary>At most so many triangles, 4 to 1,000,000.</summary>
        public int? Triangles { get; set; }

        /// <summary>At most this share of the repaired mesh's triangles, in (0, 1].</summary>
        public double? Ratio { get; set; }

        /// <summary>As few triangles as keep the largest measured deviation within this, metres, above 0.</summary>
        public double? DeviationM { get; set; }

        /// <summary>
        /// As few triangles as keep that deviation below a pixel while the asset's bounding sphere covers
        /// this share of the view's height, above 0.
        /// </summary>
        public double? ScreenCoverage { get; set; }

        /// <summary>
        /// Of several: stop at the first one reached, or when all are. Default: all, so a number of
        /// triangles is kept whatever the deviation.
        /// </summary>
        public StopAt Stop { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static LodTarget Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static LodTarget Parse(byte[] data, int offset, int count)
        {
            var message = new LodTarget();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Triangles != null)
            {
                writer.Integer(1, Triangles.Value);
            }
            if (Ratio != null)
            {
                writer.Double(2, Ratio.Value);
            }
            if (DeviationM != null)
            {
                writer.Double(3, DeviationM.Value);
            }
            if (ScreenCoverage != null)
            {
                writer.Double(4, ScreenCoverage.Value);
            }
            if (Stop != 0)
            {
                writer.Integer(5, (int)Stop);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Triangles = reader.Int32();
                        break;
                    case 17:
                        Ratio = reader.Double();
                        break;
                    case 25:
                        DeviationM = reader.Double();
                        break;
                    case 33:
                        ScreenCoverage = reader.Double();
                        break;
                    case 40:
                        Stop = (StopAt)reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>The atlas that all LODs share.</summary>
    public sealed class UnwrapOptions : WireMessage
    {
        /// <summary>Texels along each side: a power of two, 64 to 8,192. Default: 2,048.</summary>
        public int? TextureSize { get; set; }

        /// <summary>
        /// Least distance between charts, 2 to 64; filled with the nearest color, so that mip levels do
        /// not bleed. Default: a 512th of the side, 2 at the least.
        /// </summary>
        public int? GutterTexels { get; set; }

        /// <summary>What gets more texels. Default: uniform.</summary>
        public TexelDensity Density { get; set; }

        /// <summary>How LODs share textures. Default: packed.</summary>
        public Atlas Atlas { get; set; }

        /// <summary>Whether the UVs of a mesh are kept. Default: auto.</summary>
        public UvMode Uv { get; set; }

        /// <summary>Give each LOD a second set of UVs without overlap, for itself alone. Default: false.</summary>
        public bool? Lightmap { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static UnwrapOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static UnwrapOptions Parse(byte[] data, int offset, int count)
        {
            var message = new UnwrapOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (TextureSize != null)
            {
                writer.Integer(1, TextureSize.Value);
            }
            if (GutterTexels != null)
            {
                writer.Integer(2, GutterTexels.Value);
            }
            if (Density != 0)
            {
                writer.Integer(3, (int)Density);
            }
            if (Atlas != 0)
            {
                writer.Integer(4, (int)Atlas);
            }
            if (Uv != 0)
            {
                writer.Integer(5, (int)Uv);
            }
            if (Lightmap != null)
            {
                writer.Bool(6, Lightmap.Value);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        TextureSize = reader.Int32();
                        break;
                    case 16:
                        GutterTexels = reader.Int32();
                        break;
                    case 24:
                        Density = (TexelDensity)reader.Int32();
                        break;
                    case 32:
                        Atlas = (Atlas)reader.Int32();
                        break;
                    case 40:
                        Uv = (UvMode)reader.Int32();
                        break;
                    case 48:
                        Lightmap = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>The textures.</summary>
    public sealed class BakeOptions : WireMessage
    {
        /// <summary>Bake how much of the sky the shape itself hides into the occlusion texture. Default: false.</summary>
        public bool? AmbientOcclusion { get; set; }

        /// <summary>
        /// How much of the light that seems to be painted into the colors is divided out, 0 to 1. An
        /// estimate from how brightness depends on where the surface looks. Default: 0.
        /// </summary>
        public double? Delight { get; set; }

        /// <summary>Roughness of everything, 0 to 1. Absent: the source's.</summary>
        public double? Roughness { get; set; }

        /// <summary>Metalness of everything, 0 to 1. Absent: the source's.</summary>
        public double? Metallic { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static BakeOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static BakeOptions Parse(byte[] data, int offset, int count)
        {
            var message = new BakeOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (AmbientOcclusion != null)
            {
                writer.Bool(1, AmbientOcclusion.Value);
            }
            if (Delight != null)
            {
                writer.Double(2, Delight.Value);
            }
            if (Roughness != null)
            {
                writer.Double(3, Roughness.Value);
            }
            if (Metallic != null)
            {
                writer.Double(4, Metallic.Value);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        AmbientOcclusion = reader.Bool();
                        break;
                    case 17:
                        Delight = reader.Double();
                        break;
                    case 25:
                        Roughness = reader.Double();
                        break;
                    case 33:
                        Metallic = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>The collision hulls.</summary>
    public sealed class CollisionOptions : WireMessage
    {
        /// <summary>Default: auto.</summary>
        public CollisionMode Mode { get; set; }

        /// <summary>Most hulls, 1 to 64. Default: 16.</summary>
        public int? MaxHulls { get; set; }

        /// <summary>Most vertices of a hull, 8 to 255. Default: 32.</summary>
        public int? MaxVertices { get; set; }

        /// <summary>
        /// Auto: the cheapest kind of shape is taken whose volume is at most this many times the body's,
        /// at least 1. Default: see <c>Collision</c>.
        /// </summary>
        public double? MaxOverCover { get; set; }

        /// <summary>Auto: and that stands out by at most this share of the bounding box's diagonal, in (0, 1].</summary>
        public double? MaxProtrusionRatio { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CollisionOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CollisionOptions Parse(byte[] data, int offset, int count)
        {
            var message = new CollisionOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Mode != 0)
            {
                writer.Integer(1, (int)Mode);
            }
            if (MaxHulls != null)
            {
                writer.Integer(2, MaxHulls.Value);
            }
            if (MaxVertices != null)
            {
                writer.Integer(3, MaxVertices.Value);
            }
            if (MaxOverCover != null)
            {
                writer.Double(4, MaxOverCover.Value);
            }
            if (MaxProtrusionRatio != null)
            {
                writer.Double(5, MaxProtrusionRatio.Value);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Mode = (CollisionMode)reader.Int32();
                        break;
                    case 16:
                        MaxHulls = reader.Int32();
                        break;
                    case 24:
                        MaxVertices = reader.Int32();
                        break;
                    case 33:
                        MaxOverCover = reader.Double();
                        break;
                    case 41:
                        MaxProtrusionRatio = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>The file.</summary>
    public sealed class ExportOptions : WireMessage
    {
        /// <summary>Whose importer the file is made for. Default: generic.</summary>
        public ExportProfile Profile { get; set; }

        /// <summary>How textures are stored. Default: what suits the profile.</summary>
        public TextureEncoding TextureFormat { get; set; }

        /// <summary>What lossy textures must keep at least, over all texels, 25 to 60 dB. Default: 40.</summary>
        public double? TexturePsnrDb { get; set; }

        /// <summary>
        /// Longest side of a texture in texels, a power of two, 64 to 8,192; larger ones are reduced.
        /// Absent: what the profile's reader takes.
        /// </summary>
        public int? MaxTextureSize { get; set; }

        /// <summary>How meshes are stored. Default: what suits the profile.</summary>
        public Compression Compression { get; set; }

        /// <summary>Also a file per LOD, with smaller textures where it is only seen from afar. Default: false.</summary>
        public bool? Split { get; set; }

        /// <summary>Which kinds of files; GLB must be among them. Empty: GLB.</summary>
        public List<FileFormat> Formats { get; } = new List<FileFormat>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ExportOptions Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ExportOptions Parse(byte[] data, int offset, int count)
        {
            var message = new ExportOptions();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Profile != 0)
            {
                writer.Integer(1, (int)Profile);
            }
            if (TextureFormat != 0)
            {
                writer.Integer(2, (int)TextureFormat);
            }
            if (TexturePsnrDb != null)
            {
                writer.Double(3, TexturePsnrDb.Value);
            }
            if (MaxTextureSize != null)
            {
                writer.Integer(4, MaxTextureSize.Value);
            }
            if (Compression != 0)
            {
                writer.Integer(5, (int)Compression);
            }
            if (Split != null)
            {
                writer.Bool(6, Split.Value);
            }
            writer.Packed(7, Formats, (packed, item) => packed.Varint((int)item));
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Profile = (ExportProfile)reader.Int32();
                        break;
                    case 16:
                        TextureFormat = (TextureEncoding)reader.Int32();
                        break;
                    case 25:
                        TexturePsnrDb = reader.Double();
                        break;
                    case 32:
                        MaxTextureSize = reader.Int32();
                        break;
                    case 40:
                        Compression = (Compression)reader.Int32();
                        break;
                    case 48:
                        Split = reader.Bool();
                        break;
                    case 56:
                        Formats.Add((FileFormat)reader.Int32());
                        break;
                    case 58:
                        reader.Packed(packed => Formats.Add((FileFormat)packed.Int32()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>
    /// A request's life. <c>last_sequence</c> and everything before it belong together: a job is always a
    /// state that really was.
    /// </summary>
    public sealed class Job : WireMessage
    {
        /// <summary>"jobs/" and an id that is never used again. Opaque. Absent with <c>validate_only</c>.</summary>
        public string Name { get; set; } = "";

        /// <summary>What was asked, with the server's <c>asset_name</c> where none was given.</summary>
        public JobSpec Spec { get; set; }

        /// <summary>Where it is.</summary>
        public JobState State { get; set; }

        /// <summary>The stages that have started, in order of their start.</summary>
        public List<StageStatus> Stages { get; } = new List<StageStatus>();

        /// <summary>How much is done in all, in [0, 1]. Never falls. An estimate.</summary>
        public double Fraction { get; set; }

        /// <summary>Time to the end once it runs. An estimate; absent while there is none.</summary>
        public Duration EstimatedRemaining { get; set; }

        /// <summary>Where the result is poorer than asked, for the artist.</summary>
        public List<JobWarning> Warnings { get; } = new List<JobWarning>();

        /// <summary>What came out. Only when SUCCEEDED.</summary>
        public JobResult Result { get; set; }

        /// <summary>What went wrong. Only when FAILED.</summary>
        public JobError Error { get; set; }

        /// <summary>Sequence of the job's latest event.</summary>
        public long LastSequence { get; set; }

        /// <summary>When the server took it.</summary>
        public Timestamp CreateTime { get; set; }

        /// <summary>When its first stage started. Absent before.</summary>
        public Timestamp StartTime { get; set; }

        /// <summary>When it ended. Absent before.</summary>
        public Timestamp EndTime { get; set; }

        /// <summary><c>Job.name</c> of the job that this one repeats. Absent for others.</summary>
        public string RetryOf { get; set; } = "";

        /// <summary>How many jobs start before this one; 0 is the next. Only while QUEUED. An estimate.</summary>
        public int? QueuePosition { get; set; }

        /// <summary>Changes with every event. For <c>DeleteJob</c>.</summary>
        public string Etag { get; set; } = "";

        /// <summary>
        /// Names the log that <c>last_sequence</c> counts in. Another one means that the server's data were
        /// replaced.
        /// </summary>
        public string LogEpoch { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Job Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Job Parse(byte[] data, int offset, int count)
        {
            var message = new Job();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Name))
            {
                writer.String(1, Name);
            }
            if (Spec != null)
            {
                writer.Message(2, Spec);
            }
            if (State != 0)
            {
                writer.Integer(3, (int)State);
            }
            foreach (StageStatus item in Stages)
            {
                writer.Message(4, item);
            }
            if (BitConverter.DoubleToInt64Bits(Fraction) != 0)
            {
                writer.Double(5, Fraction);
            }
            if (EstimatedRemaining != null)
            {
                writer.Message(6, EstimatedRemaining);
            }
            foreach (JobWarning item in Warnings)
            {
                writer.Message(7, item);
            }
            if (Result != null)
            {
                writer.Message(8, Result);
            }
            if (Error != null)
            {
                writer.Message(9, Error);
            }
            if (LastSequence != 0)
            {
                writer.Integer(10, LastSequence);
            }
            if (CreateTime != null)
            {
                writer.Message(11, CreateTime);
            }
            if (StartTime != null)
            {
                writer.Message(12, StartTime);
            }
            if (EndTime != null)
            {
                writer.Message(13, EndTime);
            }
            if (!string.IsNullOrEmpty(RetryOf))
            {
                writer.String(14, RetryOf);
            }
            if (QueuePosition != null)
            {
                writer.Integer(15, QueuePosition.Value);
            }
            if (!string.IsNullOrEmpty(Etag))
            {
                writer.String(16, Etag);
            }
            if (!string.IsNullOrEmpty(LogEpoch))
            {
                writer.String(17, LogEpoch);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Name = reader.String();
                        break;
                    case 18:
                        Spec = reader.Message(Spec ?? new JobSpec());
                        break;
                    case 24:
                        State = (JobState)reader.Int32();
                        break;
                    case 34:
                        Stages.Add(reader.Message(new StageStatus()));
                        break;
                    case 41:
                        Fraction = reader.Double();
                        break;
                    case 50:
                        EstimatedRemaining = reader.Message(EstimatedRemaining ?? new Duration());
                        break;
                    case 58:
                        Warnings.Add(reader.Message(new JobWarning()));
                        break;
                    case 66:
                        Result = reader.Message(Result ?? new JobResult());
                        break;
                    case 74:
                        Error = reader.Message(Error ?? new JobError());
                        break;
                    case 80:
                        LastSequence = reader.Int64();
                        break;
                    case 90:
                        CreateTime = reader.Message(CreateTime ?? new Timestamp());
                        break;
                    case 98:
                        StartTime = reader.Message(StartTime ?? new Timestamp());
                        break;
                    case 106:
                        EndTime = reader.Message(EndTime ?? new Timestamp());
                        break;
                    case 114:
                        RetryOf = reader.String();
                        break;
                    case 120:
                        QueuePosition = reader.Int32();
                        break;
                    case 130:
                        Etag = reader.String();
                        break;
                    case 138:
                        LogEpoch = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>How far a stage is.</summary>
    public sealed class StageStatus : WireMessage
    {
        /// <summary>Which stage.</summary>
        public StageKind Stage { get; set; }

        /// <summary>
        /// How much of it is done, in [0, 1]. Starts again with each variant of which it is a step, and
        /// when its worker was lost and it is repeated.
        /// </summary>
        public double Fraction { get; set; }

        /// <summary>When it started.</summary>
        public Timestamp StartTime { get; set; }

        /// <summary>When its fraction reached 1. Absent before.</summary>
        public Timestamp EndTime { get; set; }

        /// <summary>Its latest preview picture, a PNG. Absent when it has none.</summary>
        public Digest Preview { get; set; }

        /// <summary>Where it is.</summary>
        public StageState State { get; set; }

        /// <summary>1, and one more each time that it was begun again.</summary>
        public int Attempt { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static StageStatus Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static StageStatus Parse(byte[] data, int offset, int count)
        {
            var message = new StageStatus();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Stage != 0)
            {
                writer.Integer(1, (int)Stage);
            }
            if (BitConverter.DoubleToInt64Bits(Fraction) != 0)
            {
                writer.Double(2, Fraction);
            }
            if (StartTime != null)
            {
                writer.Message(3, StartTime);
            }
            if (EndTime != null)
            {
                writer.Message(4, EndTime);
            }
            if (Preview != null)
            {
                writer.Message(5, Preview);
            }
            if (State != 0)
            {
                writer.Integer(6, (int)State);
            }
            if (Attempt != 0)
            {
                writer.Integer(7, Attempt);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Stage = (StageKind)reader.Int32();
                        break;
                    case 17:
                        Fraction = reader.Double();
                        break;
                    case 26:
                        StartTime = reader.Message(StartTime ?? new Timestamp());
                        break;
                    case 34:
                        EndTime = reader.Message(EndTime ?? new Timestamp());
                        break;
                    case 42:
                        Preview = reader.Message(Preview ?? new Digest());
                        break;
                    case 48:
                        State = (StageState)reader.Int32();
                        break;
                    case 56:
                        Attempt = reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>The result is poorer than asked.</summary>
    public sealed class JobWarning : WireMessage
    {
        /// <summary>Which stage noticed.</summary>
        public StageKind Stage { get; set; }

        /// <summary>One sentence for the artist.</summary>
        public string Message { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobWarning Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobWarning Parse(byte[] data, int offset, int count)
        {
            var message = new JobWarning();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Stage != 0)
            {
                writer.Integer(1, (int)Stage);
            }
            if (!string.IsNullOrEmpty(Message))
            {
                writer.String(2, Message);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Stage = (StageKind)reader.Int32();
                        break;
                    case 18:
                        Message = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>What came out of a job: the facts of the report that clients need without opening the file.</summary>
    public sealed class JobResult : WireMessage
    {
        /// <summary>LOD0, LOD1, ... of the first variant. Empty when no mesh was asked for.</summary>
        public List<Lod> Lods { get; } = new List<Lod>();

        /// <summary>The files, of all variants.</summary>
        public List<Artifact> Artifacts { get; } = new List<Artifact>();

        /// <summary>The assets, one per seed. A seed that gave nothing is left out, with a warning.</summary>
        public List<Variant> Variants { get; } = new List<Variant>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobResult Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobResult Parse(byte[] data, int offset, int count)
        {
            var message = new JobResult();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            foreach (Lod item in Lods)
            {
                writer.Message(1, item);
            }
            foreach (Artifact item in Artifacts)
            {
                writer.Message(2, item);
            }
            foreach (Variant item in Variants)
            {
                writer.Message(3, item);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Lods.Add(reader.Message(new Lod()));
                        break;
                    case 18:
                        Artifacts.Add(reader.Message(new Artifact()));
                        break;
                    case 26:
                        Variants.Add(reader.Message(new Variant()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>One of the assets of a job.</summary>
    public sealed class Variant : WireMessage
    {
        /// <summary>Its seed.</summary>
        public long Seed { get; set; }

        /// <summary>LOD0, LOD1, ...</summary>
        public List<Lod> Lods { get; } = new List<Lod>();

        /// <summary>What players bump into. Absent without a mesh.</summary>
        public CollisionFit Collision { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Variant Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Variant Parse(byte[] data, int offset, int count)
        {
            var message = new Variant();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Seed != 0)
            {
                writer.Integer(1, Seed);
            }
            foreach (Lod item in Lods)
            {
                writer.Message(2, item);
            }
            if (Collision != null)
            {
                writer.Message(3, Collision);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Seed = reader.Int64();
                        break;
                    case 18:
                        Lods.Add(reader.Message(new Lod()));
                        break;
                    case 26:
                        Collision = reader.Message(Collision ?? new CollisionFit());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>What players bump into, and how well it fits.</summary>
    public sealed class CollisionFit : WireMessage
    {
        /// <summary>What the hulls are: "none", "box", "sphere", "capsule", "hull" or "decompose".</summary>
        public string Kind { get; set; } = "";

        /// <summary>How many there are.</summary>
        public int HullCount { get; set; }

        /// <summary>
        /// Volume of the hulls together over that of the body; 1 is perfect. Absent where the body has no
        /// volume.
        /// </summary>
        public double? OverCover { get; set; }

        /// <summary>How far they stand out from the body at most, metres.</summary>
        public double ProtrusionM { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CollisionFit Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static CollisionFit Parse(byte[] data, int offset, int count)
        {
            var message = new CollisionFit();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Kind))
            {
                writer.String(1, Kind);
            }
            if (HullCount != 0)
            {
                writer.Integer(2, HullCount);
            }
            if (OverCover != null)
            {
                writer.Double(3, OverCover.Value);
            }
            if (BitConverter.DoubleToInt64Bits(ProtrusionM) != 0)
            {
                writer.Double(4, ProtrusionM);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Kind = reader.String();
                        break;
                    case 16:
                        HullCount = reader.Int32();
                        break;
                    case 25:
                        OverCover = reader.Double();
                        break;
                    case 33:
                        ProtrusionM = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>One level of detail.</summary>
    public sealed class Lod : WireMessage
    {
        /// <summary>Triangles that it has; at most <c>budget</c>.</summary>
        public int TriangleCount { get; set; }

        /// <summary>Triangles that it may have. 0: it was reduced by another target.</summary>
        public int Budget { get; set; }

        /// <summary>Largest distance between it and the dense mesh, two-sided, metres.</summary>
        public double DeviationMaxM { get; set; }

        /// <summary>Mean distance, metres.</summary>
        public double DeviationMeanM { get; set; }

        /// <summary>
        /// Show this LOD while the asset covers at least this share of the view's height (and less than
        /// the LOD before). In (0, 1], falling from LOD to LOD. Below the last one cull the asset.
        /// </summary>
        public double ScreenCoverage { get; set; }

        /// <summary>Mean angle between its surface and that of the dense mesh, degrees.</summary>
        public double NormalDeviationDeg { get; set; }

        /// <summary>
        /// How far its outline lies from that of the dense mesh where it takes over from the LOD before,
        /// pixels, mean over views from all sides. 0 for LOD0 at full view.
        /// </summary>
        public double SilhouettePx { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Lod Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Lod Parse(byte[] data, int offset, int count)
        {
            var message = new Lod();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (TriangleCount != 0)
            {
                writer.Integer(1, TriangleCount);
            }
            if (Budget != 0)
            {
                writer.Integer(2, Budget);
            }
            if (BitConverter.DoubleToInt64Bits(DeviationMaxM) != 0)
            {
                writer.Double(3, DeviationMaxM);
            }
            if (BitConverter.DoubleToInt64Bits(DeviationMeanM) != 0)
            {
                writer.Double(4, DeviationMeanM);
            }
            if (BitConverter.DoubleToInt64Bits(ScreenCoverage) != 0)
            {
                writer.Double(5, ScreenCoverage);
            }
            if (BitConverter.DoubleToInt64Bits(NormalDeviationDeg) != 0)
            {
                writer.Double(6, NormalDeviationDeg);
            }
            if (BitConverter.DoubleToInt64Bits(SilhouettePx) != 0)
            {
                writer.Double(7, SilhouettePx);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        TriangleCount = reader.Int32();
                        break;
                    case 16:
                        Budget = reader.Int32();
                        break;
                    case 25:
                        DeviationMaxM = reader.Double();
                        break;
                    case 33:
                        DeviationMeanM = reader.Double();
                        break;
                    case 41:
                        ScreenCoverage = reader.Double();
                        break;
                    case 49:
                        NormalDeviationDeg = reader.Double();
                        break;
                    case 57:
                        SilhouettePx = reader.Double();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>A result file.</summary>
    public sealed class Artifact : WireMessage
    {
        /// <summary>
        /// What it is for: "model" (the GLB), "report" (JSON), "preview" (PNG), "gaussian" (3D Gaussians
        /// as PLY), "gaussian_preview" (PNG), "radiance_field" (safetensors), "radiance_field_preview"
        /// (PNG), "impostor" (PNG: normals and depth of the billboard's frames).
        /// </summary>
        public string Role { get; set; } = "";

        /// <summary>A name without folder: "barrel.glb".</summary>
        public string FileName { get; set; } = "";

        /// <summary>Its IANA media type: "model/gltf-binary".</summary>
        public string MediaType { get; set; } = "";

        /// <summary>Its bytes, for <c>ReadBlob</c>.</summary>
        public Digest Digest { get; set; }

        /// <summary>Index into <c>JobResult.variants</c>.</summary>
        public int Variant { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Artifact Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Artifact Parse(byte[] data, int offset, int count)
        {
            var message = new Artifact();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Role))
            {
                writer.String(1, Role);
            }
            if (!string.IsNullOrEmpty(FileName))
            {
                writer.String(2, FileName);
            }
            if (!string.IsNullOrEmpty(MediaType))
            {
                writer.String(3, MediaType);
            }
            if (Digest != null)
            {
                writer.Message(4, Digest);
            }
            if (Variant != 0)
            {
                writer.Integer(5, Variant);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Role = reader.String();
                        break;
                    case 18:
                        FileName = reader.String();
                        break;
                    case 26:
                        MediaType = reader.String();
                        break;
                    case 34:
                        Digest = reader.Message(Digest ?? new Digest());
                        break;
                    case 40:
                        Variant = reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Why a job failed.</summary>
    public sealed class JobError : WireMessage
    {
        /// <summary>For programs.</summary>
        public ErrorReason Reason { get; set; }

        /// <summary>For people: the value and the way out.</summary>
        public string Message { get; set; } = "";

        /// <summary>Where it happened. Unspecified when no stage had started.</summary>
        public StageKind Stage { get; set; }

        /// <summary>The variables of the message, by name.</summary>
        public Dictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

        /// <summary>True when the same spec may succeed later.</summary>
        public bool Retryable { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobError Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobError Parse(byte[] data, int offset, int count)
        {
            var message = new JobError();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Reason != 0)
            {
                writer.Integer(1, (int)Reason);
            }
            if (!string.IsNullOrEmpty(Message))
            {
                writer.String(2, Message);
            }
            if (Stage != 0)
            {
                writer.Integer(3, (int)Stage);
            }
            writer.Map(4, Metadata);
            if (Retryable)
            {
                writer.Bool(5, Retryable);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Reason = (ErrorReason)reader.Int32();
                        break;
                    case 18:
                        Message = reader.String();
                        break;
                    case 24:
                        Stage = (StageKind)reader.Int32();
                        break;
                    case 34:
                        reader.MapEntry(Metadata);
                        break;
                    case 40:
                        Retryable = reader.Bool();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>Something that happened to a job.</summary>
    public sealed class JobEvent : WireMessage
    {
        /// <summary>Which member of <c>kind</c> is set.</summary>
        public enum KindOneofCase
        {
            /// <summary>None.</summary>
            None = 0,
            /// <summary><see cref="JobEvent.Snapshot"/>.</summary>
            Snapshot = 3,
            /// <summary><see cref="JobEvent.State"/>.</summary>
            State = 4,
            /// <summary><see cref="JobEvent.Progress"/>.</summary>
            Progress = 5,
            /// <summary><see cref="JobEvent.Preview"/>.</summary>
            Preview = 6,
            /// <summary><see cref="JobEvent.Warning"/>.</summary>
            Warning = 7,
            /// <summary><see cref="JobEvent.Finished"/>.</summary>
            Finished = 8,
            /// <summary><see cref="JobEvent.Heartbeat"/>.</summary>
            Heartbeat = 9,
        }

        private object _kind;

        /// <summary>Which member of <c>kind</c> is set; a new one clears the rest.</summary>
        public KindOneofCase KindCase { get; private set; }

        /// <summary>1, 2, 3, ... per job, without gaps. A snapshot has the sequence of the latest event in it.</summary>
        public long Sequence { get; set; }

        /// <summary>When.</summary>
        public Timestamp EventTime { get; set; }

        /// <summary>The job as it is now. Only as the first event of a watch without a cursor.</summary>
        public Job Snapshot
        {
            get
            {
                return KindCase == KindOneofCase.Snapshot ? (Job)_kind : null;
            }
            set
            {
                _kind = value;
                KindCase = value == null ? KindOneofCase.None : KindOneofCase.Snapshot;
            }
        }

        /// <summary>The job moved to this state. Ends are <c>finished</c> instead.</summary>
        public JobState State
        {
            get
            {
                return KindCase == KindOneofCase.State ? (JobState)_kind : default(JobState);
            }
            set
            {
                _kind = value;
                KindCase = KindOneofCase.State;
            }
        }

        /// <summary>A stage got further.</summary>
        public StageProgress Progress
        {
            get
            {
                return KindCase == KindOneofCase.Progress ? (StageProgress)_kind : null;
            }
            set
            {
                _kind = value;
                KindCase = value == null ? KindOneofCase.None : KindOneofCase.Progress;
            }
        }

        /// <summary>A stage has a picture to show.</summary>
        public Preview Preview
        {
            get
            {
                return KindCase == KindOneofCase.Preview ? (Preview)_kind : null;
            }
            set
            {
                _kind = value;
                KindCase = value == null ? KindOneofCase.None : KindOneofCase.Preview;
            }
        }

        /// <summary>The result will be poorer than asked.</summary>
        public JobWarning Warning
        {
            get
            {
                return KindCase == KindOneofCase.Warning ? (JobWarning)_kind : null;
            }
            set
            {
                _kind = value;
                KindCase = value == null ? KindOneofCase.None : KindOneofCase.Warning;
            }
        }

        /// <summary>The job has ended. The last event.</summary>
        public Job Finished
        {
            get
            {
                return KindCase == KindOneofCase.Finished ? (Job)_kind : null;
            }
            set
            {
                _kind = value;
                KindCase = value == null ? KindOneofCase.None : KindOneofCase.Finished;
            }
        }

        /// <summary>Nothing has happened. Not in the log: its sequence is 0, and the cursor stays.</summary>
        public Heartbeat Heartbeat
        {
            get
            {
                return KindCase == KindOneofCase.Heartbeat ? (Heartbeat)_kind : null;
            }
            set
            {
                _kind = value;
                KindCase = value == null ? KindOneofCase.None : KindOneofCase.Heartbeat;
            }
        }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobEvent Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static JobEvent Parse(byte[] data, int offset, int count)
        {
            var message = new JobEvent();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Sequence != 0)
            {
                writer.Integer(1, Sequence);
            }
            if (EventTime != null)
            {
                writer.Message(2, EventTime);
            }
            if (KindCase == KindOneofCase.Snapshot)
            {
                writer.Message(3, Snapshot);
            }
            if (KindCase == KindOneofCase.State)
            {
                writer.Integer(4, (int)State);
            }
            if (KindCase == KindOneofCase.Progress)
            {
                writer.Message(5, Progress);
            }
            if (KindCase == KindOneofCase.Preview)
            {
                writer.Message(6, Preview);
            }
            if (KindCase == KindOneofCase.Warning)
            {
                writer.Message(7, Warning);
            }
            if (KindCase == KindOneofCase.Finished)
            {
                writer.Message(8, Finished);
            }
            if (KindCase == KindOneofCase.Heartbeat)
            {
                writer.Message(9, Heartbeat);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Sequence = reader.Int64();
                        break;
                    case 18:
                        EventTime = reader.Message(EventTime ?? new Timestamp());
                        break;
                    case 26:
                        Snapshot = reader.Message(Snapshot ?? new Job());
                        break;
                    case 32:
                        State = (JobState)reader.Int32();
                        break;
                    case 42:
                        Progress = reader.Message(Progress ?? new StageProgress());
                        break;
                    case 50:
                        Preview = reader.Message(Preview ?? new Preview());
                        break;
                    case 58:
                        Warning = reader.Message(Warning ?? new JobWarning());
                        break;
                    case 66:
                        Finished = reader.Message(Finished ?? new Job());
                        break;
                    case 74:
                        Heartbeat = reader.Message(Heartbeat ?? new Heartbeat());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>The stream is alive.</summary>
    public sealed class Heartbeat : WireMessage
    {
        /// <summary><c>Job.queue_position</c>. Only while QUEUED.</summary>
        public int? QueuePosition { get; set; }

        /// <summary>Time to the job's end. An estimate; absent while there is none.</summary>
        public Duration EstimatedRemaining { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Heartbeat Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Heartbeat Parse(byte[] data, int offset, int count)
        {
            var message = new Heartbeat();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (QueuePosition != null)
            {
                writer.Integer(1, QueuePosition.Value);
            }
            if (EstimatedRemaining != null)
            {
                writer.Message(2, EstimatedRemaining);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        QueuePosition = reader.Int32();
                        break;
                    case 18:
                        EstimatedRemaining = reader.Message(EstimatedRemaining ?? new Duration());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>A stage got further. At most about ten a second; starts and ends of stages are never left out.</summary>
    public sealed class StageProgress : WireMessage
    {
        /// <summary>Which stage.</summary>
        public StageKind Stage { get; set; }

        /// <summary>How much of the stage is done, in [0, 1].</summary>
        public double Fraction { get; set; }

        /// <summary>How much of the job is done, in [0, 1]. Never falls.</summary>
        public double JobFraction { get; set; }

        /// <summary>Time to the job's end. An estimate; absent while there is none.</summary>
        public Duration EstimatedRemaining { get; set; }

        /// <summary>Where the stage is.</summary>
        public StageState State { get; set; }

        /// <summary>1, and one more each time that the stage was begun again.</summary>
        public int Attempt { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static StageProgress Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static StageProgress Parse(byte[] data, int offset, int count)
        {
            var message = new StageProgress();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Stage != 0)
            {
                writer.Integer(1, (int)Stage);
            }
            if (BitConverter.DoubleToInt64Bits(Fraction) != 0)
            {
                writer.Double(2, Fraction);
            }
            if (BitConverter.DoubleToInt64Bits(JobFraction) != 0)
            {
                writer.Double(3, JobFraction);
            }
            if (EstimatedRemaining != null)
            {
                writer.Message(4, EstimatedRemaining);
            }
            if (State != 0)
            {
                writer.Integer(5, (int)State);
            }
            if (Attempt != 0)
            {
                writer.Integer(6, Attempt);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Stage = (StageKind)reader.Int32();
                        break;
                    case 17:
                        Fraction = reader.Double();
                        break;
                    case 25:
                        JobFraction = reader.Double();
                        break;
                    case 34:
                        EstimatedRemaining = reader.Message(EstimatedRemaining ?? new Duration());
                        break;
                    case 40:
                        State = (StageState)reader.Int32();
                        break;
                    case 48:
                        Attempt = reader.Int32();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>A stage has a picture to show.</summary>
    public sealed class Preview : WireMessage
    {
        /// <summary>Which stage.</summary>
        public StageKind Stage { get; set; }

        /// <summary>A PNG, for <c>ReadBlob</c>.</summary>
        public Digest Image { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Preview Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static Preview Parse(byte[] data, int offset, int count)
        {
            var message = new Preview();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Stage != 0)
            {
                writer.Integer(1, (int)Stage);
            }
            if (Image != null)
            {
                writer.Message(2, Image);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Stage = (StageKind)reader.Int32();
                        break;
                    case 18:
                        Image = reader.Message(Image ?? new Digest());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>As &lt;c&gt;google.protobuf.Any&lt;/c&gt;.</summary>
    public sealed class AnyMessage : WireMessage
    {
        /// <summary></summary>
        public string TypeUrl { get; set; } = "";

        /// <summary></summary>
        public byte[] Value { get; set; } = Array.Empty<byte>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static AnyMessage Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static AnyMessage Parse(byte[] data, int offset, int count)
        {
            var message = new AnyMessage();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(TypeUrl))
            {
                writer.String(1, TypeUrl);
            }
            if (Value != null && Value.Length > 0)
            {
                writer.Bytes(2, Value);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        TypeUrl = reader.String();
                        break;
                    case 18:
                        Value = reader.Bytes();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>As &lt;c&gt;google.rpc.Status&lt;/c&gt;.</summary>
    public sealed class RpcStatus : WireMessage
    {
        /// <summary></summary>
        public int Code { get; set; }

        /// <summary></summary>
        public string Message { get; set; } = "";

        /// <summary></summary>
        public List<AnyMessage> Details { get; } = new List<AnyMessage>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RpcStatus Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RpcStatus Parse(byte[] data, int offset, int count)
        {
            var message = new RpcStatus();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (Code != 0)
            {
                writer.Integer(1, Code);
            }
            if (!string.IsNullOrEmpty(Message))
            {
                writer.String(2, Message);
            }
            foreach (AnyMessage item in Details)
            {
                writer.Message(3, item);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 8:
                        Code = reader.Int32();
                        break;
                    case 18:
                        Message = reader.String();
                        break;
                    case 26:
                        Details.Add(reader.Message(new AnyMessage()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>As &lt;c&gt;google.rpc.ErrorInfo&lt;/c&gt;.</summary>
    public sealed class ErrorInfo : WireMessage
    {
        /// <summary></summary>
        public string Reason { get; set; } = "";

        /// <summary></summary>
        public string Domain { get; set; } = "";

        /// <summary></summary>
        public Dictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ErrorInfo Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static ErrorInfo Parse(byte[] data, int offset, int count)
        {
            var message = new ErrorInfo();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Reason))
            {
                writer.String(1, Reason);
            }
            if (!string.IsNullOrEmpty(Domain))
            {
                writer.String(2, Domain);
            }
            writer.Map(3, Metadata);
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Reason = reader.String();
                        break;
                    case 18:
                        Domain = reader.String();
                        break;
                    case 26:
                        reader.MapEntry(Metadata);
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>As &lt;c&gt;google.rpc.RetryInfo&lt;/c&gt;.</summary>
    public sealed class RetryInfo : WireMessage
    {
        /// <summary></summary>
        public Duration RetryDelay { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RetryInfo Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static RetryInfo Parse(byte[] data, int offset, int count)
        {
            var message = new RetryInfo();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (RetryDelay != null)
            {
                writer.Message(1, RetryDelay);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        RetryDelay = reader.Message(RetryDelay ?? new Duration());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>As &lt;c&gt;google.rpc.BadRequest&lt;/c&gt;.</summary>
    public sealed class BadRequest : WireMessage
    {
        /// <summary></summary>
        public List<FieldViolation> FieldViolations { get; } = new List<FieldViolation>();

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static BadRequest Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static BadRequest Parse(byte[] data, int offset, int count)
        {
            var message = new BadRequest();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            foreach (FieldViolation item in FieldViolations)
            {
                writer.Message(1, item);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        FieldViolations.Add(reader.Message(new FieldViolation()));
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>As &lt;c&gt;google.rpc.BadRequest.FieldViolation&lt;/c&gt;.</summary>
    public sealed class FieldViolation : WireMessage
    {
        /// <summary></summary>
        public string Field { get; set; } = "";

        /// <summary></summary>
        public string Description { get; set; } = "";

        /// <summary></summary>
        public string Reason { get; set; } = "";

        /// <summary></summary>
        public LocalizedMessage LocalizedMessage { get; set; }

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static FieldViolation Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static FieldViolation Parse(byte[] data, int offset, int count)
        {
            var message = new FieldViolation();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Field))
            {
                writer.String(1, Field);
            }
            if (!string.IsNullOrEmpty(Description))
            {
                writer.String(2, Description);
            }
            if (!string.IsNullOrEmpty(Reason))
            {
                writer.String(3, Reason);
            }
            if (LocalizedMessage != null)
            {
                writer.Message(4, LocalizedMessage);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Field = reader.String();
                        break;
                    case 18:
                        Description = reader.String();
                        break;
                    case 26:
                        Reason = reader.String();
                        break;
                    case 34:
                        LocalizedMessage = reader.Message(LocalizedMessage ?? new LocalizedMessage());
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }

    /// <summary>As &lt;c&gt;google.rpc.LocalizedMessage&lt;/c&gt;.</summary>
    public sealed class LocalizedMessage : WireMessage
    {
        /// <summary></summary>
        public string Locale { get; set; } = "";

        /// <summary></summary>
        public string Message { get; set; } = "";

        /// <summary>Reads a message.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static LocalizedMessage Parse(byte[] data)
        {
            return Parse(data, 0, data.Length);
        }

        /// <summary>Reads a message that is a part of some bytes.</summary>
        /// <exception cref="System.IO.InvalidDataException">The bytes are none.</exception>
        public static LocalizedMessage Parse(byte[] data, int offset, int count)
        {
            var message = new LocalizedMessage();
            message.Read(new WireReader(data, offset, count));
            return message;
        }

        internal override void Write(WireWriter writer)
        {
            if (!string.IsNullOrEmpty(Locale))
            {
                writer.String(1, Locale);
            }
            if (!string.IsNullOrEmpty(Message))
            {
                writer.String(2, Message);
            }
        }

        internal override void Read(WireReader reader)
        {
            uint tag;
            while ((tag = reader.NextTag()) != 0)
            {
                switch (tag)
                {
                    case 10:
                        Locale = reader.String();
                        break;
                    case 18:
                        Message = reader.String();
                        break;
                    default:
                        reader.Skip(tag);
                        break;
                }
            }
        }
    }
}
