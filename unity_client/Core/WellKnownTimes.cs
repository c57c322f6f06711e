using System;
using Lodsmith.V1;

namespace Lodsmith
{
    /// <summary>Between protobuf's times and .NET's.</summary>
    public static class WellKnownTimes
    {
        private static readonly DateTime Epoch = new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);

        /// <summary>28,000 years; a <see cref="TimeSpan"/> holds a little more.</summary>
        private const long LongestSeconds = 900_000_000_000;

        /// <summary>Returns the same length of time; the longest there is for what .NET cannot hold.</summary>
        public static TimeSpan ToTimeSpan(this Duration duration)
        {
            if (Math.Abs((double)duration.Seconds) > LongestSeconds)
            {
                return duration.Seconds > 0 ? TimeSpan.MaxValue : TimeSpan.MinValue;
            }
            return new TimeSpan(duration.Seconds * TimeSpan.TicksPerSecond + duration.Nanos / 100);
        }

        /// <summary>Returns the same length of time.</summary>
        public static Duration ToDuration(this TimeSpan time)
        {
            long seconds = time.Ticks / TimeSpan.TicksPerSecond;
            long rest = time.Ticks % TimeSpan.TicksPerSecond;
            return new Duration { Seconds = seconds, Nanos = (int)rest * 100 };
        }

        /// <summary>Returns the same moment, UTC; the nearest there is for what .NET cannot hold.</summary>
        public static DateTime ToDateTime(this Timestamp timestamp)
        {
            long lowest = (DateTime.MinValue.Ticks - Epoch.Ticks) / TimeSpan.TicksPerSecond;
            long highest = (DateTime.MaxValue.Ticks - Epoch.Ticks) / TimeSpan.TicksPerSecond - 1;
            long seconds = Math.Max(lowest, Math.Min(highest, timestamp.Seconds));
            long nanos = Math.Max(0, Math.Min(999_999_999, timestamp.Nanos));
            return Epoch.AddTicks(seconds * TimeSpan.TicksPerSecond + nanos / 100);
        }
    }
}
