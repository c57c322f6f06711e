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
        private readonly ServerConnection _server;
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
            _server = new ServerConnection(server, token, options ?? new ClientOptions());
            _channel = new GrpcWebChannel(_server);
        }

        /// <summary>
        /// Follows a job across cut connections and restarts of the server, and returns when it has ended.
        /// Each event comes once and in order. Heartbeats come too; their sequence is 0. A log that the
        /// cursor is not of, because the server's data were replaced, is followed anew from a snapshot.
        /// </summary>
        /// <param name="name"><see cref="Job.Name"/>.</param>
        /// <param name="afterSequence">The last sequence already seen. 0: begin with a snapshot.</param>
        /// <param name="logEpoch"><see cref="Job.LogEpoch"/> of the cursor. Null or empty: not compared.</param>
        /// <param name="onEvent">Hears of each event before the next one is read. What it throws ends this.</param>
        /// <param name="cancellationToken">Ends following. The job goes on.</param>
        /// <exception cref="LodsmithException">
        /// The server refused, or could not be reached for <see cref="ClientOptions.Patience"/>.
        /// </exception>
        public Task FollowJobAsync(
            string name,
            long afterSequence,
            string logEpoch,
            Action<JobEvent> onEvent,
            CancellationToken cancellationToken)
        {
            return Task.Run(
                async () =>
                {
                    using (var follower = new JobFollower(
                        _channel, _server.Options, name, afterSequence, logEpoch))
                    {
                        await follower.RunAsync(onEvent, cancellationToken).ConfigureAwait(false);
                    }
                },
                cancellationToken);
        }

        /// <summary>
        /// Sends a file, or what the server lacks of it, across cut connections. Nothing is sent if the
        /// server has it already.
        /// </summary>
        /// <param name="path">The file. Nobody may write to it meanwhile.</param>
        /// <param name="onProgress">Hears how many bytes the server has, and of how many. May be null.</param>
        /// <param name="cancellationToken">Ends the upload; what has arrived is forgotten in time.</param>
        /// <returns>What names the bytes in a <see cref="JobSpec"/>.</returns>
        /// <exception cref="System.IO.IOException">The file cannot be read.</exception>
        /// <exception cref="LodsmithException">As for <see cref="FollowJobAsync"/>.</exception>
        public Task<Digest> UploadAsync(
            string path, Action<long, long> onProgress, CancellationToken cancellationToken)
        {
            return Task.Run(
                () => new BlobUpload(this, _server.Options, path, onProgress).RunAsync(cancellationToken),
                cancellationToken);
        }

        /// <summary>
        /// Fetches a blob into a file across cut connections. The bytes go to <c>path + ".part"</c>, which
        /// becomes the file, or takes its place, once it is whole and hashes to the digest. It stays after
        /// a failure, and the next download goes on from there.
        /// </summary>
        /// <param name="digest">The blob; its size is needed too.</param>
        /// <param name="path">The file, in a folder that exists.</param>
        /// <param name="onProgress">Hears how many bytes are there, and of how many. May be null.</param>
        /// <param name="cancellationToken">Ends the download.</param>
        /// <exception cref="System.IO.IOException">The file cannot be written, or the disk is full.</exception>
        /// <exception cref="LodsmithException">
        /// As for <see cref="FollowJobAsync"/>, or the bytes are not those of the digest.
        /// </exception>
        public Task DownloadAsync(
            Digest digest, string path, Action<long, long> onProgress, CancellationToken cancellationToken)
        {
            return Task.Run(
                async () =>
                {
                    using (var download = new BlobDownload(_server, digest, path, onProgress))
                    {
                        await download.RunAsync(cancellationToken).ConfigureAwait(false);
                    }
                },
                cancellationToken);
        }

        /// <summary>Ends what still runs, with an <see cref="ObjectDisposedException"/>.</summary>
        public void Dispose() => _server.Dispose();
    }
}
