using System;
using System.Collections.Generic;
using System.Linq;
using UnityEditor;
using UnityEngine;
using Object = UnityEngine.Object;

namespace Lodsmith.Editor
{
    /// <summary>An imported GLB -> a prefab with LODs, colliders and the importer's materials. Main thread.</summary>
    internal static class PrefabBuilder
    {
        /// <summary>Builds and saves a prefab. What is at the path is replaced and keeps its GUID.</summary>
        /// <param name="facts">What the GLB holds.</param>
        /// <param name="glb">Asset path of the imported GLB.</param>
        /// <param name="path">Asset path of the prefab.</param>
        /// <exception cref="ImportException">The GLB was not imported, or lacks a mesh.</exception>
        public static void Build(AssetFacts facts, string glb, string path, LodsmithSettings settings)
        {
            Object[] imported = AssetDatabase.LoadAllAssetsAtPath(glb);
            Dictionary<string, Mesh> meshes = new Dictionary<string, Mesh>();
            foreach (Mesh mesh in imported.OfType<Mesh>())
            {
                meshes[mesh.name] = mesh;
            }
            if (meshes.Count == 0)
            {
                throw new ImportException(GltfImporter.Missing);
            }
            GameObject main = AssetDatabase.LoadAssetAtPath<GameObject>(glb);
            MeshRenderer shown = main == null ? null : main.GetComponentInChildren<MeshRenderer>();
            if (shown == null)
            {
                throw new ImportException(
                    glb + " shows nothing after its import, so its material is not known; see the console.");
            }

            // Names inside are the same for every asset: when a prefab is replaced, Unity keeps references to
            // its parts by name.
            GameObject root = new GameObject(System.IO.Path.GetFileNameWithoutExtension(path));
            try
            {
                AddLods(root, facts, meshes, shown.sharedMaterials, settings.crossFade);
                AddColliders(root, facts, meshes);
                foreach (Transform part in root.GetComponentsInChildren<Transform>(true))
                {
                    part.gameObject.layer = settings.layer;
                    GameObjectUtility.SetStaticEditorFlags(part.gameObject, settings.staticFlags);
                }
                bool isSaved;
                PrefabUtility.SaveAsPrefabAsset(root, path, out isSaved);
                if (!isSaved)
                {
                    throw new ImportException("Unity could not save " + path + "; see the console.");
                }
            }
            finally
            {
                Object.DestroyImmediate(root);
            }
        }

        private static void AddLods(
            GameObject root, AssetFacts facts, Dictionary<string, Mesh> meshes, Material[] materials, bool crossFade)
        {
            LODGroup group = root.AddComponent<LODGroup>();
            MeshRenderer[] renderers = new MeshRenderer[facts.Triangles.Count];
            for (int level = 0; level < renderers.Length; level++)
            {
                GameObject part = Child(root, "LOD" + level);
                part.AddComponent<MeshFilter>().sharedMesh = Find(meshes, new[] { facts.LodMesh(level) });
                renderers[level] = part.AddComponent<MeshRenderer>();
                renderers[level].sharedMaterials = materials;
            }
            group.fadeMode = crossFade ? LODFadeMode.CrossFade : LODFadeMode.None;
            group.animateCrossFading = crossFade;

            // The group's size is known once it has renderers, and heights depend on the size.
            float[] falling = Enumerable.Range(0, renderers.Length).Select(level => 1f / (level + 2)).ToArray();
            group.SetLODs(Levels(falling, renderers));
            group.RecalculateBounds();
            float diagonal = Find(meshes, new[] { facts.LodMesh(0) }).bounds.size.magnitude;
            group.SetLODs(Levels(LodTransitions.Heights(facts.Coverages, group.size, diagonal), renderers));
        }

        private static LOD[] Levels(float[] heights, MeshRenderer[] renderers)
        {
            return heights.Select((height, level) => new LOD(height, new Renderer[] { renderers[level] })).ToArray();
        }

        private static void AddColliders(GameObject root, AssetFacts facts, Dictionary<string, Mesh> meshes)
        {
            GameObject part = facts.HullCount == 0 ? null : Child(root, "Collision");
            for (int index = 0; index < facts.HullCount; index++)
            {
                MeshCollider collider = part.AddComponent<MeshCollider>();
                collider.convex = true; // before the mesh, or Unity cooks it twice
                collider.sharedMesh = Find(meshes, facts.HullMeshes(index));
            }
        }

        private static GameObject Child(GameObject root, string name)
        {
            GameObject child = new GameObject(name);
            child.transform.SetParent(root.transform, false);
            return child;
        }

        private static Mesh Find(Dictionary<string, Mesh> meshes, IEnumerable<string> names)
        {
            string name = names.FirstOrDefault(meshes.ContainsKey);
            if (name == null)
            {
                throw new ImportException(
                    "The imported GLB has no mesh " + string.Join(" or ", names) + ", only "
                    + string.Join(", ", meshes.Keys) + "; update the glTF importer or the server.");
            }
            return meshes[name];
        }
    }

    /// <summary>An import could not be finished. The message is one sentence for the artist with a next step.</summary>
    internal sealed class ImportException : Exception
    {
        public ImportException(string message, Exception cause = null)
            : base(message, cause)
        {
        }
    }
}
