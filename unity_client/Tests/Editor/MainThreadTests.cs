using System;
using System.Diagnostics;
using System.Threading.Tasks;
using NUnit.Framework;

namespace Lodsmith.Editor.Tests
{
    public sealed class MainThreadTests
    {
        [Test]
        public void ADrainLeavesWhatDoesNotFitIntoItsBudget()
        {
            MainThread mainThread = new MainThread();
            int done = 0;
            for (int number = 0; number < 100; number++)
            {
                mainThread.Post(() =>
                {
                    Stopwatch clock = Stopwatch.StartNew();
                    while (clock.Elapsed.TotalMilliseconds < 1)
                    {
                    }
                    done++;
                });
            }
            mainThread.Drain();
            Assert.IsTrue(done >= 1 && done <= 5, done + " pieces of a millisecond each");
            for (int turn = 0; turn < 100; turn++)
            {
                mainThread.Drain();
            }
            Assert.AreEqual(100, done);
        }

        [Test]
        public void AnErrorReachesWhoeverWaitsAndTheNextPieceIsDone()
        {
            MainThread mainThread = new MainThread();
            bool isDone = false;
            Task failing = mainThread.RunAsync(() => { throw new InvalidOperationException("no"); });
            mainThread.Post(() => isDone = true);
            mainThread.Drain();
            Assert.IsTrue(isDone);
            Assert.AreEqual("no", Assert.Throws<AggregateException>(() => failing.Wait(5000)).InnerException.Message);
        }
    }
}
