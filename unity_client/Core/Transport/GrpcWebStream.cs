using System;
using System.IO;
using System.Threading.Tasks;

namespace Lodsmith
{
    /// <summary>
    /// The messages of one answer: frames of a flag byte, a length of four bytes (big-endian) and the
    /// bytes. The last frame holds the trailers; an answer that ends without them was cut.
    /// </summary>
    internal sealed class GrpcWebStream : IDisposable
    {
        internal const int HeadBytes = 5;

        private const int MessageFlags = 0x00;
        private const int TrailersFlags = 0x80;
        private const int MaxTrailersBytes = 64 * 1024;

        private readonly Exchange _exchange;
        private readonly long _maxMessageBytes;

        internal GrpcWebStream(Exchange exchange, long maxMessageBytes)
        {
            _exchange = exchange;
            _maxMessageBytes = Math.Min(maxMessageBytes, int.MaxValue); // as long as an array may be
        }

        internal static LodsmithException Broken(string why, Exception cause = null) =>
            new LodsmithException(
                StatusCode.Internal,
                $"the server's answer is broken: {why}; are client and server of the same version?",
                cause: cause);

        internal static void WriteHead(byte[] frame, int length)
        {
            frame[0] = MessageFlags;
            frame[1] = (byte)(length >> 24);
            frame[2] = (byte)(length >> 16);
            frame[3] = (byte)(length >> 8);
            frame[4] = (byte)length;
        }

        /// <summary>Returns the next message; null once the call has ended well.</summary>
        internal async Task<T> NextAsync<T>(Func<byte[], T> parse)
            where T : WireMessage
        {
            byte[] head = await ReadAsync(HeadBytes).ConfigureAwait(false);
            uint length = ((uint)head[1] << 24) | ((uint)head[2] << 16) | ((uint)head[3] << 8) | head[4];
            bool isMessage = head[0] == MessageFlags;
            if (!isMessage && head[0] != TrailersFlags) // a compressed frame, too: nobody asked for it
            {
                throw Broken($"a frame has the flags 0x{head[0]:X2}");
            }
            long limit = isMessage ? _maxMessageBytes : MaxTrailersBytes;
            if (length > limit)
            {
                throw new LodsmithException(
                    StatusCode.ResourceExhausted,
                    $"a message of the server has {length:N0} bytes, at most {limit:N0} are taken");
            }
            byte[] content = await ReadAsync((int)length).ConfigureAwait(false);
            if (!isMessage)
            {
                Trailers.ThrowUnlessOk(content);
                return null;
            }
            try
            {
                return parse(content);
            }
            catch (InvalidDataException error)
            {
                throw Broken(error.Message, error);
            }
        }

        public void Dispose() => _exchange.Dispose();

        private async Task<byte[]> ReadAsync(int count)
        {
            var bytes = new byte[count];
            int done = 0;
            while (done < count)
            {
                int read = await _exchange.ReadAsync(bytes, done, count - done).ConfigureAwait(false);
                if (read == 0)
                {
                    throw _exchange.Cut();
                }
                done += read;
            }
            return bytes;
        }
    }
}
