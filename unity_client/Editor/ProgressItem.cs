using System;
using UnityEditor;

namespace Lodsmith.Editor
{
    /// <summary>
    /// A job in Unity's own list of background tasks. Unmanaged, so that it outlives a domain reload; its id is
    /// kept for the session, because after a restart of the editor there is no such item. Main thread.
    /// </summary>
    internal sealed class ProgressItem
    {
        private readonly string _key;
        private readonly int _id;

        /// <summary>Finds the item of a job, or starts one.</summary>
        /// <param name="cancel">Is called when the user cancels there.</param>
        public ProgressItem(JobRecord record, Action cancel)
        {
            _key = "Lodsmith.Progress." + record.id;
            _id = SessionState.GetInt(_key, 0);
            if (_id == 0 || !Progress.Exists(_id))
            {
                _id = Progress.Start("Lodsmith: " + record.form.Title, null, Progress.Options.Unmanaged);
                SessionState.SetInt(_key, _id);
            }
            // A reload forgets the callback.
            Progress.RegisterCancelCallback(_id, () =>
            {
                cancel();
                return true;
            });
        }

        /// <summary>Shows how far the job is.</summary>
        public void Report(JobView view)
        {
            Progress.Report(_id, (float)view.Fraction, view.Status);
            Progress.SetStepLabel(_id, view.StepLabel);
            if (view.Remaining != null)
            {
                Progress.SetTimeDisplayMode(_id, Progress.TimeDisplayMode.ShowRemainingTime);
                Progress.SetRemainingTime(_id, (long)Math.Ceiling(view.Remaining.Value.TotalSeconds));
            }
        }

        /// <summary>Shows how it ended.</summary>
        public void Finish(RecordState state)
        {
            SessionState.EraseInt(_key);
            Progress.UnregisterCancelCallback(_id);
            Progress.Finish(_id, state == RecordState.Imported ? Progress.Status.Succeeded
                : state == RecordState.Failed ? Progress.Status.Failed : Progress.Status.Canceled);
        }
    }
}
