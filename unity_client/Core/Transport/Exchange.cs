using System;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Runtime.ExceptionServices;
using System.Threading;
using System.Threading.Tasks;

namespace Lodsmith
{
    /// <summary>
    /// One request and its answer. Every way in which the network, the clock or the caller can end it
    /// becomes a <see cref="LodsmithException"/> or an <see cref="OperationCanceledException"/>.
    /// </summary>
    internal sealed class Exchange : IDisposable
    {
        private readonly string _address;
        private readonly ExchangeLimit _limit;
        private readonly TimeSpan _time;
        private readonly CancellationToken _caller;
        private readonly CancellationToken _disposed;
        private readonly CancellationTokenSource _end;
        private Stream _body;

        internal Exchange(
            string address,
            ExchangeLimit limit,
            TimeSpan time,
            CancellationToken caller,
            CancellationToken disposed)
        {
            _address = address;
            _limit = limit;
            _time = time;
            _caller = caller;
            _disposed = disposed;
            _end = CancellationTokenSource.CreateLinkedTokenSource(caller, disposed);
            _end.CancelAfter(time);
        }

        internal HttpResponseMessage Response { get; private set; }

        /// <summary>Sends the request; returns once the answer's head is there.</summary>
        internal async Task SendAsync(HttpClient http, HttpRequestMessage request)
        {
            try
            {
                Response = await http
                    .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, _end.Token)
                    .ConfigureAwait(false);
                _body = await Response.Content.ReadAsStreamAsync().ConfigureAwait(false);
            }
            catch (Exception error)
            {
                throw MeaningOf(
                    error,
                    $"no Lodsmith server answers at {_address} ({error.GetBaseException().Message}); "
                        + "is it running, and is this its HTTP port, by default 50052?");
            }
        }

        /// <summary>Reads some of the body; 0 at its end.</summary>
        internal async Task<int> ReadAsync(byte[] buffer, int offset, int count)
        {
            try
            {
                int read = await _body.ReadAsync(buffer, offset, count, _end.Token).ConfigureAwait(false);
                if (_limit == ExchangeLimit.Silence)
                {
                    _end.CancelAfter(_time);
                }
                return read;
            }
            catch (Exception error)
            {
                throw MeaningOf(error);
            }
        }

        /// <summary>Returns what to throw where the body ends too early.</summary>
        internal Exception Cut() => MeaningOf(new EndOfStreamException()); // closed, it ends too

        public void Dispose()
        {
            Response?.Dispose();
            _end.Dispose();
        }

        private Exception MeaningOf(Exception error, string unavailable = null)
        {
            if (_caller.IsCancellationRequested)
            {
                return new OperationCanceledException("the call was cancelled", error, _caller);
            }
            if (_disposed.IsCancellationRequested)
            {
                return new ObjectDisposedException(nameof(LodsmithClient));
            }
            if (_end.IsCancellationRequested)
            {
                string what = _limit == ExchangeLimit.Total ? "gave no answer within" : "was silent for";
                return new LodsmithException(
                    StatusCode.DeadlineExceeded,
                    $"the server at {_address} {what} {_time.TotalSeconds:0.#} s; is it overloaded?",
                    cause: error);
            }
            if (error is HttpRequestException || error is IOException || error is WebException
                || error is ObjectDisposedException || error is OperationCanceledException)
            {
                return new LodsmithException(
                    StatusCode.Unavailable,
                    unavailable ?? $"the connection to {_address} was cut; try again",
                    cause: error);
            }
            ExceptionDispatchInfo.Capture(error).Throw(); // a defect, and not to be taken for the network
            return error;
        }
    }
}
