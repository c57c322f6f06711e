using System;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using UnityEditor;
using UnityEngine;
using Object = UnityEngine.Object;

namespace Lodsmith.Editor
{
    /// <summary>Menu entries; all of them fill the window's form and leave the last click to the user.</summary>
    internal static class MenuCommands
    {
        [MenuItem("Assets/Lodsmith/Generate Here")]
        public static void GenerateHere()
        {
            string path = AssetDatabase.GetAssetPath(Selection.activeObject);
            string folder = path.Length == 0 ? "Assets"
                : AssetDatabase.IsValidFolder(path) ? path
                : Path.GetDirectoryName(path).Replace('\\', '/');
            GenerateWindow window = GenerateWindow.Open();
            window.Form.folder = folder;
            window.Form.replaces = "";
            window.ShowForm();
        }

        [MenuItem("GameObject/Lodsmith/Make LODs", false, 20)]
        [MenuItem("Assets/Lodsmith/Make LODs")]
        public static void MakeLods()
        {
            GenerateWindow window = GenerateWindow.Open();
            string glb = GlbOf(Selection.activeObject);
            if (glb == null)
            {
                window.ShowProblem(
                    "LODs are made of GLB files, and the selection comes from none. "
                    + "Export the model as binary glTF (.glb), or drop a .glb here.");
                return;
            }
            window.Form.prompt = window.Form.job = "";
            window.Form.images = new string[0];
            window.Form.replaces = "";
            window.AddFiles(new[] { glb });
        }

        [MenuItem("GameObject/Lodsmith/Replace In Place", false, 21)]
        [MenuItem("Assets/Lodsmith/Replace In Place")]
        public static void ReplaceInPlace()
        {
            GenerateWindow window = GenerateWindow.Open();
            string prefab = PrefabOf(Selection.activeObject);
            string glb = prefab == null ? null : AssetImport.GlbOf(AssetDatabase.LoadAssetAtPath<GameObject>(prefab));
            if (glb == null)
            {
                window.ShowProblem(
                    "Only prefabs that Lodsmith made can be replaced in place. Select one of them, or an instance.");
                return;
            }
            window.Form.replaces = prefab;
            window.Form.place = false;
            window.Form.name = NameIn(glb);
            window.ShowForm();
        }

        /// <summary>The GLB that an asset or object comes from, or null.</summary>
        private static string GlbOf(Object selected)
        {
            string path = AssetDatabase.GetAssetPath(selected);
            bool isGlb = path.EndsWith(".glb", StringComparison.OrdinalIgnoreCase);
            return isGlb ? path : AssetImport.GlbOf(selected as GameObject);
        }

        private static string PrefabOf(Object selected)
        {
            string path = AssetDatabase.GetAssetPath(selected);
            if (path.Length == 0 && selected is GameObject)
            {
                path = PrefabUtility.GetPrefabAssetPathOfNearestInstanceRoot(selected);
            }
            return path.EndsWith(".prefab", StringComparison.OrdinalIgnoreCase) ? path : null;
        }

        /// <summary>The name inside of a GLB of ours: with the same one, meshes keep their identity too.</summary>
        private static string NameIn(string glb)
        {
            return AssetDatabase.LoadAllAssetsAtPath(glb).OfType<Mesh>()
                .Select(mesh => Regex.Match(mesh.name, "^SM_(.+)_LOD0$")).Where(match => match.Success)
                .Select(match => match.Groups[1].Value).FirstOrDefault() ?? "";
        }
    }
}
