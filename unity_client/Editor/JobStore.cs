using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using UnityEngine;

namespace Lodsmith.Editor
{
    /// <summary>
    /// The jobs of a project and person in one JSON file, replaced in one step: the only truth about what has
    /// been asked for and imported, for domain reloads and restarts alike. Main thread.
    /// </summary>
    internal sealed class JobStore
    {
        private const int MostEnded = 100;

        private readonly string _path;
        private readonly List<JobRecord> _records = new List<JobRecord>();

        [Serializable]
        private sealed class Document
        {
            public JobRecord[] records = new JobRecord[0];
        }

        /// <summary>Reads the file, if there is one. A damaged file is put aside, and said so.</summary>
        public JobStore(string path)
        {
            _path = path;
            if (!File.Exists(path))
            {
                return;
            }
            try
            {
                _records.AddRange(JsonUtility.FromJson<Document>(File.ReadAllText(path)).records);
            }
            catch (Exception error) when (error is ArgumentException || error is NullReferenceException)
            {
                string aside = path + ".damaged";
                File.Delete(aside);
                File.Move(path, aside);
                Debug.LogWarning("Lodsmith: the list of jobs could not be read and is now " + aside + ".");
            }
        }

        /// <summary>Newest first.</summary>
        public IReadOnlyList<JobRecord> Records
        {
            get { return _records; }
        }

        /// <summary>Adds a job and saves.</summary>
        public void Add(JobRecord record)
        {
            _records.Insert(0, record);
            foreach (JobRecord old in _records.Where(one => one.HasEnded).Skip(MostEnded).ToList())
            {
                _records.Remove(old);
            }
            Save();
        }

        /// <summary>Forgets a job; its assets stay.</summary>
        public void Remove(JobRecord record)
        {
            _records.Remove(record);
            Save();
        }

        /// <summary>Writes all records. When this returns they survive the editor's end.</summary>
        public void Save()
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path));
            string beside = _path + ".new";
            File.WriteAllText(beside, JsonUtility.ToJson(new Document { records = _records.ToArray() }, true));
            if (File.Exists(_path))
            {
                File.Replace(beside, _path, null);
            }
            else
            {
                File.Move(beside, _path);
            }
        }
    }
}
