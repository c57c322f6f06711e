using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using Headless;
using UnityEditor;
using UnityEngine;
using Object = UnityEngine.Object;

namespace UnityEditor
{
    public static class PrefabUtility
    {
        public static GameObject SaveAsPrefabAsset(GameObject instanceRoot, string assetPath, out bool success)
        {
            EditorFaults.Throw("save " + assetPath);
            success = Directory.Exists(Path.GetDirectoryName(assetPath));
            if (!success)
            {
                return null;
            }
            File.WriteAllText(assetPath, PrefabFile.Write(instanceRoot));
            AssetDatabase.ImportAsset(assetPath, ImportAssetOptions.ForceSynchronousImport);
            return AssetDatabase.LoadAssetAtPath<GameObject>(assetPath);
        }

        public static Object InstantiatePrefab(Object assetComponentOrGameObject)
        {
            string path = AssetDatabase.GetAssetPath(assetComponentOrGameObject);
            GameObject instance = PrefabFile.Read(path);
            instance.PrefabPath = path;
            Scene.Objects.Add(instance);
            EngineMemory.Current.Note("scene place " + path);
            return instance;
        }

        public static string GetPrefabAssetPathOfNearestInstanceRoot(Object instanceComponentOrGameObject)
        {
            GameObject instance = instanceComponentOrGameObject as GameObject;
            return instance == null ? "" : instance.PrefabPath ?? "";
        }
    }
}

namespace Headless
{
    /// <summary>Prefabs as JSON, where Unity has YAML: meshes and materials are references to path and name.</summary>
    internal static class PrefabFile
    {
        public static string Write(GameObject root)
        {
            StringBuilder text = new StringBuilder();
            Write(text, root, "\n");
            return text.Append("\n").ToString();
        }

        public static GameObject Read(string path)
        {
            GameObject root = Read((Dictionary<string, object>)Json.Parse(File.ReadAllText(path)));
            root.name = Path.GetFileNameWithoutExtension(path);
            return root;
        }

        private static void Write(StringBuilder text, GameObject part, string line)
        {
            string inner = line + "  ";
            text.Append("{" + inner + "\"name\": " + Json.Quote(part.name) + "," + inner + "\"layer\": " + part.layer
                + "," + inner + "\"static\": " + (int)part.StaticFlags + "," + inner + "\"components\": [");
            text.Append(string.Join(",", part.Components.Where(one => !(one is Transform))
                .Select(one => inner + "  " + Describe(one)).ToArray()));
            text.Append("]," + inner + "\"children\": [");
            for (int index = 0; index < part.transform.Children.Count; index++)
            {
                text.Append(index == 0 ? inner + "  " : "," + inner + "  ");
                Write(text, part.transform.Children[index].gameObject, inner + "  ");
            }
            text.Append("]" + line + "}");
        }

        private static string Describe(Component component)
        {
            MeshFilter filter = component as MeshFilter;
            MeshRenderer renderer = component as MeshRenderer;
            MeshCollider collider = component as MeshCollider;
            LODGroup group = component as LODGroup;
            if (filter != null)
            {
                return "{\"type\": \"MeshFilter\", \"mesh\": " + Reference(filter.sharedMesh) + "}";
            }
            if (renderer != null)
            {
                return "{\"type\": \"MeshRenderer\", \"materials\": ["
                    + string.Join(", ", renderer.sharedMaterials.Select(one => Reference(one)).ToArray()) + "]}";
            }
            if (collider != null)
            {
                return "{\"type\": \"MeshCollider\", \"convex\": " + (collider.convex ? "true" : "false")
                    + ", \"mesh\": " + Reference(collider.sharedMesh) + "}";
            }
            string lods = string.Join(", ", group.GetLODs().Select(lod => "{\"height\": "
                + lod.screenRelativeTransitionHeight.ToString("R", CultureInfo.InvariantCulture) + ", \"renderers\": ["
                + string.Join(", ", lod.renderers.Select(one => Json.Quote(one.gameObject.name)).ToArray()) + "]}")
                    .ToArray());
            return "{\"type\": \"LODGroup\", \"fadeMode\": " + (int)group.fadeMode + ", \"animate\": "
                + (group.animateCrossFading ? "true" : "false")
                + ", \"size\": " + group.size.ToString("R", CultureInfo.InvariantCulture) + ", \"lods\": [" + lods
                    + "]}";
        }

        private static string Reference(Object asset)
        {
            string path = AssetDatabase.GetAssetPath(asset);
            if (path.Length == 0)
            {
                throw new InvalidOperationException("a prefab refers to " + asset.name + ", which is no asset");
            }
            return "{\"path\": " + Json.Quote(path) + ", \"name\": " + Json.Quote(asset.name) + "}";
        }

        private static T Find<T>(object reference) where T : Object
        {
            Dictionary<string, object> members = (Dictionary<string, object>)reference;
            return AssetDatabase.LoadAllAssetsAtPath((string)members["path"]).OfType<T>()
                .FirstOrDefault(one => one.name == (string)members["name"]);
        }

        private static GameObject Read(Dictionary<string, object> members)
        {
            GameObject part = new GameObject((string)members["name"]) { layer = (int)(long)members["layer"] };
            Scene.Objects.Remove(part);
            part.StaticFlags = (UnityEditor.StaticEditorFlags)(long)members["static"];
            foreach (object child in (List<object>)members["children"])
            {
                Read((Dictionary<string, object>)child).transform.SetParent(part.transform, false);
            }
            foreach (Dictionary<string, object> component in ((List<object>)members["components"])
                .Cast<Dictionary<string, object>>())
            {
                Add(part, component);
            }
            return part;
        }

        private static void Add(GameObject part, Dictionary<string, object> members)
        {
            switch ((string)members["type"])
            {
                case "MeshFilter":
                    part.AddComponent<MeshFilter>().sharedMesh = Find<Mesh>(members["mesh"]);
                    break;
                case "MeshRenderer":
                    part.AddComponent<MeshRenderer>().sharedMaterials = ((List<object>)members["materials"])
                        .Select(Find<Material>).ToArray();
                    break;
                case "MeshCollider":
                    MeshCollider collider = part.AddComponent<MeshCollider>();
                    collider.convex = (bool)members["convex"];
                    collider.sharedMesh = Find<Mesh>(members["mesh"]);
                    break;
                default:
                    LODGroup group = part.AddComponent<LODGroup>();
                    group.fadeMode = (LODFadeMode)(long)members["fadeMode"];
                    group.animateCrossFading = (bool)members["animate"];
                    group.size = Convert.ToSingle(members["size"]);
                    group.SetLODs(((List<object>)members["lods"]).Select(lod => Lod(part, lod)).ToArray());
                    break;
            }
        }

        private static LOD Lod(GameObject part, object saved)
        {
            Dictionary<string, object> members = (Dictionary<string, object>)saved;
            Renderer[] renderers = ((List<object>)members["renderers"])
                .Select(name => part.Tree().First(one => one.name == (string)name))
                .Select(one => (Renderer)one.GetComponent<MeshRenderer>()).ToArray();
            return new LOD(Convert.ToSingle(members["height"]), renderers);
        }
    }
}
