using System.IO;
using UnityEditor;

namespace Lodsmith.Editor.Tests
{
    /// <summary>A folder of the project that belongs to the tests, and the package's state in files beside it.</summary>
    internal sealed class ProjectFolder
    {
        public const string Path = "Assets/LodsmithTests";

        private readonly string _state = System.IO.Path.Combine("Temp", "LodsmithTests");

        /// <summary>Makes both, empty.</summary>
        public ProjectFolder()
        {
            Delete();
            AssetDatabase.CreateFolder("Assets", "LodsmithTests");
            Directory.CreateDirectory(_state);
            Store = new JobStore(System.IO.Path.Combine(_state, "jobs.json"));
            Import = new AssetImport(Store, System.IO.Path.Combine(_state, "Replaced"));
        }

        public JobStore Store { get; private set; }

        public AssetImport Import { get; private set; }

        /// <summary>A path outside of Assets.</summary>
        public string State(string name)
        {
            return System.IO.Path.Combine(_state, name);
        }

        /// <summary>Everything below the tests' folder, metas aside.</summary>
        public string[] Files()
        {
            return System.Array.FindAll(
                Directory.GetFileSystemEntries(Path, "*", SearchOption.AllDirectories),
                entry => !entry.EndsWith(".meta"));
        }

        public void Delete()
        {
            AssetDatabase.DeleteAsset(Path);
            if (Directory.Exists(_state))
            {
                Directory.Delete(_state, true);
            }
        }
    }
}
