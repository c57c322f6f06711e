using System;
using System.Globalization;
using System.Linq;

namespace Lodsmith.Editor
{
    /// <summary>How far a job and its import are, in order; from Imported on it has ended. Written ahead.</summary>
    internal enum RecordState
    {
        /// <summary>Nothing but uploads has been sent.</summary>
        Pending,

        /// <summary>`CreateJob` may have reached the server; repeating it with the same id is harmless.</summary>
        Creating,

        /// <summary>The server has the job.</summary>
        Running,

        /// <summary>The job has succeeded; files are on their way.</summary>
        Downloading,

        /// <summary>Files are being made under Assets. Found after a restart it was cut, and is cleaned up.</summary>
        Importing,

        /// <summary>Done, once and for all.</summary>
        Imported,

        Failed,
        Cancelled,
    }

    /// <summary>An asset that was imported, or is about to be.</summary>
    [Serializable]
    internal sealed class ImportedAsset
    {
        public string name = "";
        public long seed;

        /// <summary>Asset path of the GLB.</summary>
        public string glb = "";

        /// <summary>Asset path of the prefab.</summary>
        public string prefab = "";

        /// <summary>Per LOD.</summary>
        public int[] triangles = new int[0];
    }

    /// <summary>One job as the editor remembers it over reloads and restarts.</summary>
    [Serializable]
    internal sealed class JobRecord
    {
        private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

        /// <summary>The request id: makes creating the job safe to repeat.</summary>
        public string id = Guid.NewGuid().ToString("N");

        /// <summary>`Job.name`. Empty until the server has answered.</summary>
        public string jobName = "";

        public GenerateForm form = new GenerateForm();

        /// <summary>Address of the server that has the job.</summary>
        public string server = "";

        public RecordState state;

        /// <summary>Asked to stop; the end may still have to come.</summary>
        public bool isCancelRequested;

        /// <summary>How it ended, or what it waits for, for a person.</summary>
        public string message = "";

        /// <summary>When it was asked for: local time, "yyyy-MM-dd HH:mm".</summary>
        public string time = DateTime.Now.ToString("yyyy-MM-dd HH:mm");

        /// <summary>What is imported, or is just being.</summary>
        public ImportedAsset[] assets = new ImportedAsset[0];

        /// <summary>Folders that the import under way makes, outermost first.</summary>
        public string[] newFolders = new string[0];

        /// <summary>Files that it makes; what it replaces is not among them.</summary>
        public string[] newFiles = new string[0];

        /// <summary>File of the latest picture. Empty: none yet.</summary>
        public string thumbnail = "";

        /// <summary>Whether nothing more happens by itself.</summary>
        public bool HasEnded
        {
            get { return state >= RecordState.Imported; }
        }

        /// <summary>One line for a list: "20,000 / 10,000 / 4,000 triangles".</summary>
        public string TrianglesText
        {
            get
            {
                if (assets.Length == 0)
                {
                    return "";
                }
                return string.Join(" / ", assets[0].triangles.Select(count => count.ToString("N0", Culture)))
                    + " triangles";
            }
        }
    }
}
