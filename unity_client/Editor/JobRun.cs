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
    /// Brings one job from the request to the prefab. Each step is written down before it begins, so whatever a
    /// reload, a crash or a restart of the server cuts is taken up there by the next run of the same record.
    /// Public members belong to the main thread; network work is done off it.
    /// </summary>
    internal sealed class JobRun : IDisposable
    {
        private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(0.5);
        private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

        // Not long: whoever waits is told, and this run is patient by itself.
        private static readonly ClientOptions Options = new ClientOptions { Patience = TimeSpan.FromSeconds(5) };

        private readonly JobRecord _record;
        private readonly JobStore _store;
        private readonly MainThread _mainThread;
        private readonly AssetImport _import;
        private readonly ProgressItem _item;
        private readonly string _cache;
        private readonly TimeSpan _patience;
        private readonly CancellationTokenSource _closing = new CancellationTokenSource();
        private readonly CancellationTokenSource _cancelled = new CancellationTokenSource();
        private readonly SemaphoreSlim _showing = new SemaphoreSlim(1);
        private LodsmithClient _client;
        private Digest _shown;

        /// <param name="cache">Folder for downloads and pictures, outside of Assets.</param>
        /// <param name="patience">How long a server that cannot be reached is tried again.</param>
        public JobRun(JobRecord record, JobStore store, MainThread mainThread, string cache, TimeSpan patience)
        {
            _record = record;
            _store = store;
            _mainThread = mainThread;
            _cache = cache;
            _patience = patience;
            _import = new AssetImport(store, Path.Combine(cache, "Replaced"));
            _item = new ProgressItem(record, Cancel);
        }

        /// <summary>The job got further, or has ended. Main thread.</summary>
        public event Action Changed;

        public JobView View { get; } = new JobView();

        /// <summary>Begins, or goes on where the record is.</summary>
        public void Start()
        {
            if (_record.isCancelRequested)
            {
                _cancelled.Cancel();
            }
            try
            {
                if (_record.state == RecordState.Importing)
                {
                    _import.Undo(_record);
                }
                _client = new LodsmithClient(new Uri(_record.server), TokenStore.Read(_record.server), Options);
            }
            catch (Exception error) when (error is ArgumentException || error is UriFormatException)
            {
                End(RecordState.Failed, "The server's address is not usable: " + error.Message);
                return;
            }
            catch (Exception error) when (error is IOException || error is UnauthorizedAccessException)
            {
                End(RecordState.Failed, "What an import that was cut has left could not be removed: " + error.Message);
                return;
            }
            Task.Run(RunAsync);
        }

        /// <summary>Stops the job; returns at once.</summary>
        public void Cancel()
        {
            if (_record.HasEnded || _record.isCancelRequested)
            {
                return;
            }
            _record.isCancelRequested = true;
            _store.Save();
            _cancelled.Cancel();
            Notify();
        }

        /// <summary>Lets go of the job, which goes on on the server.</summary>
        public void Dispose()
        {
            _closing.Cancel();
            _client.Dispose();
        }

        private async Task RunAsync()
        {
            RecordState state = RecordState.Failed;
            string message = "";
            Exception defect = null;
            try
            {
                if (_record.jobName.Length == 0)
                {
                    await CreateAsync().ConfigureAwait(false);
                }
                Job job = await FollowAsync().ConfigureAwait(false);
                if (job.State == JobState.Failed)
                {
                    message = string.Format(
                        "{0} [{1}, {2}]", job.Error.Message, JobView.StageName(job.Error.Stage), job.Error.Reason);
                }
                else
                {
                    if (job.State == JobState.Succeeded && !_record.isCancelRequested)
                    {
                        await FetchAsync(job).ConfigureAwait(false);
                    }
                    state = RecordState.Cancelled;
                }
            }
            catch (Exception) when (_closing.IsCancellationRequested)
            {
                return; // goes on after the reload
            }
            catch (OperationCanceledException)
            {
                state = RecordState.Cancelled;
                bool mayGoOn = _record.state == RecordState.Creating || _record.state == RecordState.Running;
                message = mayGoOn ? "The server could not be asked; the job may go on there." : "";
            }
            catch (LodsmithException error)
            {
                message = error.Message + (error.Reason.Length > 0 ? " [" + error.Reason + "]" : "");
            }
            catch (Exception error) when (error is ImportException || error is IOException
                || error is UnauthorizedAccessException)
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
                if (!_record.HasEnded)
                {
                    End(state, message);
                }
            }).ConfigureAwait(false);
        }

        private async Task CreateAsync()
        {
            List<Digest> uploads = new List<Digest>();
            using (CancellationTokenSource stop = StopSource())
            {
                foreach (string file in _record.form.Files)
                {
                    await PatientlyAsync(stop.Token, async () =>
                    {
                        Task<Digest> upload = _client.UploadAsync(file, Saying("Uploads"), stop.Token);
                        uploads.Add(await upload.ConfigureAwait(false));
                    }).ConfigureAwait(false);
                }
                stop.Token.ThrowIfCancellationRequested();
                await _mainThread.RunAsync(() => Move(RecordState.Creating)).ConfigureAwait(false);

                JobSpec spec = _record.form.ToSpec(uploads);
                CreateJobRequest request = new CreateJobRequest { RequestId = _record.id, Spec = spec };
                await PatientlyAsync(stop.Token, async () =>
                {
                    // Not cut by the user's cancel: whether the server has a job must be known to cancel it.
                    Task<CreateJobResponse> answer = _client.CreateJobAsync(request, _closing.Token);
                    Job job = (await answer.ConfigureAwait(false)).Job;
                    await _mainThread.RunAsync(() =>
                    {
                        _record.jobName = job.Name;
                        Move(RecordState.Running);
                    }).ConfigureAwait(false);
                }).ConfigureAwait(false);
            }
        }

        /// <summary>Ends what the user's cancel may cut, and what a reload does.</summary>
        private CancellationTokenSource StopSource()
        {
            return CancellationTokenSource.CreateLinkedTokenSource(_closing.Token, _cancelled.Token);
        }

        private async Task<Job> FollowAsync()
        {
            Job finished = null;
            // The server is asked at once, if the job is cancelled already.
            using (_cancelled.Token.Register(() => Task.Run(CancelOnServerAsync)))
            using (CancellationTokenSource stop = StopSource())
            {
                // From a snapshot, which has all that events before it said: there is no cursor to keep.
                await PatientlyAsync(stop.Token, () => _client.FollowJobAsync(_record.jobName, 0, "", what =>
                {
                    finished = what.KindCase == JobEvent.KindOneofCase.Finished ? what.Finished : finished;
                    _mainThread.Post(() => Apply(what));
                }, _closing.Token)).ConfigureAwait(false);
            }
            return finished;
        }

        private async Task CancelOnServerAsync()
        {
            try
            {
                CancelJobRequest request = new CancelJobRequest { Name = _record.jobName };
                await PatientlyAsync(_closing.Token, () => _client.CancelJobAsync(request, _closing.Token))
                    .ConfigureAwait(false);
            }
            catch (Exception) when (_closing.IsCancellationRequested)
            {
                // Asked again after the reload.
            }
            catch (LodsmithException error)
            {
                Say("The job could not be cancelled: " + error.Message);
            }
        }

        private async Task FetchAsync(Job job)
        {
            List<AssetFacts> assets = AssetFacts.Of(job);
            if (assets.Count == 0)
            {
                throw new ImportException("The job made no mesh; another seed may help.");
            }
            await _mainThread.RunAsync(() => Move(RecordState.Downloading)).ConfigureAwait(false);
            List<string> files = assets.Select(asset => CachePath(asset.Glb, ".glb")).ToList();
            try
            {
                using (CancellationTokenSource stop = StopSource())
                {
                    for (int index = 0; index < files.Count; index++)
                    {
                        string file = files[index];
                        Digest glb = assets[index].Glb;
                        await PatientlyAsync(stop.Token, () => DownloadAsync(glb, file, stop.Token))
                            .ConfigureAwait(false);
                    }
                }
                Artifact picture = job.Result.Artifacts.FirstOrDefault(one => one.Role == "preview");
                if (picture != null)
                {
                    await ShowAsync(picture.Digest).ConfigureAwait(false);
                }
                await EditModeAsync().ConfigureAwait(false);
                await _mainThread.RunAsync(() =>
                {
                    if (_record.isCancelRequested)
                    {
                        throw new OperationCanceledException();
                    }
                    _import.Run(_record, assets, files);
                    // Here, because a reload may come before this task goes on.
                    End(RecordState.Imported, "");
                    if (_record.form.place)
                    {
                        AssetImport.PlaceInScene(_record.assets[0].prefab);
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

        /// <summary>Waits for the end of Play mode: what is placed in a scene that plays is gone after it.</summary>
        private async Task EditModeAsync()
        {
            bool isPlaying = true;
            while (isPlaying)
            {
                await _mainThread.RunAsync(() => isPlaying = EditorApplication.isPlayingOrWillChangePlaymode)
                    .ConfigureAwait(false);
                if (isPlaying)
                {
                    Say("Waits for the end of Play mode");
                    await Task.Delay(FirstPause, _closing.Token).ConfigureAwait(false);
                }
            }
        }

        private Task DownloadAsync(Digest digest, string file, CancellationToken stop)
        {
            Directory.CreateDirectory(_cache);
            return File.Exists(file)
                ? Task.FromResult(true)
                : _client.DownloadAsync(digest, file, Saying("Downloads"), stop);
        }

        /// <summary>Fetches a picture and shows it. No asset depends on it: errors only go to the console.</summary>
        private async Task ShowAsync(Digest picture)
        {
            string file = CachePath(picture, ".png");
            await _showing.WaitAsync().ConfigureAwait(false); // the same picture may come twice
            try
            {
                await DownloadAsync(picture, file, _closing.Token).ConfigureAwait(false);
                _mainThread.Post(() =>
                {
                    _record.thumbnail = file;
                    Notify();
                });
            }
            catch (Exception error)
            {
                _mainThread.Post(() => Debug.LogWarning("Lodsmith: a preview is missing: " + error.Message));
            }
            finally
            {
                _showing.Release();
            }
        }

        /// <summary>Repeats a step for as long as only the server is missing.</summary>
        /// <param name="stop">Ends the waiting, not the step.</param>
        private async Task PatientlyAsync(CancellationToken stop, Func<Task> step)
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
                catch (LodsmithException error) when ((error.IsTransient || error.RetryAfter != null)
                    && waiting.Elapsed < _patience)
                {
                    wait = error.RetryAfter > pause ? error.RetryAfter.Value : pause;
                    Say("Waits for the server: " + error.Message);
                }
                waiting.Start();
                await Task.Delay(wait, stop).ConfigureAwait(false);
            }
        }

        private void Apply(JobEvent what)
        {
            View.Apply(what);
            if (_record.HasEnded)
            {
                return;
            }
            _record.message = "";
            Digest picture = View.Stages.Select(row => row.Preview).LastOrDefault(one => one != null);
            if (picture != null && picture != _shown)
            {
                _shown = picture;
                Task.Run(() => ShowAsync(picture));
            }
            _item.Report(View);
            Notify();
        }

        private void Move(RecordState state)
        {
            _record.state = state;
            _record.message = "";
            _store.Save();
            Notify();
        }

        private void End(RecordState state, string message)
        {
            _record.state = state;
            _record.message = message;
            try
            {
                _store.Save();
            }
            catch (IOException error)
            {
                Debug.LogWarning("Lodsmith: the list of jobs could not be written: " + error.Message);
            }
            _item.Finish(state);
            if (_client != null)
            {
                _client.Dispose();
            }
            string title = _record.form.Title;
            string text = string.Format("Lodsmith: {0}: {1} {2} ({3})", title, state, message, _record.jobName);
            if (state == RecordState.Failed)
            {
                Debug.LogWarning(text);
            }
            else
            {
                Debug.Log(text);
            }
            Notify();
        }

        /// <summary>Shows what a job waits for. From any thread.</summary>
        private void Say(string message)
        {
            _mainThread.Post(() =>
            {
                if (!_record.HasEnded && _record.message != message)
                {
                    _record.message = message;
                    Notify();
                }
            });
        }

        private void Notify()
        {
            Action changed = Changed;
            if (changed != null)
            {
                changed();
            }
        }

        private string CachePath(Digest digest, string suffix)
        {
            // Of this job alone: two jobs may have the same result at the same time.
            string hash = string.Concat(digest.Sha256.Take(8).Select(part => part.ToString("x2")));
            return Path.Combine(_cache, _record.id + "." + hash + suffix);
        }

        private Action<long, long> Saying(string what)
        {
            return (done, total) => Say(total == 0 ? what : what + " " + 100 * done / total + " %");
        }
    }
}
