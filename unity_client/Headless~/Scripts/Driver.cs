using System.Linq;
using UnityEngine;

namespace Lodsmith.Editor.Tests
{
    /// <summary>What a session's commands call in the scripts' domain. Compiled into the tests' assembly.</summary>
    internal static class Driver
    {
        /// <summary>Asks for an asset; returns the record's id.</summary>
        public static string Submit(string form)
        {
            return JobTracker.Instance.Submit(JsonUtility.FromJson<GenerateForm>(form)).id;
        }

        public static string Cancel(string id)
        {
            JobTracker.Instance.Cancel(JobTracker.Instance.Records.First(record => record.id == id));
            return "";
        }

        public static string Half(string id)
        {
            JobRecord record = JobTracker.Instance.Records.First(one => one.id == id);
            return JobTracker.Instance.Submit(record.form.AtHalf(record.jobName, record.assets[0].triangles)).id;
        }

        public static string Reimport(string id)
        {
            return JobTracker.Instance.Reimport(JobTracker.Instance.Records.First(record => record.id == id)).id;
        }

        /// <summary>"yes" when nothing is left to do.</summary>
        public static string HasEnded()
        {
            return JobTracker.Instance.Records.All(record => record.HasEnded) ? "yes" : "no";
        }

        /// <summary>"yes" when the newest job is so far, or further.</summary>
        public static string IsCreating()
        {
            return IsAt(RecordState.Creating);
        }

        public static string IsRunning()
        {
            return IsAt(RecordState.Running);
        }

        public static string IsDownloading()
        {
            return IsAt(RecordState.Downloading);
        }

        /// <summary>A record as JSON.</summary>
        public static string Record(string id)
        {
            return JsonUtility.ToJson(JobTracker.Instance.Records.First(record => record.id == id));
        }

        private static string IsAt(RecordState state)
        {
            return JobTracker.Instance.Records[0].state >= state ? "yes" : "no";
        }

        /// <summary>Points the project at a server.</summary>
        public static string UseServer(string address)
        {
            LodsmithSettings.instance.server = address;
            LodsmithSettings.instance.Save();
            return "";
        }
    }
}
