using System;
using System.Net;
using System.Net.Http;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

namespace Lodsmith
{
    /// <summary>HTTP to one server: its address, the token, and who may have it.</summary>
    internal sealed class ServerConnection : IDisposable
    {
        private readonly string _address;
        private readonly HttpClient _http;
        private readonly CancellationTokenSource _disposed = new CancellationTokenSource();

        internal ServerConnection(
            Uri server, string token, ClientOptions options, HttpMessageHandler handler = null)
        {
            CheckAddress(server);
            CheckToken(server, token);
            _address = server.AbsoluteUri.TrimEnd('/');
            Options = options;
            _http = new HttpClient(handler ?? NewHandler(server));
            _http.Timeout = Timeout.InfiniteTimeSpan; // each exchange has a limit of its own
            _http.DefaultRequestHeaders.ExpectContinue = false; // it would cost a round trip
            if (!string.IsNullOrEmpty(token))
            {
                _http.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", "Bearer " + token);
            }
        }

        internal ClientOptions Options { get; }

        /// <summary>Sends a request; returns once the answer's head is there and good.</summary>
        internal async Task<Exchange> SendAsync(
            HttpMethod method,
            string path,
            Action<HttpRequestMessage> prepare,
            ExchangeLimit limit,
            CancellationToken cancellationToken)
        {
            TimeSpan time = limit == ExchangeLimit.Total ? Options.CallTimeout : Options.IdleTimeout;
            var exchange = new Exchange(_address, limit, time, cancellationToken, _disposed.Token);
            try
            {
                using (var request = new HttpRequestMessage(method, _address + path))
                {
                    prepare(request);
                    await exchange.SendAsync(_http, request).ConfigureAwait(false);
                }
                if (!exchange.Response.IsSuccessStatusCode)
                {
                    throw await HttpFailure.ReadAsync(exchange).ConfigureAwait(false);
                }
                return exchange;
            }
            catch
            {
                exchange.Dispose();
                throw;
            }
        }

        public void Dispose()
        {
            _disposed.Cancel();
            _http.Dispose();
        }

        private static HttpMessageHandler NewHandler(Uri server) => new HttpClientHandler
        {
            AllowAutoRedirect = false, // the token is for this server alone
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            UseProxy = !server.IsLoopback,
        };

        private static void CheckAddress(Uri server)
        {
            bool isHttp = server != null && server.IsAbsoluteUri
                && (server.Scheme == Uri.UriSchemeHttp || server.Scheme == Uri.UriSchemeHttps);
            if (!isHttp || server.UserInfo != "" || server.Query != "" || server.Fragment != "")
            {
                string got = server == null ? "nothing"
                    : !server.IsAbsoluteUri ? server.OriginalString
                    : server.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped) + ", or more";
                throw new ArgumentException(
                    $"a server's address is like http://127.0.0.1:50052, got {got}", nameof(server));
            }
        }

        /// <summary>The messages name no part of the token: they may end in a log.</summary>
        private static void CheckToken(Uri server, string token)
        {
            if (string.IsNullOrEmpty(token))
            {
                return;
            }
            if (!Regex.IsMatch(token, @"\A[!-~]+\z"))
            {
                throw new ArgumentException(
                    "a token has letters, digits and signs only; copy it again", nameof(token));
            }
            if (server.Scheme == Uri.UriSchemeHttp && !server.IsLoopback)
            {
                throw new ArgumentException(
                    $"the token would go to {server.Host} unencrypted; write https://, or use an SSH "
                        + "tunnel and its end on this machine",
                    nameof(token));
            }
        }
    }
}
