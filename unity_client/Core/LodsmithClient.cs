using System;
using System.Threading;
using System.Threading.Tasks;
using Lodsmith.V1;

namespace Lodsmith
{
    /// <summary>
    /// A Lodsmith server, seen by a client. Nothing here blocks, all may be called from any thread, and
    /// callbacks come on any thread. Calls that are cancelled end in an
    /// <see cref="OperationCanceledException"/>.
    /// </summary>
    public sealed partial class LodsmithClient : IDisposable
    {
        private readonly GrpcWebChannel _channel;

        /// <summary>Prepares a client. Nothing is sent before the first call.</summary>
        /// <param name="server">Address of the server's HTTP port: <c>http://127.0.0.1:50052</c>.</param>
        /// <param name="token">Goes with every call. Null or empty: none.</param>
        /// <param name="options">How patient the client is. Null: as by default.</param>
        /// <exception cref="ArgumentException">
        /// The address is none, or the token would leave this machine unencrypted.
        /// </exception>
        public LodsmithClient(Uri server, string token, ClientOptions options = null)
        {
            _channel = new GrpcWebChannel(server, token, options ?? new ClientOptions());
        }

        /// <summary>Follows a job to its end, across cuts and restarts of the server.</summary>
        public Task FollowJobAsync(
            string name,
            long afterSequence,
            string logEpoch,
            Action<JobEvent> onEvent,
            CancellationToken cancellationToken)
        {
            throw new NotImplementedException();
        }

        /// <summary>Sends a file, or what the server lacks of it.</summary>
        public Task<Digest> UploadAsync(
            string path, Action<long, long> onProgress, CancellationToken cancellationToken)
        {
            throw new NotImplementedException();
        }

        /// <summary>Fetches a blob into a file, which is there when all of it has arrived.</summary>
        public Task DownloadAsync(
            Digest digest, string path, Action<long, long> onProgress, CancellationToken cancellationToken)
        {
            throw new NotImplementedException();
        }

        /// <summary>Ends what still runs.</summary>
        public void Dispose()
        {
            _channel.Dispose();
        }
    }
}
