using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Lodsmith.V1;
using UnityEditor;
using Debug = UnityEngine.Debug;

namespace Lodsmith.Editor
{
    /// <summary>
    /// Brings jobs from the request to the prefab, over domain reloads and restarts of editor and server: each
    /// step is written down before it begins, and whatever was cut is taken up there. Public members belong to
    /// the main thread; network work is done off it.
    /// </summary>
    internal sealed class JobTracker : IDisposable
    {
        private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(0.5);
        private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

        private readonly JobStore _store;
        private readonly MainThread _mainThread;
        private readonly AssetImport _import;
        private readonly string _cache;
        private readonly CancellationTokenSource _closing = new CancellationTokenSource();
        private readonly Dictionary<string, Run> _runs = new Dictionary<string, Run>();

        /// <summary>What a job that has not ended needs besides its record.</summary>
        private sealed class Run
        {
            public readonly JobView View = new JobView();
            public readonly CancellationTokenSource Cancelled = new CancellationTokenSource();
            public LodsmithClient Client;
            public ProgressItem Item;
        }

        /// <param name="cache">Folder for downloads and pictures, outside of Assets.</param>
        public JobTracker(JobStore store, MainThread mainThread, string cache)
        {
            _store = store;
            _mainThread = mainThread;
            _cache = cache;
            _import = new AssetImport(store, Path.Combine(cache, "Replaced"));
        }

        /// <summary>The project's own.</summary>
        public static JobTracker Instance { get; private set; }

        /// <summary>A job got further, or was added or removed.</summary>
        public event Action<JobRecord> Changed;

        /// <summary>Where its work for the main thread waits.</summary>
        public MainThread MainThread
        {
            get { return _mainThread; }
        }

        /// <summary>How long a server that cannot be reached is tried again.</summary>
        public TimeSpan Patience { get; set; } = TimeSpan.MaxValue;

        /// <summary>Newest first.</summary>
        public IReadOnlyList<JobRecord> Records
        {
            get { return _store.Records; }
        }

        /// <summary>Asks for an asset. Returns at once.</summary>
        /// <param name="server">Null: the project's.</param>
        public JobRecord Submit(GenerateForm form, string server = null)
        {
            return Add(new JobRecord { form = form.Clone(), server = server ?? LodsmithSettings.instance.server });
        }

        /// <summary>Imports the assets of a job anew; into the same prefab, where it is there.</summary>
        public JobRecord Reimport(JobRecord record)
        {
            GenerateForm form = record.form.Clone();
            form.replaces = record.assets.Length == 1 && File.Exists(record.assets[0].prefab) ? record.assets[0].prefab : "";
            form.place = false;
            return Add(new JobRecord { form = form, server = record.server, jobName = record.jobName, state = RecordState.Running });
        }

        /// <summary>Stops a job; returns at once. What has been imported stays.</summary>
        public void Cancel(JobRecord record)
        {
            Run run;
            if (!_runs.TryGetValue(record.id, out run) || record.isCancelRequested)
            {
                return;
            }
            record.isCancelRequested = true;
            _store.Save();
            run.Cancelled.Cancel();
            Notify(record);
        }

        /// <summary>Takes a job that has ended off the list; its assets and the server's job stay.</summary>
        public void Remove(JobRecord record)
        {
            if (record.HasEnded)
            {
                _store.Remove(record);
                Notify(record);
            }
        }

        /// <summary>How far a job is, or null for one that has ended.</summary>
        public JobView ViewOf(JobRecord record)
        {
            Run run;
            return _runs.TryGetValue(record.id, out run) ? run.View : null;
        }

        /// <summary>Takes up what a reload or restart has cut.</summary>
        public void Resume()
        {
            foreach (JobRecord record in Records.Where(one => !one.HasEnded).ToList())
            {
                if (record.state == RecordState.Importing)
                {
                    _import.Undo(record);
                }
                Start(record);
            }
        }

        /// <summary>Lets go of everything. Jobs go on on the server, and <see cref="Resume"/> finds them.</summary>
        public void Dispose()
        {
            _closing.Cancel();
            foreach (Run run in _runs.Values)
            {
                run.Client.Dispose();
            }
            _runs.Clear();
        }

        [InitializeOnLoadMethod]
        private static void Load()
        {
            MainThread mainThread = new MainThread();
            Instance = new JobTracker(new JobStore("UserSettings/LodsmithJobs.json"), mainThread, "Library/Lodsmith");
            EditorApplication.update += mainThread.Drain;
            AssemblyReloadEvents.beforeAssemblyReload += Instance.Dispose;
            // Not at once: while the domain loads, assets must not be touched.
            EditorApplication.delayCall += Instance.Resume;
        }

        private JobRecord Add(JobRecord record)
        {
            _store.Add(record);
            Start(record);
            Notify(record);
            return record;
        }

        private void Start(JobRecord record)
        {
            Run run = new Run { Item = new ProgressItem(record, () => Cancel(record)) };
            _runs[record.id] = run;
            if (record.isCancelRequested)
            {
                run.Cancelled.Cancel();
            }
            try
            {
                run.Client = new LodsmithClient(new Uri(record.server), TokenStore.Read(record.server));
            }
            catch (Exception error) when (error is ArgumentException || error is UriFormatException)
            {
                End(record, RecordState.Failed, "The server's address is not usable: " + error.Message);
                return;
            }
            Task.Run(() => RunAsync(record, run));
        }

        private async Task RunAsync(JobRecord record, Run run)
        {
            RecordState state = RecordState.Failed;
            string message = "";
            Exception defect = null;
            try
            {
                if (record.jobName.Length == 0)
                {
                    await CreateAsync(record, run).ConfigureAwait(false);
                }
                Job job = await FollowAsync(record, run).ConfigureAwait(false);
                if (job.State == JobState.Failed)
                {
                    message = job.Error.Message + " [" + JobView.StageName(job.Error.Stage) + ", " + job.Error.Reason + "]";
                }
                else
                {
                    if (job.State == JobState.Succeeded && !record.isCancelRequested)
                    {
                        await FetchAsync(record, run, job).ConfigureAwait(false);
                    }
                    state = record.state == RecordState.Imported ? RecordState.Imported : RecordState.Cancelled;
                }
            }
            catch (Exception) when (_closing.IsCancellationRequested)
            {
                return; // goes on after the reload
            }
            catch (OperationCanceledException)
            {
                state = RecordState.Cancelled;
            }
            catch (LodsmithException error)
            {
                message = error.Message + (error.Reason.Length > 0 ? " [" + error.Reason + "]" : "");
            }
            catch (Exception error) when (error is ImportException || error is IOException || error is UnauthorizedAccessException)
            {
                message = error.Message;
            }
            catch (Exception error)
            {
                message = "A defect in the Lodsmith package: " + error.Message;
                defect = error;
            }
            await _mainThread.RunAsync(() =>
            {
                if (defect != null)
                {
                    Debug.LogException(defect);
                }
                End(record, state, message);
            }).ConfigureAwait(false);
        }

        private async Task CreateAsync(JobRecord record, Run run)
        {
            List<Digest> uploads = new List<Digest>();
            using (CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token, run.Cancelled.Token))
            {
                foreach (string file in record.form.Files)
                {
                    await PatientlyAsync(record, stop.Token, async () =>
                    {
                        uploads.Add(await run.Client.UploadAsync(file, (done, total) => Say(record, "Uploads " + Percent(done, total)), stop.Token).ConfigureAwait(false));
                    }).ConfigureAwait(false);
                }
                stop.Token.ThrowIfCancellationRequested();
            }
            await _mainThread.RunAsync(() => Move(record, RecordState.Creating)).ConfigureAwait(false);

            // Not cut by the user's cancel: whether the server has a job must be known to cancel it.
            CreateJobRequest request = new CreateJobRequest { RequestId = record.id, Spec = record.form.ToSpec(uploads) };
            await PatientlyAsync(record, _closing.Token, async () =>
            {
                CreateJobResponse answer = await run.Client.CreateJobAsync(request, _closing.Token).ConfigureAwait(false);
                await _mainThread.RunAsync(() =>
                {
                    record.jobName = answer.Job.Name;
                    Move(record, RecordState.Running);
                }).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }

        private async Task<Job> FollowAsync(JobRecord record, Run run)
        {
            Job finished = null;
            // At once, if it is cancelled already.
            using (run.Cancelled.Token.Register(() => Task.Run(() => CancelOnServerAsync(record, run))))
            {
                // From a snapshot, which has all that events before it said: there is no cursor to keep.
                await PatientlyAsync(record, _closing.Token, () => run.Client.FollowJobAsync(record.jobName, 0, "", what =>
                {
                    finished = what.KindCase == JobEvent.KindOneofCase.Finished ? what.Finished : finished;
                    _mainThread.Post(() => Apply(record, run, what));
                }, _closing.Token)).ConfigureAwait(false);
            }
            return finished;
        }

        private async Task CancelOnServerAsync(JobRecord record, Run run)
        {
            try
            {
                await PatientlyAsync(record, _closing.Token, () => run.Client.CancelJobAsync(new CancelJobRequest { Name = record.jobName }, _closing.Token))
                    .ConfigureAwait(false);
            }
            catch (Exception) when (_closing.IsCancellationRequested)
            {
                // Asked again after the reload.
            }
            catch (LodsmithException error)
            {
                Say(record, "The job could not be cancelled: " + error.Message);
            }
        }

        private async Task FetchAsync(JobRecord record, Run run, Job job)
        {
            List<AssetFacts> assets = AssetFacts.Of(job);
            if (assets.Count == 0)
            {
                throw new ImportException("The job made no mesh; another seed may help.");
            }
            await _mainThread.RunAsync(() => Move(record, RecordState.Downloading)).ConfigureAwait(false);
            List<string> files = assets.Select(asset => CachePath(asset.Glb, ".glb")).ToList();
            try
            {
                using (CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token, run.Cancelled.Token))
                {
                    for (int index = 0; index < files.Count; index++)
                    {
                        string file = files[index];
                        Digest glb = assets[index].Glb;
                        await PatientlyAsync(record, stop.Token, () => DownloadAsync(record, run, glb, file, stop.Token)).ConfigureAwait(false);
                    }
                }
                Artifact picture = job.Result.Artifacts.FirstOrDefault(one => one.Role == "preview");
                if (picture != null)
                {
                    await ShowAsync(record, run, picture.Digest).ConfigureAwait(false);
                }
                await _mainThread.RunAsync(() =>
                {
                    if (record.isCancelRequested)
                    {
                        throw new OperationCanceledException();
                    }
                    _import.Run(record, assets, files);
                    if (record.form.place)
                    {
                        AssetImport.PlaceInScene(record.assets[0].prefab);
                    }
                }).ConfigureAwait(false);
            }
            finally
            {
                // What a reload has cut is needed again, and is taken up from its part.
                foreach (string file in _closing.IsCancellationRequested ? new List<string>() : files)
                {
                    File.Delete(file);
                    File.Delete(file + ".part");
                }
            }
        }

        private Task DownloadAsync(JobRecord record, Run run, Digest digest, string file, CancellationToken stop)
        {
            Directory.CreateDirectory(_cache);
            return File.Exists(file)
                ? Task.FromResult(true)
                : run.Client.DownloadAsync(digest, file, (done, total) => Say(record, "Downloads " + Percent(done, total)), stop);
        }

        /// <summary>Fetches a picture and shows it. The asset does not depend on it: errors only go to the console.</summary>
        private async Task ShowAsync(JobRecord record, Run run, Digest picture)
        {
            string file = CachePath(picture, ".png");
            try
            {
                await DownloadAsync(record, run, picture, file, _closing.Token).ConfigureAwait(false);
                _mainThread.Post(() =>
                {
                    record.thumbnail = file;
                    Notify(record);
                });
            }
            catch (Exception error)
            {
                _mainThread.Post(() => Debug.LogWarning("Lodsmith: a preview is missing: " + error.Message));
            }
        }

        private async Task PatientlyAsync(JobRecord record, CancellationToken stop, Func<Task> step)
        {
            Stopwatch waiting = new Stopwatch();
            for (TimeSpan pause = FirstPause; ; pause = pause + pause < LongestPause ? pause + pause : LongestPause)
            {
                TimeSpan wait = pause;
                try
                {
                    await step().ConfigureAwait(false);
                    return;
                }
                catch (LodsmithException error) when ((error.IsTransient || error.RetryAfter != null) && waiting.Elapsed < Patience)
                {
                    wait = error.RetryAfter > pause ? error.RetryAfter.Value : pause;
                    Say(record, "Waits for the server: " + error.Message);
                }
                waiting.Start();
                await Task.Delay(wait, stop).ConfigureAwait(false);
            }
        }

        private void Apply(JobRecord record, Run run, JobEvent what)
        {
            run.View.Apply(what);
            if (record.HasEnded)
            {
                return;
            }
            record.message = "";
            Digest picture = what.KindCase == JobEvent.KindOneofCase.Preview ? what.Preview.Image
                : what.KindCase == JobEvent.KindOneofCase.Snapshot ? run.View.Stages.Select(row => row.Preview).LastOrDefault(one => one != null)
                : null;
            if (picture != null)
            {
                Task.Run(() => ShowAsync(record, run, picture));
            }
            run.Item.Report(run.View);
            Notify(record);
        }

        private void Move(JobRecord record, RecordState state)
        {
            record.state = state;
            record.message = "";
            _store.Save();
            Notify(record);
        }

        private void End(JobRecord record, RecordState state, string message)
        {
            Run run = _runs[record.id];
            _runs.Remove(record.id);
            record.state = state;
            record.message = message;
            _store.Save();
            run.Item.Finish(state);
            if (run.Client != null)
            {
                run.Client.Dispose();
            }
            string text = "Lodsmith: " + record.form.Title + ": " + state.ToString().ToLowerInvariant() + (message.Length > 0 ? ": " + message : "") + " (" + record.jobName + ")";
            if (state == RecordState.Failed)
            {
                Debug.LogWarning(text);
            }
            else
            {
                Debug.Log(text);
            }
            Notify(record);
        }

        /// <summary>Shows what a job waits for. From any thread.</summary>
        private void Say(JobRecord record, string message)
        {
            _mainThread.Post(() =>
            {
                if (!record.HasEnded && record.message != message)
                {
                    record.message = message;
                    Notify(record);
                }
            });
        }

        private void Notify(JobRecord record)
        {
            Action<JobRecord> changed = Changed;
            if (changed != null)
            {
                changed(record);
            }
        }

        private string CachePath(Digest digest, string suffix)
        {
            return Path.Combine(_cache, string.Concat(digest.Sha256.Select(part => part.ToString("x2"))) + suffix);
        }

        private static string Percent(long done, long total)
        {
            return total == 0 ? "" : 100 * done / total + " %";
        }
    }
}
