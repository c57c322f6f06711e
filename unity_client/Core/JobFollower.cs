using System;
using System.Threading;
using System.Threading.Tasks;
using Lodsmith.V1;

namespace Lodsmith
{
    /// <summary>One job's events, each once and in order, over as many streams as it takes.</summary>
    internal sealed class JobFollower : IDisposable
    {
        private const string WatchJob = "/lodsmith.v1.JobService/WatchJob";

        private readonly GrpcWebChannel _channel;
        private readonly WatchJobRequest _request;
        private readonly BackOff _backOff;
        private GrpcWebStream _stream;

        internal JobFollower(
            GrpcWebChannel channel, ClientOptions options, string name, long afterSequence, string logEpoch)
        {
            // A stream that is silent for three heartbeats is dead. A server takes 5 to 60 s.
            double heartbeatS = Math.Max(5, Math.Min(60, options.IdleTimeout.TotalSeconds / 3));
            _channel = channel;
            _backOff = new BackOff(options);
            _request = new WatchJobRequest
            {
                Name = name,
                AfterSequence = afterSequence,
                LogEpoch = logEpoch,
                HeartbeatInterval = TimeSpan.FromSeconds(heartbeatS).ToDuration(),
            };
        }

        internal async Task RunAsync(Action<JobEvent> onEvent, CancellationToken cancellationToken)
        {
            JobEvent next = null;
            while (next?.KindCase != JobEvent.KindOneofCase.Finished)
            {
                await _backOff.RunAsync(
                    async () => next = await NextAsync(cancellationToken).ConfigureAwait(false),
                    cancellationToken).ConfigureAwait(false);
                if (next.KindCase == JobEvent.KindOneofCase.Heartbeat || IsNew(next))
                {
                    onEvent(next);
                }
            }
        }

        public void Dispose() => _stream?.Dispose();

        /// <summary>Moves the cursor to an event; false for one that lies before it.</summary>
        private bool IsNew(JobEvent next)
        {
            bool isWholeJob = next.KindCase == JobEvent.KindOneofCase.Snapshot
                || next.KindCase == JobEvent.KindOneofCase.Finished;
            long ahead = next.Sequence - _request.AfterSequence;
            if (ahead > 1 && !isWholeJob)
            {
                throw new LodsmithException(
                    StatusCode.DataLoss,
                    $"after event {_request.AfterSequence} of {_request.Name} came event {next.Sequence}; "
                        + "follow the job anew");
            }
            if (ahead < 1 && !isWholeJob)
            {
                return false;
            }
            _request.AfterSequence = next.Sequence;
            _request.LogEpoch = next.Snapshot?.LogEpoch ?? _request.LogEpoch;
            return true;
        }

        /// <summary>Returns the stream's next event; opens one where there is none.</summary>
        private async Task<JobEvent> NextAsync(CancellationToken cancellationToken)
        {
            try
            {
                if (_stream == null)
                {
                    _stream = await _channel
                        .OpenAsync(WatchJob, _request, ExchangeLimit.Silence, cancellationToken)
                        .ConfigureAwait(false);
                }
                WatchJobResponse response =
                    await _stream.NextAsync(WatchJobResponse.Parse).ConfigureAwait(false);
                if (response?.Event == null)
                {
                    throw new LodsmithException(
                        StatusCode.Unavailable, $"the server stopped to tell of {_request.Name}");
                }
                _backOff.Restore();
                return response.Event;
            }
            catch (LodsmithException error)
            {
                _stream?.Dispose();
                _stream = null;
                if (error.Reason != "LOG_EPOCH_CHANGED" || _request.AfterSequence == 0)
                {
                    throw;
                }
                _request.AfterSequence = 0; // the cursor is of another log: begin with a snapshot
                _request.LogEpoch = "";
                throw new LodsmithException(StatusCode.Unavailable, error.Message, cause: error);
            }
        }
    }
}
