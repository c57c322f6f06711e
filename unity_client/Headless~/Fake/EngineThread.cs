using System;
using System.Threading;

namespace Headless
{
    /// <summary>What Unity refuses: most calls from another thread, and work on assets while the domain loads.</summary>
    internal static class EngineThread
    {
        private static Thread _main;

        /// <summary>Whether [InitializeOnLoadMethod]s are being called: assets may not be there yet.</summary>
        public static bool IsLoading { get; set; }

        /// <summary>This is the main thread from now on.</summary>
        public static void Begin()
        {
            _main = Thread.CurrentThread;
        }

        public static void Check(string member)
        {
            if (Thread.CurrentThread != _main)
            {
                throw new InvalidOperationException(member + " can only be called from the main thread.");
            }
        }

        /// <summary>For what changes assets.</summary>
        public static void CheckAssets(string member)
        {
            Check(member);
            if (IsLoading)
            {
                throw new InvalidOperationException(member + " cannot be called while the domain loads.");
            }
        }
    }
}
