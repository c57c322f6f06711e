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

        private static readonly TimeSpan ShortestHeartbeat = TimeSpan.FromSeconds(5);
        private static readonly TimeSpan LongestHeartbeat = TimeSpan.FromSeconds(60);

        private readonly GrpcWebChannel _channel;
        private readonly WatchJobRequest _request;
        private readonly BackOff _backOff;
        private GrpcWebStream _stream;

        internal JobFollower(
            GrpcWebChannel channel, ClientOptions options, string name, long afterSequence, string logEpoch)
        {
            _channel = channel;
            _backOff = new BackOff(options);
            _request = new WatchJobRequest
            {
                Name = name,
                AfterSequence = afterSequence,
                LogEpoch = logEpoch,
                HeartbeatInterval = HeartbeatFor(options.IdleTimeout).ToDuration(),
            };
        }

        internal async Task RunAsync(Action<JobEvent> onEvent, CancellationToken cancellationToken)
        {
            while (true)
            {
                JobEvent next = await NextAsync(cancellationToken).ConfigureAwait(false);
                if (next.KindCase != JobEvent.KindOneofCase.Heartbeat)
                {
                    if (IsRepeated(next))
                    {
                        continue;
                    }
                    _request.AfterSequence = next.Sequence;
                    _request.LogEpoch = next.Snapshot?.LogEpoch ?? _request.LogEpoch;
                }
                onEvent(next);
                if (next.KindCase == JobEvent.KindOneofCase.Finished)
                {
                    return;
                }
            }
        }

        public void Dispose()
        {
            _stream?.Dispose();
        }

        /// <summary>A stream that is silent for three heartbeats is dead.</summary>
        private static TimeSpan HeartbeatFor(TimeSpan idleTimeout)
        {
            TimeSpan third = TimeSpan.FromTicks(idleTimeout.Ticks / 3);
            return third < ShortestHeartbeat ? ShortestHeartbeat
                : third > LongestHeartbeat ? LongestHeartbeat
                : third;
        }

        private bool IsRepeated(JobEvent next)
        {
            bool isState = next.KindCase == JobEvent.KindOneofCase.Snapshot
                || next.KindCase == JobEvent.KindOneofCase.Finished;
            if (!isState && next.Sequence > _request.AfterSequence + 1)
            {
                throw new LodsmithException(
                    StatusCode.DataLoss,
                    $"after event {_request.AfterSequence} of {_request.Name} came event {next.Sequence}; "
                        + "follow the job anew");
            }
            return !isState && next.Sequence <= _request.AfterSequence;
        }

        /// <summary>Returns the next event of this stream, or of the next one that can be had.</summary>
        private async Task<JobEvent> NextAsync(CancellationToken cancellationToken)
        {
            while (true)
            {
                LodsmithException failure;
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
                    if (response?.Event != null)
                    {
                        _backOff.Restore();
                        return response.Event;
                    }
                    failure = new LodsmithException(
                        StatusCode.Unavailable, $"the server stopped to tell of {_request.Name}");
                }
                catch (LodsmithException error)
                {
                    failure = error;
                }
                _stream?.Dispose();
                _stream = null;
                if (failure.Reason == "LOG_EPOCH_CHANGED" && _request.AfterSequence != 0)
                {
                    _request.AfterSequence = 0; // the cursor is of another log: begin with a snapshot
                    _request.LogEpoch = "";
                    continue;
                }
                await _backOff.WaitAsync(failure, cancellationToken).ConfigureAwait(false);
            }
        }
    }
}
