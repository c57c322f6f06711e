using System;
using System.IO;
using System.Security.Cryptography;
using System.Threading;
using System.Threading.Tasks;
using Lodsmith.V1;

namespace Lodsmith
{
    /// <summary>Sends one file in chunks, and goes on after a cut with what the server lacks.</summary>
    internal sealed class BlobUpload
    {
        /// <summary>A quarter of what a server takes: a chunk must get through a slow line in time.</summary>
        private const int ChunkBytes = 256 * 1024;

        private readonly LodsmithClient _client;
        private readonly BackOff _backOff;
        private readonly string _path;
        private readonly Action<long, long> _onProgress;
        private readonly string _uploadId = Guid.NewGuid().ToString("N");

        internal BlobUpload(
            LodsmithClient client, ClientOptions options, string path, Action<long, long> onProgress)
        {
            _client = client;
            _backOff = new BackOff(options);
            _path = path;
            _onProgress = onProgress;
        }

        internal async Task<Digest> RunAsync(CancellationToken cancellationToken)
        {
            // Nobody may write to it meanwhile: what is sent must be what was hashed.
            using (var file = new FileStream(
                _path, FileMode.Open, FileAccess.Read, FileShare.Read, ChunkBytes, true))
            {
                Digest digest = await DigestOfAsync(file, cancellationToken).ConfigureAwait(false);
                await _backOff.RunAsync(
                    () => SendAsync(file, digest, cancellationToken), cancellationToken).ConfigureAwait(false);
                return digest;
            }
        }

        private static async Task<Digest> DigestOfAsync(FileStream file, CancellationToken cancellationToken)
        {
            using (SHA256 sha = SHA256.Create())
            {
                var buffer = new byte[ChunkBytes];
                int read;
                while ((read = await file.ReadAsync(buffer, 0, buffer.Length, cancellationToken)
                    .ConfigureAwait(false)) > 0)
                {
                    sha.TransformBlock(buffer, 0, read, null, 0);
                }
                sha.TransformFinalBlock(buffer, 0, 0);
                return new Digest { Sha256 = sha.Hash, SizeBytes = file.Position };
            }
        }

        /// <summary>Sends from where the server is to the end.</summary>
        private async Task SendAsync(FileStream file, Digest digest, CancellationToken cancellationToken)
        {
            var query = new QueryBlobWriteRequest { UploadId = _uploadId, Digest = digest };
            QueryBlobWriteResponse known =
                await _client.QueryBlobWriteAsync(query, cancellationToken).ConfigureAwait(false);
            long offset = known.CommittedSize;
            bool isComplete = known.Complete;
            while (!isComplete)
            {
                var chunk = new WriteBlobChunkRequest
                {
                    UploadId = _uploadId,
                    Digest = digest,
                    Offset = offset,
                    Data = await ChunkAsync(file, digest, offset, cancellationToken).ConfigureAwait(false),
                };
                WriteBlobChunkResponse taken =
                    await _client.WriteBlobChunkAsync(chunk, cancellationToken).ConfigureAwait(false);
                if (taken.CommittedSize <= offset && !taken.Complete)
                {
                    throw new LodsmithException(
                        StatusCode.Internal, $"the server does not take the bytes of {_path} at {offset:N0}");
                }
                offset = taken.CommittedSize;
                isComplete = taken.Complete;
                _backOff.Restore();
                _onProgress?.Invoke(offset, digest.SizeBytes);
            }
            if (known.Complete)
            {
                _onProgress?.Invoke(digest.SizeBytes, digest.SizeBytes);
            }
        }

        private static async Task<byte[]> ChunkAsync(
            FileStream file, Digest digest, long offset, CancellationToken cancellationToken)
        {
            if (offset < 0 || offset > digest.SizeBytes)
            {
                throw new LodsmithException(
                    StatusCode.Internal,
                    $"the server asks for the bytes at {offset:N0} of {digest.SizeBytes:N0}");
            }
            var chunk = new byte[Math.Min(ChunkBytes, digest.SizeBytes - offset)];
            file.Position = offset;
            int done = 0;
            while (done < chunk.Length)
            {
                int read = await file.ReadAsync(chunk, done, chunk.Length - done, cancellationToken)
                    .ConfigureAwait(false);
                if (read == 0)
                {
                    throw new IOException($"{file.Name} became shorter while it was sent; try again");
                }
                done += read;
            }
            return chunk;
        }
    }
}
