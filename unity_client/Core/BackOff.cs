using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;

namespace Lodsmith
{
    /// <summary>Tries again after cuts, with longer waits each time, until patience ends.</summary>
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

        /// <summary>Runs `attempt` until it succeeds, fails for good, or patience ends.</summary>
        internal async Task RunAsync(Func<Task> attempt, CancellationToken cancellationToken)
        {
            while (true)
            {
                TimeSpan wait;
                try
                {
                    await attempt().ConfigureAwait(false);
                    return;
                }
                catch (LodsmithException error)
                {
                    wait = WaitAfter(error);
                    if (!error.IsTransient || wait > _options.Patience - _sinceSuccess.Elapsed)
                    {
                        throw;
                    }
                }
                _next = TimeSpan.FromTicks(Math.Min(2 * _next.Ticks, _options.LongestBackOff.Ticks));
                await Task.Delay(wait, cancellationToken).ConfigureAwait(false);
            }
        }

        /// <summary>With jitter, which keeps clients apart that were cut together.</summary>
        private TimeSpan WaitAfter(LodsmithException error)
        {
            TimeSpan wait = TimeSpan.FromTicks((long)(_next.Ticks * (0.5 + _random.NextDouble())));
            return error.RetryAfter > wait ? error.RetryAfter.Value : wait;
        }
    }
}
