using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;
using Lodsmith.V1;

namespace Lodsmith.Editor
{
    /// <summary>A stage as a row of the live list.</summary>
    internal sealed class StageRow
    {
        public StageKind Stage;

        /// <summary>"sparse structure".</summary>
        public string Label;

        /// <summary>In [0, 1].</summary>
        public double Fraction;

        /// <summary>"sparse structure 40 %".</summary>
        public string LabelWithFraction
        {
            get { return Label + " " + Math.Floor(100 * Fraction) + " %"; }
        }

        public StageState State;

        /// <summary>A PNG, or null.</summary>
        public Digest Preview;
    }

    /// <summary>Events of a job -> what is shown of it. Knows no UI and no thread.</summary>
    internal sealed class JobView
    {
        /// <summary>In order of their start.</summary>
        public List<StageRow> Stages { get; } = new List<StageRow>();

        public List<string> Warnings { get; } = new List<string>();

        /// <summary>Of the whole job, in [0, 1].</summary>
        public double Fraction { get; private set; }

        /// <summary>To the job's end. Null: unknown.</summary>
        public TimeSpan? Remaining { get; private set; }

        /// <summary>How many jobs come first. Null: it does not wait.</summary>
        public int? QueuePosition { get; private set; }

        public JobState State { get; private set; }

        /// <summary>The job as it ended, or null.</summary>
        public Job Finished { get; private set; }

        /// <summary>The stage that works now, "" if none does.</summary>
        public string StepLabel
        {
            get
            {
                return Now == null ? "" : Now.Label;
            }
        }

        private StageRow Now
        {
            get { return Stages.LastOrDefault(row => row.State == StageState.Running); }
        }

        /// <summary>One line: what happens now and how long it takes.</summary>
        public string Status
        {
            get
            {
                if (State == JobState.Queued)
                {
                    return QueuePosition == null ? "waits"
                        : QueuePosition == 0 ? "waits, is next"
                        : "waits, " + QueuePosition + " before it";
                }
                if (State == JobState.Cancelling)
                {
                    return "stops";
                }
                string text = Now == null ? "runs" : Now.LabelWithFraction;
                return Remaining == null ? text : text + ", " + TimeText(Remaining.Value) + " left";
            }
        }

        /// <summary>Takes in one event. Kinds that are not known are skipped.</summary>
        public void Apply(JobEvent what)
        {
            switch (what.KindCase)
            {
                case JobEvent.KindOneofCase.Snapshot:
                    Show(what.Snapshot);
                    break;
                case JobEvent.KindOneofCase.Finished:
                    Show(what.Finished);
                    Finished = what.Finished;
                    Remaining = null;
                    break;
                case JobEvent.KindOneofCase.State:
                    State = what.State;
                    QueuePosition = State == JobState.Queued ? QueuePosition : null;
                    break;
                case JobEvent.KindOneofCase.Progress:
                    Show(what.Progress);
                    break;
                case JobEvent.KindOneofCase.Preview:
                    Row(what.Preview.Stage).Preview = what.Preview.Image;
                    break;
                case JobEvent.KindOneofCase.Warning:
                    Warnings.Add(what.Warning.Message);
                    break;
                case JobEvent.KindOneofCase.Heartbeat:
                    QueuePosition = what.Heartbeat.QueuePosition ?? QueuePosition;
                    Remaining = Span(what.Heartbeat.EstimatedRemaining) ?? Remaining;
                    break;
            }
        }

        /// <summary>A stage's name for people.</summary>
        public static string StageName(StageKind stage)
        {
            return stage == StageKind.Slat || stage == StageKind.Lods
                ? stage.ToString().ToUpperInvariant()
                : Regex.Replace(stage.ToString(), "(?<=.)([A-Z])", " $1").ToLowerInvariant();
        }

        private static string TimeText(TimeSpan time)
        {
            return time.TotalSeconds < 60
                ? Math.Ceiling(time.TotalSeconds) + " s"
                : Math.Ceiling(time.TotalMinutes) + " min";
        }

        private static TimeSpan? Span(Duration duration)
        {
            return duration == null ? (TimeSpan?)null : duration.ToTimeSpan();
        }

        private void Show(Job job)
        {
            Stages.Clear();
            Stages.AddRange(job.Stages.Select(status => new StageRow
            {
                Stage = status.Stage,
                Label = StageName(status.Stage),
                Fraction = status.Fraction,
                State = status.State,
                Preview = status.Preview,
            }));
            Warnings.Clear();
            Warnings.AddRange(job.Warnings.Select(warning => warning.Message));
            State = job.State;
            Fraction = job.Fraction;
            Remaining = Span(job.EstimatedRemaining);
            QueuePosition = job.QueuePosition;
        }

        private void Show(StageProgress progress)
        {
            StageRow row = Row(progress.Stage);
            row.Fraction = progress.Fraction;
            row.State = progress.State;
            State = State == JobState.Queued ? JobState.Running : State;
            Fraction = progress.JobFraction;
            Remaining = Span(progress.EstimatedRemaining);
        }

        private StageRow Row(StageKind stage)
        {
            StageRow row = Stages.FirstOrDefault(one => one.Stage == stage);
            if (row == null)
            {
                row = new StageRow { Stage = stage, Label = StageName(stage), State = StageState.Running };
                Stages.Add(row);
            }
            return row;
        }
    }
}
