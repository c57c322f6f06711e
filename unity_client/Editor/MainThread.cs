using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Tasks;

namespace Lodsmith.Editor
{
    /// <summary>
    /// Work for the main thread, which alone may touch Unity's objects. Drained in
    /// `EditorApplication.update`, a few milliseconds at a time; by hand in batch mode.
    /// </summary>
    internal sealed class MainThread
    {
        private const double BudgetMs = 4;

        private readonly ConcurrentQueue<Action> _work = new ConcurrentQueue<Action>();

        /// <summary>Adds work, from any thread. What it throws goes to the console.</summary>
        public void Post(Action work)
        {
            _work.Enqueue(work);
        }

        /// <summary>Adds work, from any thread; the task ends when it is done, off the main thread.</summary>
        public Task RunAsync(Action work)
        {
            var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            _work.Enqueue(() =>
            {
                try
                {
                    work();
                    done.SetResult(true);
                }
                catch (Exception error)
                {
                    done.SetException(error);
                }
            });
            return done.Task;
        }

        /// <summary>Does what has been added, as much as fits into the budget but at least one. Main thread.</summary>
        public void Drain()
        {
            Stopwatch clock = Stopwatch.StartNew();
            Action work;
            while (_work.TryDequeue(out work))
            {
                try
                {
                    work();
                }
                catch (Exception error)
                {
                    UnityEngine.Debug.LogException(error);
                }
                if (clock.Elapsed.TotalMilliseconds > BudgetMs)
                {
                    return;
                }
            }
        }
    }
}
