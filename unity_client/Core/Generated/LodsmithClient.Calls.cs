// Generated from protos/lodsmith/v1/lodsmith.proto by `make protos`. Do not edit.

using System.Threading;
using System.Threading.Tasks;
using Lodsmith.V1;

namespace Lodsmith
{
    public sealed partial class LodsmithClient
    {
        /// <summary>
        /// Creates a job and returns without waiting for any of its work.
        ///
        /// When this returns, the job survives a crash of the server. Safe to repeat with the same
        /// <c>request_id</c>: the answer is the first call's job as it is now.
        ///
        /// Errors:
        ///   INVALID_ARGUMENT     a field is wrong; the BadRequest names it
        ///   FAILED_PRECONDITION  BLOB_MISSING: upload the picture or mesh, then repeat
        ///                        MODEL_UNAVAILABLE: this server has no model for prompts and pictures
        ///                        SURFACE_MISSING: the job to export again has no dense surface
        ///   NOT_FOUND            JOB_NOT_FOUND: the job to export again is not there
        ///   ALREADY_EXISTS       REQUEST_ID_REUSED: the id belongs to a job with another spec
        ///   RESOURCE_EXHAUSTED   QUEUE_FULL, DISK_FULL or QUOTA_EXCEEDED: repeat after the RetryInfo's
        ///                        delay
        ///   UNAVAILABLE          DRAINING: the server is shutting down; repeat after it is back
        /// </summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<CreateJobResponse> CreateJobAsync(
            CreateJobRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.JobService/CreateJob", request, CreateJobResponse.Parse, cancellationToken);
        }

        /// <summary>Returns a job as it is now. Errors: NOT_FOUND with JOB_NOT_FOUND.</summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<GetJobResponse> GetJobAsync(
            GetJobRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.JobService/GetJob", request, GetJobResponse.Parse, cancellationToken);
        }

        /// <summary>
        /// Lists jobs, newest first, page by page. Errors: INVALID_ARGUMENT for a page token that this
        /// server did not make.
        /// </summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<ListJobsResponse> ListJobsAsync(
            ListJobsRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.JobService/ListJobs", request, ListJobsResponse.Parse, cancellationToken);
        }

        /// <summary>
        /// Returns a job's next events: <c>WatchJob</c> for clients and proxies without streams.
        ///
        /// With <c>wait</c> the call is held back until there is an event, up to that long.
        ///
        /// Errors:
        ///   NOT_FOUND            JOB_NOT_FOUND
        ///   FAILED_PRECONDITION  LOG_EPOCH_CHANGED, as for <c>WatchJob</c>
        ///   OUT_OF_RANGE         EVENTS_COMPACTED: metadata <c>oldest_sequence</c> is the oldest that is kept;
        ///                        take a snapshot with <c>GetJob</c> and go on after its <c>last_sequence</c>
        /// </summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<ListJobEventsResponse> ListJobEventsAsync(
            ListJobEventsRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.JobService/ListJobEvents", request, ListJobEventsResponse.Parse, cancellationToken);
        }

        /// <summary>
        /// Asks a job to stop and returns at once.
        ///
        /// A queued job ends immediately. A running one becomes CANCELLING and ends within a sampler step
        /// or 250 ms of mesh work. A job that has ended stays as it is; repeating is harmless.
        /// Errors: NOT_FOUND with JOB_NOT_FOUND.
        /// </summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<CancelJobResponse> CancelJobAsync(
            CancelJobRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.JobService/CancelJob", request, CancelJobResponse.Parse, cancellationToken);
        }

        /// <summary>
        /// Creates a new job with the spec of one that has ended. Stages whose results are kept are
        /// REUSED, from <c>from_stage</c> on all run again.
        ///
        /// Safe to repeat with the same <c>request_id</c>. Errors: as for <c>CreateJob</c>, and
        ///   FAILED_PRECONDITION  JOB_NOT_FINISHED: cancel it first, or wait for its end
        /// </summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<RetryJobResponse> RetryJobAsync(
            RetryJobRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.JobService/RetryJob", request, RetryJobResponse.Parse, cancellationToken);
        }

        /// <summary>
        /// Forgets a job that has ended, its log, and what no other job needs: results, kept results of its
        /// stages, inputs. None of it counts against the project's quota any more. The bytes themselves are
        /// deleted later.
        ///
        /// Errors:
        ///   NOT_FOUND            JOB_NOT_FOUND: perhaps already deleted
        ///   FAILED_PRECONDITION  JOB_NOT_FINISHED: cancel it first
        ///   ABORTED              ETAG_MISMATCH: the job is not the one that the etag is of
        /// </summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<DeleteJobResponse> DeleteJobAsync(
            DeleteJobRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.JobService/DeleteJob", request, DeleteJobResponse.Parse, cancellationToken);
        }

        /// <summary>Tells which of some blobs must be uploaded before a job can use them.</summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<FindMissingBlobsResponse> FindMissingBlobsAsync(
            FindMissingBlobsRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.BlobService/FindMissingBlobs", request, FindMissingBlobsResponse.Parse, cancellationToken);
        }

        /// <summary>
        /// One chunk of an upload as a call of its own: <c>WriteBlob</c> for clients without request streams.
        /// Safe to repeat: a chunk that has arrived already is not written again. Errors: as <c>WriteBlob</c>.
        /// </summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<WriteBlobChunkResponse> WriteBlobChunkAsync(
            WriteBlobChunkRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.BlobService/WriteBlobChunk", request, WriteBlobChunkResponse.Parse, cancellationToken);
        }

        /// <summary>
        /// Tells how much of an upload the server has. Call it before <c>WriteBlob</c>: a blob that is there
        /// already is complete and need not be sent.
        /// </summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<QueryBlobWriteResponse> QueryBlobWriteAsync(
            QueryBlobWriteRequest request, CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.BlobService/QueryBlobWrite", request, QueryBlobWriteResponse.Parse, cancellationToken);
        }

        /// <summary>Returns version, workers, models and limits.</summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<GetServerInfoResponse> GetServerInfoAsync(
            CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.CatalogService/GetServerInfo", new GetServerInfoRequest(), GetServerInfoResponse.Parse, cancellationToken);
        }

        /// <summary>Returns the ways to an asset that this server offers, with their stages.</summary>
        /// <exception cref="LodsmithException">The call failed.</exception>
        public Task<ListPipelinesResponse> ListPipelinesAsync(
            CancellationToken cancellationToken)
        {
            return _channel.CallAsync(
                "/lodsmith.v1.CatalogService/ListPipelines", new ListPipelinesRequest(), ListPipelinesResponse.Parse, cancellationToken);
        }
    }
}
