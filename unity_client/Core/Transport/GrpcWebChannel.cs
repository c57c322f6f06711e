using System;
using System.Threading;
using System.Threading.Tasks;

namespace Lodsmith
{
    internal sealed class GrpcWebChannel : IDisposable
    {
        internal GrpcWebChannel(Uri server, string token, ClientOptions options)
        {
        }

        internal Task<TResponse> CallAsync<TResponse>(
            string path, WireMessage request, Func<byte[], TResponse> parse, CancellationToken cancellationToken)
        {
            throw new NotImplementedException();
        }

        public void Dispose()
        {
        }
    }
}
