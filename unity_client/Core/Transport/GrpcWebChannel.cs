using System;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Threading;
using System.Threading.Tasks;

namespace Lodsmith
{
    /// <summary>Calls as gRPC-Web: one POST each, protobuf in frames.</summary>
    internal sealed class GrpcWebChannel
    {
        private const string ContentType = "application/grpc-web+proto";

        private readonly ServerConnection _server;

        internal GrpcWebChannel(ServerConnection server)
        {
            _server = server;
        }

        /// <summary>Calls a method that answers with one message.</summary>
        internal Task<T> CallAsync<T>(
            string path, WireMessage request, Func<byte[], T> parse, CancellationToken cancellationToken)
            where T : WireMessage
        {
            // On the pool from the start: opening a connection may wait, and the caller may be drawing.
            return Task.Run(
                async () =>
                {
                    using (GrpcWebStream stream = await OpenAsync(
                        path, request, ExchangeLimit.Total, cancellationToken).ConfigureAwait(false))
                    {
                        T response = await stream.NextAsync(parse).ConfigureAwait(false);
                        if (response == null || await stream.NextAsync(parse).ConfigureAwait(false) != null)
                        {
                            throw GrpcWebStream.Broken("it is not one message");
                        }
                        return response;
                    }
                },
                cancellationToken);
        }

        /// <summary>Calls a method; returns once its answer has begun.</summary>
        internal async Task<GrpcWebStream> OpenAsync(
            string path, WireMessage request, ExchangeLimit limit, CancellationToken cancellationToken)
        {
            Exchange exchange = await _server
                .SendAsync(HttpMethod.Post, path, post => Fill(post, request.ToBytes()), limit, cancellationToken)
                .ConfigureAwait(false);
            string type = exchange.Response.Content.Headers.ContentType?.MediaType;
            if (type != ContentType && type != "application/grpc-web")
            {
                exchange.Dispose();
                throw new LodsmithException(
                    StatusCode.Unknown,
                    $"the answer is of the type {type ?? "unknown"} and no gRPC-Web; "
                        + "is this a Lodsmith server's HTTP port, by default 50052?");
            }
            return new GrpcWebStream(exchange, _server.Options.MaxMessageBytes);
        }

        private static void Fill(HttpRequestMessage post, byte[] message)
        {
            var frame = new byte[GrpcWebStream.HeadBytes + message.Length];
            GrpcWebStream.WriteHead(frame, message.Length);
            Buffer.BlockCopy(message, 0, frame, GrpcWebStream.HeadBytes, message.Length);
            post.Content = new ByteArrayContent(frame);
            post.Content.Headers.ContentType = new MediaTypeHeaderValue(ContentType);
            post.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(ContentType));
            post.Headers.Add("X-Grpc-Web", "1");
        }
    }
}
