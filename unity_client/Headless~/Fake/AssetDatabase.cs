using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Headless;
using UnityEngine;
using UnityEngine.UIElements;
using Object = UnityEngine.Object;

namespace UnityEditor
{
    [Flags]
    public enum ImportAssetOptions
    {
        Default = 0,
        ForceSynchronousImport = 8,
    }

    /// <summary>
    /// Files under Assets and Packages/com.lodsmith.client. An asset is known once it was imported, which gives it
    /// a .meta with a GUID that stays while the .meta does.
    /// </summary>
    public static class AssetDatabase
    {
        private static readonly Dictionary<string, List<Object>> Loaded = new Dictionary<string, List<Object>>();

        public static bool IsAssetImportWorkerProcess()
        {
            return Environment.GetEnvironmentVariable("LODSMITH_FAKE_PROCESS") == "import worker";
        }

        public static void ImportAsset(string path, ImportAssetOptions options)
        {
            EditorFaults.Throw("import " + path);
            if (!File.Exists(path) && !Directory.Exists(path))
            {
                return;
            }
            string folder = Path.GetDirectoryName(path).Replace('\\', '/');
            if (folder.StartsWith("Assets/"))
            {
                ImportAsset(folder, options); // as Unity does when it sees a folder for the first time
            }
            if (!File.Exists(path + ".meta"))
            {
                File.WriteAllText(path + ".meta", "guid: " + Guid.NewGuid().ToString("N") + "\n");
            }
            Loaded.Remove(path);
            EngineMemory.Current.Note("import " + path);
        }

        public static Object[] LoadAllAssetsAtPath(string assetPath)
        {
            return Load(assetPath).ToArray();
        }

        public static T LoadAssetAtPath<T>(string assetPath) where T : Object
        {
            return Load(assetPath).OfType<T>().FirstOrDefault();
        }

        public static string GetAssetPath(Object assetObject)
        {
            return Loaded.Where(pair => pair.Value.Any(one => ReferenceEquals(one, assetObject)))
                .Select(pair => pair.Key).FirstOrDefault() ?? "";
        }

        public static string AssetPathToGUID(string path)
        {
            return File.Exists(path + ".meta") ? File.ReadAllText(path + ".meta").Trim().Substring("guid: ".Length)
                : "";
        }

        public static bool IsValidFolder(string path)
        {
            return Directory.Exists(path) && (path == "Assets" || File.Exists(path + ".meta"));
        }

        public static string CreateFolder(string parentFolder, string newFolderName)
        {
            if (!IsValidFolder(parentFolder))
            {
                Debug.LogError("CreateFolder: there is no folder " + parentFolder);
                return "";
            }
            string path = parentFolder + "/" + newFolderName;
            EditorFaults.Throw("create " + path);
            Directory.CreateDirectory(path);
            ImportAsset(path, ImportAssetOptions.Default);
            return AssetPathToGUID(path);
        }

        public static bool DeleteAsset(string path)
        {
            bool isKnown = File.Exists(path + ".meta");
            if (!isKnown)
            {
                return false;
            }
            if (Directory.Exists(path))
            {
                Directory.Delete(path, true);
            }
            File.Delete(path);
            File.Delete(path + ".meta");
            Loaded.Remove(path);
            return true;
        }

        internal static void Reload()
        {
            Loaded.Clear();
        }

        private static List<Object> Load(string path)
        {
            List<Object> objects;
            if (path == null || Loaded.TryGetValue(path, out objects))
            {
                return path == null ? new List<Object>() : Loaded[path];
            }
            objects = Read(path);
            Loaded[path] = objects;
            return objects;
        }

        private static List<Object> Read(string path)
        {
            const string package = "Packages/com.lodsmith.client/";
            if (path.StartsWith(package))
            {
                string file = Path.Combine(EditorPaths.Package, path.Substring(package.Length));
                return File.Exists(file)
                    ? new List<Object> { path.EndsWith(".uxml") ? (Object)new VisualTreeAsset(file) : new StyleSheet() }
                    : new List<Object>();
            }
            if (!File.Exists(path) || !File.Exists(path + ".meta"))
            {
                return new List<Object>();
            }
            if (path.EndsWith(".prefab"))
            {
                return new List<Object> { PrefabFile.Read(path) };
            }
            return path.EndsWith(".glb")
                && PackageManager.PackageInfo.FindForAssetPath("Packages/com.unity.cloud.gltfast") != null
                ? GlbFile.Import(path)
                : new List<Object> { new DefaultAsset() };
        }
    }

    public class DefaultAsset : Object
    {
        internal DefaultAsset()
        {
        }
    }
}

namespace Headless
{
    /// <summary>Where things are that are no part of the project.</summary>
    public static class EditorPaths
    {
        /// <summary>The package's folder.</summary>
        public static string Package
        {
            get { return Environment.GetEnvironmentVariable("LODSMITH_PACKAGE"); }
        }
    }

    /// <summary>Makes the next step of the simulated editor whose name begins so fail, or ends the process there.</summary>
    public static class EditorFaults
    {
        public static string Step;

        /// <summary>What the step throws. Null: the process is killed, as when the editor crashes.</summary>
        public static Exception Error;

        internal static void Throw(string step)
        {
            if (Step == null || !step.StartsWith(Step))
            {
                return;
            }
            Step = null;
            if (Error != null)
            {
                throw Error;
            }
            System.Diagnostics.Process.GetCurrentProcess().Kill();
            System.Threading.Thread.Sleep(System.Threading.Timeout.Infinite);
        }
    }
}
