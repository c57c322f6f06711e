using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using UnityEditor;
using UnityEngine;

namespace Lodsmith.Editor
{
    /// <summary>
    /// Downloaded GLBs -> assets under Assets: all of a job or none. Paths are planned and saved in the job's
    /// record before the first file is written, so what a cut leaves behind is known and removed. Main thread.
    /// </summary>
    internal sealed class AssetImport
    {
        private readonly JobStore _store;
        private readonly string _backupFolder;

        /// <param name="backupFolder">Outside of Assets: keeps what is being replaced until it is.</param>
        public AssetImport(JobStore store, string backupFolder)
        {
            _store = store;
            _backupFolder = backupFolder;
        }

        /// <summary>Imports the assets of a job and marks the record as imported.</summary>
        /// <param name="files">The GLB of each asset.</param>
        /// <exception cref="ImportException">It could not be done; nothing is left behind.</exception>
        public void Run(JobRecord record, IReadOnlyList<AssetFacts> assets, IReadOnlyList<string> files)
        {
            Plan(record, assets);
            try
            {
                _store.Save();
                BackUp(record);
                foreach (string folder in record.newFolders)
                {
                    AssetDatabase.CreateFolder(Parent(folder), Path.GetFileName(folder));
                }
                for (int index = 0; index < files.Count; index++)
                {
                    ImportedAsset asset = record.assets[index];
                    Place(files[index], asset.glb);
                    AssetDatabase.ImportAsset(asset.glb, ImportAssetOptions.ForceSynchronousImport);
                    PrefabBuilder.Build(assets[index], asset.glb, asset.prefab, LodsmithSettings.instance);
                }
                record.state = RecordState.Imported;
                _store.Save();
            }
            catch (Exception error)
            {
                Undo(record);
                if (error is IOException || error is UnauthorizedAccessException)
                {
                    throw new ImportException(
                        "The asset could not be written, and nothing was imported: " + error.Message, error);
                }
                throw;
            }
            DeleteBackUp(record);
        }

        /// <summary>Removes what an import left behind that was cut or failed. Safe to repeat.</summary>
        public void Undo(JobRecord record)
        {
            string[] halfWritten = FilesOf(record).Select(Beside).ToArray();
            foreach (string path in halfWritten.Concat(record.newFiles).Concat(record.newFolders.Reverse()))
            {
                Delete(path);
            }
            foreach (string path in FilesOf(record))
            {
                if (File.Exists(BackUpOf(record, path)))
                {
                    File.Copy(BackUpOf(record, path), path, true);
                    AssetDatabase.ImportAsset(path, ImportAssetOptions.ForceSynchronousImport);
                }
            }
            record.assets = new ImportedAsset[0];
            record.newFolders = new string[0];
            record.newFiles = new string[0];
            record.state = RecordState.Downloading;
            _store.Save();
            DeleteBackUp(record);
        }

        /// <summary>Puts an instance on the ground at the scene view's pivot, and selects it. Can be undone.</summary>
        public static GameObject PlaceInScene(string prefab)
        {
            GameObject asset = AssetDatabase.LoadAssetAtPath<GameObject>(prefab);
            GameObject instance = (GameObject)PrefabUtility.InstantiatePrefab(asset);
            SceneView view = SceneView.lastActiveSceneView;
            Vector3 pivot = view == null ? Vector3.zero : view.pivot;
            instance.transform.position = new Vector3(pivot.x, 0, pivot.z);
            UnityEditor.Undo.RegisterCreatedObjectUndo(instance, "Place " + instance.name);
            Selection.activeObject = instance;
            return instance;
        }

        private void Plan(JobRecord record, IReadOnlyList<AssetFacts> assets)
        {
            List<ImportedAsset> planned = new List<ImportedAsset>();
            foreach (AssetFacts facts in assets)
            {
                string replaced = record.form.replaces;
                string prefab = replaced.Length > 0 ? replaced : FreePath(record.form, facts, planned);
                string replacedGlb = GlbOf(AssetDatabase.LoadAssetAtPath<GameObject>(replaced));
                planned.Add(new ImportedAsset
                {
                    name = facts.Name,
                    seed = facts.Seed,
                    triangles = facts.Triangles.ToArray(),
                    prefab = prefab,
                    glb = replacedGlb ?? SourcePath(prefab),
                });
            }
            record.assets = planned.ToArray();
            record.newFiles = FilesOf(record).Where(path => !File.Exists(path)).ToArray();
            record.newFolders = planned.SelectMany(asset => FoldersOf(asset.glb)).Distinct()
                .Where(folder => !Directory.Exists(folder)).ToArray();
            record.state = RecordState.Importing;
            record.message = "";
        }

        /// <summary>Path for a prefab whose name, with a number where it is needed, nothing has yet.</summary>
        private static string FreePath(GenerateForm form, AssetFacts facts, List<ImportedAsset> planned)
        {
            LodsmithSettings settings = LodsmithSettings.instance;
            DateTime now = DateTime.Now;
            string folder = NamePattern.Expand(form.folder.Length > 0 ? form.folder : settings.folder, facts, now);
            string name = NamePattern.Expand(form.fileName.Length > 0 ? form.fileName : settings.fileName, facts, now);
            for (int count = 0; ; count++)
            {
                string path = folder + "/" + name + (count == 0 ? "" : " " + count) + ".prefab";
                if (!File.Exists(path) && !File.Exists(SourcePath(path)) && planned.All(one => one.prefab != path))
                {
                    return path;
                }
            }
        }

        /// <summary>Asset path of the GLB that the first mesh of an object comes from, or null.</summary>
        public static string GlbOf(GameObject root)
        {
            MeshFilter filter = root == null ? null : root.GetComponentInChildren<MeshFilter>();
            string path = filter == null ? "" : AssetDatabase.GetAssetPath(filter.sharedMesh);
            return path.EndsWith(".glb", StringComparison.OrdinalIgnoreCase) ? path : null;
        }

        private static string SourcePath(string prefab)
        {
            return Parent(prefab) + "/Source/" + Path.GetFileNameWithoutExtension(prefab) + ".glb";
        }

        private static string Parent(string path)
        {
            return path.Substring(0, path.LastIndexOf('/'));
        }

        private static IEnumerable<string> FilesOf(JobRecord record)
        {
            return record.assets.SelectMany(asset => new[] { asset.glb, asset.prefab });
        }

        /// <summary>Deletes a file, or a folder with nothing in it, whether Unity knows it yet or not.</summary>
        private static void Delete(string path)
        {
            if (Directory.Exists(path) ? Directory.EnumerateFileSystemEntries(path).Any() : !File.Exists(path))
            {
                return;
            }
            if (AssetDatabase.DeleteAsset(path))
            {
                return;
            }
            if (Directory.Exists(path))
            {
                Directory.Delete(path);
            }
            else
            {
                File.Delete(path);
            }
            File.Delete(path + ".meta");
        }

        private static IEnumerable<string> FoldersOf(string path)
        {
            string[] parts = path.Split('/');
            return Enumerable.Range(2, parts.Length - 2).Select(count => string.Join("/", parts.Take(count)));
        }

        /// <summary>Where a file is written before it is moved to its place. Unity ignores such names.</summary>
        private static string Beside(string path)
        {
            return path + "~";
        }

        private static void Place(string file, string path)
        {
            File.Copy(file, Beside(path), true);
            if (File.Exists(path))
            {
                File.Replace(Beside(path), path, null);
            }
            else
            {
                File.Move(Beside(path), path);
            }
        }

        private string BackUpOf(JobRecord record, string path)
        {
            return Path.Combine(_backupFolder, record.id, Path.GetFileName(path));
        }

        private void BackUp(JobRecord record)
        {
            foreach (string path in FilesOf(record).Except(record.newFiles))
            {
                Directory.CreateDirectory(Path.Combine(_backupFolder, record.id));
                // In one step, so that half a copy is never restored.
                string copy = BackUpOf(record, path);
                File.Copy(path, Beside(copy), true);
                File.Delete(copy);
                File.Move(Beside(copy), copy);
            }
        }

        private void DeleteBackUp(JobRecord record)
        {
            string folder = Path.Combine(_backupFolder, record.id);
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, true);
            }
        }
    }
}
