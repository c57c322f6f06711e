using System.Linq;
using Lodsmith.V1;
using NUnit.Framework;

namespace Lodsmith.Editor.Tests
{
    public sealed class JobViewTests
    {
        private static JobEvent Progress(
            StageKind stage, double fraction, double jobFraction, StageState state = StageState.Running)
        {
            return new JobEvent
            {
                Progress = new StageProgress
                {
                    Stage = stage, Fraction = fraction, JobFraction = jobFraction, State = state,
                },
            };
        }

        [Test]
        public void StagesComeInOrderOfTheirStart()
        {
            JobView view = new JobView();
            view.Apply(Progress(StageKind.SparseStructure, 0.5, 0.1));
            view.Apply(Progress(StageKind.SparseStructure, 1, 0.2, StageState.Succeeded));
            view.Apply(Progress(StageKind.Slat, 0.25, 0.3));
            Assert.AreEqual(new[] { "sparse structure", "SLAT" }, view.Stages.Select(row => row.Label).ToArray());
            Assert.AreEqual(StageState.Succeeded, view.Stages[0].State);
            Assert.AreEqual(0.3, view.Fraction, 0);
            Assert.AreEqual("SLAT", view.StepLabel);
        }

        [Test]
        public void ASnapshotReplacesWhatWasKnown()
        {
            JobView view = new JobView();
            view.Apply(Progress(StageKind.Bake, 0.5, 0.9));
            Job job = new Job { State = JobState.Running, Fraction = 0.4 };
            job.EstimatedRemaining = new Duration { Seconds = 90 };
            job.Stages.Add(new StageStatus
            {
                Stage = StageKind.Repair, Fraction = 0.5, State = StageState.Running,
                Preview = new Digest { SizeBytes = 3 },
            });
            job.Warnings.Add(new JobWarning { Message = "the back is invented" });
            view.Apply(new JobEvent { Snapshot = job });
            Assert.AreEqual(new[] { "repair" }, view.Stages.Select(row => row.Label).ToArray());
            Assert.AreEqual(3, view.Stages[0].Preview.SizeBytes);
            Assert.AreEqual(new[] { "the back is invented" }, view.Warnings);
            StringAssert.Contains("repair", view.Status);
            StringAssert.Contains("2 min left", view.Status);
        }

        [Test]
        public void TheQueueIsTold()
        {
            JobView view = new JobView();
            view.Apply(new JobEvent { Snapshot = new Job { State = JobState.Queued, QueuePosition = 3 } });
            Assert.AreEqual("waits, 3 before it", view.Status);
            view.Apply(new JobEvent { Heartbeat = new Heartbeat { QueuePosition = 0 } });
            Assert.AreEqual("waits, is next", view.Status);
            view.Apply(new JobEvent { State = JobState.Running });
            Assert.AreEqual("runs", view.Status);
            Assert.IsNull(view.QueuePosition);
        }

        [Test]
        public void TheEndIsKept()
        {
            JobView view = new JobView();
            Job job = new Job { State = JobState.Failed, Error = new JobError { Message = "no" } };
            view.Apply(new JobEvent { Finished = job });
            Assert.AreEqual("no", view.Finished.Error.Message);
            Assert.AreEqual(JobState.Failed, view.State);
        }

        [Test]
        public void KindsThatAreNotKnownAreSkipped()
        {
            JobView view = new JobView();
            view.Apply(new JobEvent());
            view.Apply(Progress((StageKind)99, 0.5, 0.5));
            Assert.AreEqual("99", view.StepLabel);
        }

        [Test]
        public void PreviewsAndWarningsAreAdded()
        {
            JobView view = new JobView();
            Preview preview = new Preview { Stage = StageKind.Decode, Image = new Digest { SizeBytes = 5 } };
            view.Apply(new JobEvent { Preview = preview });
            view.Apply(new JobEvent { Warning = new JobWarning { Message = "poor" } });
            Assert.AreEqual(5, view.Stages.Single().Preview.SizeBytes);
            Assert.AreEqual("poor", view.Warnings.Single());
        }
    }
}
