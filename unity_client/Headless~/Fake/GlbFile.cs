using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using UnityEngine;

namespace Headless
{
    /// <summary>
    /// What glTFast 6.14 makes of a GLB: every mesh of the file is a sub-asset by its own name, also those that no
    /// node uses; the main object is the scene, or its node where there is only one, named after the file; materials
    /// are sub-assets, and one more where a mesh has none. Only what the package looks at: names, counts and boxes.
    /// Source: GltfImporter.cs and GltfImport.cs of com.unity.cloud.gltfast.
    /// </summary>
    internal static class GlbFile
    {
        public static List<UnityEngine.Object> Import(string path)
        {
            byte[] content = File.ReadAllBytes(path);
            if (content.Length < 20 || BitConverter.ToUInt32(content, 0) != 0x46546C67
                || BitConverter.ToUInt32(content, 8) != content.Length)
            {
                Debug.LogError(path + " is no GLB");
                return new List<UnityEngine.Object>();
            }
            string text = Encoding.UTF8.GetString(content, 20, BitConverter.ToInt32(content, 12));
            Dictionary<string, object> document = (Dictionary<string, object>)Json.Parse(text);
            List<Material> materials = Items(document, "materials")
                .Select(one => new Material { name = (string)one["name"] }).ToList();
            List<Dictionary<string, object>> accessors = Items(document, "accessors");
            List<Mesh> meshes = Items(document, "meshes").Select(one => Mesh(one, accessors)).ToList();

            List<Dictionary<string, object>> nodes = Items(document, "nodes");
            List<GameObject> roots = ((List<object>)Items(document, "scenes").First()["nodes"])
                .Select(index => Node(nodes[(int)(long)index], meshes, Items(document, "meshes"), materials)).ToList();
            GameObject main = roots.Count == 1 ? roots[0] : new GameObject("");
            foreach (GameObject root in roots.Where(one => one != main))
            {
                root.transform.SetParent(main.transform, false);
            }
            main.name = Path.GetFileNameWithoutExtension(path);
            Scene.Objects.Remove(main);
            if (Items(document, "meshes").Any(mesh => !Primitive(mesh).ContainsKey("material")))
            {
                materials.Add(new Material { name = "glTF-Default-Material" });
            }
            return new UnityEngine.Object[] { main }.Concat(materials).Concat(meshes).ToList();
        }

        private static GameObject Node(
            Dictionary<string, object> node,
            List<Mesh> meshes,
            List<Dictionary<string, object>> described,
            List<Material> materials)
        {
            int mesh = (int)(long)node["mesh"];
            GameObject part = new GameObject((string)node["name"]);
            part.AddComponent<MeshFilter>().sharedMesh = meshes[mesh];
            Material material = materials[(int)(long)Primitive(described[mesh])["material"]];
            part.AddComponent<MeshRenderer>().sharedMaterials = new[] { material };
            return part;
        }

        private static Dictionary<string, object> Primitive(Dictionary<string, object> mesh)
        {
            return Items(mesh, "primitives").Single();
        }

        private static Mesh Mesh(Dictionary<string, object> mesh, List<Dictionary<string, object>> accessors)
        {
            Dictionary<string, object> primitive = Primitive(mesh);
            var attributes = (Dictionary<string, object>)primitive["attributes"];
            Dictionary<string, object> positions = accessors[(int)(long)attributes["POSITION"]];
            float[] low = Numbers(positions["min"]);
            float[] high = Numbers(positions["max"]);
            Dictionary<string, object> corners = primitive.ContainsKey("indices")
                ? accessors[(int)(long)primitive["indices"]]
                : positions;
            return new Mesh
            {
                name = (string)mesh["name"],
                TriangleCount = (int)(long)corners["count"] / 3,
                // x changes its sign: glTF is right-handed.
                bounds = new Bounds(
                    new Vector3(-(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2),
                    new Vector3(high[0] - low[0], high[1] - low[1], high[2] - low[2])),
            };
        }

        private static float[] Numbers(object list)
        {
            return ((List<object>)list).Select(Convert.ToSingle).ToArray();
        }

        private static List<Dictionary<string, object>> Items(Dictionary<string, object> from, string key)
        {
            return from.ContainsKey(key) ? ((List<object>)from[key]).Cast<Dictionary<string, object>>().ToList()
                : new List<Dictionary<string, object>>();
        }
    }
}
