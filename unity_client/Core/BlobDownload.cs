using System;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Threading;
using System.Threading.Tasks;
using Lodsmith.V1;

namespace Lodsmith
{
    /// <summary>
    /// Fetches one blob into a file beside the wanted one, from where an earlier try was cut, and
    /// renames it when all of it is there and right.
    /// </summary>
    internal sealed class BlobDownload : IDisposable
    {
        private const int BufferBytes = 128 * 1024;

        private readonly ServerConnection _server;
        private readonly BackOff _backOff;
        private readonly Digest _digest;
        private readonly string _path;
        private readonly string _partPath;
        private readonly Action<long, long> _onProgress;
        private readonly SHA256 _sha = SHA256.Create();
        private long _offset;
        private long _furthest;

        internal BlobDownload(
            ServerConnection server, Digest digest, string path, Action<long, long> onProgress)
        {
            if (digest.Sha256.Length != 32 || digest.SizeBytes < 0)
            {
                throw new ArgumentException(
                    $"a digest has 32 bytes and a size, got {digest.Sha256.Length} and {digest.SizeBytes}",
                    nameof(digest));
            }
            _server = server;
            _backOff = new BackOff(server.Options);
            _digest = digest;
            _path = path;
            _partPath = path + ".part";
            _onProgress = onProgress;
        }

        private string Hex => BitConverter.ToString(_digest.Sha256).Replace("-", "").ToLowerInvariant();

        internal async Task RunAsync(CancellationToken cancellationToken)
        {
            try
            {
                using (var part = new FileStream(
                    _partPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None))
                {
                    await FillAsync(part, cancellationToken).ConfigureAwait(false);
                }
                if (File.Exists(_path))
                {
                    File.Replace(_partPath, _path, null);
                }
                else
                {
                    File.Move(_partPath, _path);
                }
            }
            catch (Exception error) when (error is IOException || error is UnauthorizedAccessException)
            {
                throw new IOException($"cannot write {_path}: {error.Message}", error);
            }
        }

        public void Dispose() => _sha.Dispose();

        private async Task FillAsync(FileStream part, CancellationToken cancellationToken)
        {
            await HashWhatIsThereAsync(part, cancellationToken).ConfigureAwait(false);
            bool mayBeOfAnother = _offset > 0;
            while (true)
            {
                if (_offset < _digest.SizeBytes)
                {
                    await _backOff.RunAsync(
                        () => FetchAsync(part, cancellationToken), cancellationToken).ConfigureAwait(false);
                }
                _sha.TransformFinalBlock(new byte[0], 0, 0);
                if (_sha.Hash.SequenceEqual(_digest.Sha256))
                {
                    part.Flush();
                    return;
                }
                StartAgain(part);
                if (!mayBeOfAnother)
                {
                    part.Dispose();
                    File.Delete(_partPath);
                    throw new LodsmithException(
                        StatusCode.DataLoss,
                        $"what arrived for {Path.GetFileName(_path)} does not hash to {Hex}; run its job again",
                        "BLOB_DAMAGED");
                }
                mayBeOfAnother = false; // the part that lay there was
            }
        }

        private async Task HashWhatIsThereAsync(FileStream part, CancellationToken cancellationToken)
        {
            if (part.Length > _digest.SizeBytes)
            {
                StartAgain(part);
            }
            var buffer = new byte[BufferBytes];
            int read;
            while ((read = await part.ReadAsync(buffer, 0, BufferBytes, cancellationToken)
                .ConfigureAwait(false)) > 0)
            {
                _sha.TransformBlock(buffer, 0, read, null, 0);
                _offset += read;
            }
        }

        /// <summary>Fetches from where the file ends, in one request.</summary>
        private async Task FetchAsync(FileStream part, CancellationToken cancellationToken)
        {
            using (Exchange exchange = await _server
                .SendAsync(
                    HttpMethod.Get,
                    "/v1/blobs/sha256/" + Hex,
                    AskForTheRest,
                    ExchangeLimit.Silence,
                    cancellationToken)
                .ConfigureAwait(false))
            {
                if (exchange.Response.StatusCode != HttpStatusCode.PartialContent && _offset > 0)
                {
                    StartAgain(part); // somebody in between does not know ranges
                }
                CheckPlace(exchange.Response.Content.Headers);
                var buffer = new byte[BufferBytes];
                int read;
                while ((read = await exchange.ReadAsync(buffer, 0, BufferBytes).ConfigureAwait(false)) > 0)
                {
                    if (_offset + read > _digest.SizeBytes)
                    {
                        throw WrongSize("more");
                    }
                    part.Write(buffer, 0, read); // on the pool; Mono's WriteAsync garbles a full disk's error
                    _sha.TransformBlock(buffer, 0, read, null, 0);
                    _offset += read;
                    if (_offset > _furthest) // not whoever sends the beginning again and again
                    {
                        _furthest = _offset;
                        _backOff.Restore();
                    }
                    _onProgress?.Invoke(_offset, _digest.SizeBytes);
                }
                if (_offset < _digest.SizeBytes)
                {
                    throw exchange.Cut();
                }
            }
        }

        private void AskForTheRest(HttpRequestMessage request)
        {
            if (_offset > 0)
            {
                request.Headers.Range = new RangeHeaderValue(_offset, null);
            }
        }

        /// <summary>Holds the head of an answer against what is wanted, before it costs any disk.</summary>
        private void CheckPlace(HttpContentHeaders headers)
        {
            if (headers.ContentRange != null && headers.ContentRange.From != _offset)
            {
                throw new LodsmithException(
                    StatusCode.Internal, $"the server sent {headers.ContentRange} when asked for {_offset}-");
            }
            if (headers.ContentLength != null && headers.ContentLength != _digest.SizeBytes - _offset)
            {
                throw WrongSize((_offset + headers.ContentLength.Value).ToString("N0"));
            }
        }

        private LodsmithException WrongSize(string found)
        {
            return new LodsmithException(
                StatusCode.DataLoss,
                $"blob {Hex} should have {_digest.SizeBytes:N0} bytes, the server has {found}");
        }

        private void StartAgain(FileStream part)
        {
            part.SetLength(0);
            _sha.Initialize();
            _offset = 0;
        }
    }
}
