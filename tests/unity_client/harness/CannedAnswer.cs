using System;
using System.IO;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;

namespace Lodsmith.Harness
{
    /// <summary>Answers every request with the same response, without a network.</summary>
    internal sealed class CannedAnswer : HttpMessageHandler
    {
        private readonly HttpResponseMessage _answer;

        internal CannedAnswer(HttpResponseMessage answer)
        {
            _answer = answer;
        }

        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request, CancellationToken cancellationToken)
        {
            return Task.FromResult(_answer);
        }
    }

    /// <summary>Bytes that come in slices of at most so many, as from a network.</summary>
    internal sealed class SlicedStream : MemoryStream
    {
        private readonly int _slice;

        internal SlicedStream(byte[] bytes, int slice)
            : base(bytes)
        {
            _slice = slice;
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            return base.Read(buffer, offset, Math.Min(count, _slice));
        }

        public override Task<int> ReadAsync(
            byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        {
            return Task.FromResult(Read(buffer, offset, count));
        }
    }
}
