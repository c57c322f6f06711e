using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using UnityEditor;

namespace Lodsmith.Editor
{
    /// <summary>
    /// The jobs of this project: what is asked for, what goes on, what was. A <see cref="JobRun"/> does the work.
    /// Main thread.
    /// </summary>
    internal sealed class JobTracker : IDisposable
    {
        private readonly JobStore _store;
        private readonly string _cache;
        private readonly Dictionary<string, JobRun> _runs = new Dictionary<string, JobRun>();

        /// <param name="cache">Folder for downloads and pictures, outside of Assets.</param>
        public JobTracker(JobStore store, MainThread mainThread, string cache)
        {
            _store = store;
            _cache = cache;
            MainThread = mainThread;
        }

        /// <summary>The project's own.</summary>
        public static JobTracker Instance { get; private set; }

        /// <summary>A job got further, or was added or removed.</summary>
        public event Action<JobRecord> Changed;

        /// <summary>Where work for the main thread waits.</summary>
        public MainThread MainThread { get; private set; }

        /// <summary>How long a server that cannot be reached is tried again by jobs that start from now on.</summary>
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
            bool isThere = record.assets.Length == 1 && File.Exists(record.assets[0].prefab);
            form.replaces = isThere ? record.assets[0].prefab : "";
            form.place = false;
            JobRecord again = new JobRecord { form = form, server = record.server, jobName = record.jobName };
            again.state = RecordState.Running;
            return Add(again);
        }

        /// <summary>Stops a job; returns at once. What has been imported stays.</summary>
        public void Cancel(JobRecord record)
        {
            JobRun run;
            if (_runs.TryGetValue(record.id, out run))
            {
                run.Cancel();
            }
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
            JobRun run;
            return _runs.TryGetValue(record.id, out run) ? run.View : null;
        }

        /// <summary>Takes up what a reload or restart has cut.</summary>
        public void Resume()
        {
            List<JobRecord> cut = Records.Where(record => !record.HasEnded && !_runs.ContainsKey(record.id)).ToList();
            if (cut.Count == 0 && _runs.Count == 0 && Directory.Exists(_cache))
            {
                foreach (string file in Directory.GetFiles(_cache).Except(Records.Select(record => record.thumbnail)))
                {
                    File.Delete(file);
                }
            }
            cut.ForEach(Start);
        }

        /// <summary>Lets go of everything. Jobs go on on the server, and <see cref="Resume"/> finds them.</summary>
        public void Dispose()
        {
            foreach (JobRun run in _runs.Values)
            {
                run.Dispose();
            }
            _runs.Clear();
        }

        [InitializeOnLoadMethod]
        private static void Load()
        {
            // Unity's helpers for imports load the scripts too, and must not do the editor's work.
            if (AssetDatabase.IsAssetImportWorkerProcess())
            {
                return;
            }
            MainThread mainThread = new MainThread();
            Instance = new JobTracker(new JobStore("UserSettings/LodsmithJobs.json"), mainThread, "Library/Lodsmith");
            EditorApplication.update += mainThread.Drain;
            AssemblyReloadEvents.beforeAssemblyReload += Instance.Dispose;
            // A build in batch mode must not find assets in it that somebody asked for at a desk.
            if (!UnityEngine.Application.isBatchMode)
            {
                // Not at once: while the domain loads, assets must not be touched.
                EditorApplication.delayCall += Instance.Resume;
            }
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
            JobRun run = new JobRun(record, _store, MainThread, _cache, Patience);
            run.Changed += () =>
            {
                if (record.HasEnded)
                {
                    _runs.Remove(record.id);
                }
                Notify(record);
            };
            _runs[record.id] = run;
            run.Start();
        }

        private void Notify(JobRecord record)
        {
            Action<JobRecord> changed = Changed;
            if (changed != null)
            {
                changed(record);
            }
        }
    }
}
