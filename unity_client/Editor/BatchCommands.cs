using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using UnityEditor;
using UnityEngine;

namespace Lodsmith.Editor
{
    /// <summary>
    /// For farms: `Unity -batchmode -nographics -projectPath P -executeMethod Lodsmith.Editor.BatchCommands.Build
    /// -manifest FILE -logFile -`. Exit codes: 0 all made, 1 a job failed or was refused, 2 wrong manifest or
    /// usage, 3 server not reachable.
    /// </summary>
    public static class BatchCommands
    {
        /// <summary>Makes the assets of a manifest and ends the editor.</summary>
        public static void Build()
        {
            EditorApplication.Exit(BatchRun.Run(Environment.GetCommandLineArgs(), JobTracker.Instance, Console.Out));
        }
    }

    /// <summary>The assets of a JSON file. `server` may be absent: the project's setting.</summary>
    [Serializable]
    internal sealed class BatchManifest
    {
        public string server = "";
        public GenerateForm[] assets = new GenerateForm[0];
    }

    /// <summary>One line of the batch's output.</summary>
    [Serializable]
    internal sealed class BatchLine
    {
        public int asset;
        public string title = "";
        public string job = "";
        public string state = "";
        public string stage = "";
        public double fraction;
        public string message = "";
        public string[] prefabs = new string[0];
    }

    /// <summary>Runs a manifest. Blocks the main thread and does its work itself: nobody else is there.</summary>
    internal static class BatchRun
    {
        private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

        /// <summary>Returns the exit code; writes JSON lines.</summary>
        public static int Run(string[] arguments, JobTracker tracker, TextWriter output)
        {
            int index = Array.IndexOf(arguments, "-manifest");
            if (index < 0 || index + 1 >= arguments.Length)
            {
                return Refuse(output, 2, "-manifest FILE is missing");
            }
            BatchManifest manifest;
            try
            {
                manifest = JsonUtility.FromJson<BatchManifest>(File.ReadAllText(arguments[index + 1]));
            }
            catch (Exception error) when (error is ArgumentException || error is IOException
                || error is UnauthorizedAccessException)
            {
                return Refuse(output, 2, arguments[index + 1] + " cannot be read: " + error.Message);
            }
            if (manifest == null || manifest.assets.Length == 0)
            {
                return Refuse(output, 2, arguments[index + 1] + " names no assets");
            }
            for (int number = 0; number < manifest.assets.Length; number++)
            {
                string problem = manifest.assets[number].Problem();
                if (problem != null)
                {
                    return Refuse(output, 2, "assets[" + number + "]: " + problem);
                }
            }
            string server = manifest.server.Length > 0 ? manifest.server : LodsmithSettings.instance.server;
            string unreachable = Unreachable(server, tracker.MainThread);
            return unreachable == null
                ? Make(manifest.assets, server, tracker, output)
                : Refuse(output, 3, server + ": " + unreachable);
        }

        private static int Make(GenerateForm[] assets, string server, JobTracker tracker, TextWriter output)
        {
            List<JobRecord> records = new List<JobRecord>();
            Dictionary<string, string> last = new Dictionary<string, string>();
            Action<JobRecord> write = record =>
            {
                int number = records.IndexOf(record);
                JobView view = tracker.ViewOf(record);
                string step = record.state + (view == null ? "" : view.StepLabel) + record.message;
                if (number < 0 || (last.ContainsKey(record.id) && last[record.id] == step))
                {
                    return;
                }
                last[record.id] = step;
                bool isImported = record.state == RecordState.Imported;
                output.WriteLine(JsonUtility.ToJson(new BatchLine
                {
                    asset = number,
                    title = record.form.Title,
                    job = record.jobName,
                    state = record.state.ToString().ToLowerInvariant(),
                    stage = view == null ? "" : view.StepLabel,
                    fraction = view == null ? (isImported ? 1 : 0) : view.Fraction,
                    message = record.message,
                    prefabs = isImported ? record.assets.Select(one => one.prefab).ToArray() : new string[0],
                }));
                output.Flush();
            };
            tracker.Patience = Patience;
            tracker.Changed += write;
            try
            {
                foreach (GenerateForm form in assets)
                {
                    records.Add(tracker.Submit(form, server));
                    write(records.Last());
                }
                while (!records.All(record => record.HasEnded))
                {
                    tracker.MainThread.Drain();
                    Thread.Sleep(5);
                }
            }
            finally
            {
                tracker.Changed -= write;
            }
            return records.All(record => record.state == RecordState.Imported) ? 0 : 1;
        }

        private static string Unreachable(string server, MainThread mainThread)
        {
            string problem = null;
            bool isAnswered = false;
            ServerTest.Run(server, mainThread, (answer, error) =>
            {
                problem = error == null ? null : answer;
                isAnswered = true;
            });
            while (!isAnswered)
            {
                mainThread.Drain();
                Thread.Sleep(5);
            }
            return problem;
        }

        private static int Refuse(TextWriter output, int code, string message)
        {
            output.WriteLine(JsonUtility.ToJson(new BatchLine { asset = -1, state = "refused", message = message }));
            output.Flush();
            return code;
        }
    }
}
