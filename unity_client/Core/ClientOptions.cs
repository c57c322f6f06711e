using System;

namespace Lodsmith
{
    /// <summary>How patient a client is.</summary>
    public sealed class ClientOptions
    {
        /// <summary>How long a call may take that does not stream.</summary>
        public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(30);

        /// <summary>How long a stream or a download may be silent: three heartbeats of a server.</summary>
        public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromSeconds(45);

        /// <summary>The wait before the first new try after a cut. It doubles from try to try.</summary>
        public TimeSpan FirstBackOff { get; set; } = TimeSpan.FromMilliseconds(100);

        /// <summary>The longest wait between two tries.</summary>
        public TimeSpan LongestBackOff { get; set; } = TimeSpan.FromSeconds(5);

        /// <summary>
        /// How long a server that cannot be reached is tried again by what goes on after cuts: following,
        /// uploading, downloading. It counts anew whenever something arrives.
        /// </summary>
        public TimeSpan Patience { get; set; } = TimeSpan.FromMinutes(2);

        /// <summary>The largest message that is taken from a server.</summary>
        public long MaxMessageBytes { get; set; } = 16 * 1024 * 1024;
    }
}
