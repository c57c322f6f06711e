using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;

namespace Lodsmith
{
    /// <summary>Waits between tries, longer each time, until patience ends.</summary>
    internal sealed class BackOff
    {
        private readonly ClientOptions _options;
        private readonly Random _random = new Random(Guid.NewGuid().GetHashCode());
        private readonly Stopwatch _sinceSuccess = Stopwatch.StartNew();
        private TimeSpan _next;

        internal BackOff(ClientOptions options)
        {
            _options = options;
            _next = options.FirstBackOff;
        }

        /// <summary>Something arrived: forgets earlier failures.</summary>
        internal void Restore()
        {
            _next = _options.FirstBackOff;
            _sinceSuccess.Restart();
        }

        /// <summary>Waits before the next try; throws `error` where there should be none.</summary>
        internal Task WaitAsync(LodsmithException error, CancellationToken cancellationToken)
        {
            // The jitter keeps clients apart that were cut together.
            TimeSpan wait = TimeSpan.FromTicks((long)(_next.Ticks * (0.5 + _random.NextDouble())));
            if (error.RetryAfter > wait)
            {
                wait = error.RetryAfter.Value;
            }
            if (!error.IsTransient || wait > _options.Patience - _sinceSuccess.Elapsed)
            {
                throw error;
            }
            _next = TimeSpan.FromTicks(Math.Min(2 * _next.Ticks, _options.LongestBackOff.Ticks));
            return Task.Delay(wait, cancellationToken);
        }
    }
}
