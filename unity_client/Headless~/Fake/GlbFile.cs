using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using UnityEngine;

namespace Headless
{
    /// <summary>
    /// What a glTF importer of Unity makes of a GLB: every mesh of the file is a sub-asset by its own name, also
    /// those that no node uses; the main object shows the scene; materials are sub-assets. Only what the
    /// package looks at: names, counts and boxes.
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

            GameObject main = new GameObject(Path.GetFileNameWithoutExtension(path));
            Scene.Objects.Remove(main);
            List<Dictionary<string, object>> nodes = Items(document, "nodes");
            Dictionary<string, object> scene = Items(document, "scenes").First();
            foreach (object index in (List<object>)scene["nodes"])
            {
                Dictionary<string, object> node = nodes[(int)(long)index];
                GameObject part = new GameObject((string)node["name"]);
                part.transform.SetParent(main.transform, false);
                part.AddComponent<MeshFilter>().sharedMesh = meshes[(int)(long)node["mesh"]];
                part.AddComponent<MeshRenderer>().sharedMaterials = materials.Take(1).ToArray();
            }
            return new UnityEngine.Object[] { main }.Concat(meshes).Concat(materials).ToList();
        }

        private static Mesh Mesh(Dictionary<string, object> mesh, List<Dictionary<string, object>> accessors)
        {
            Dictionary<string, object> primitive = Items(mesh, "primitives").Single();
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
