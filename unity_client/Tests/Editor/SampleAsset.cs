using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Lodsmith.V1;

namespace Lodsmith.Editor.Tests
{
    /// <summary>A job's result and its GLB, made here: boxes, each LOD with fewer triangles.</summary>
    internal static class SampleAsset
    {
        /// <summary>A job that has succeeded with one asset.</summary>
        public static Job Job(string name, int lodCount, int hullCount)
        {
            CollisionFit collision = new CollisionFit { Kind = "decompose", HullCount = hullCount };
            Variant variant = new Variant { Seed = 7, Collision = collision };
            for (int level = 0; level < lodCount; level++)
            {
                variant.Lods.Add(new Lod { TriangleCount = Triangles(level), ScreenCoverage = 0.5 / (level + 1) });
            }
            Job job = new Job { Name = "jobs/1", State = JobState.Succeeded, Result = new JobResult() };
            job.Result.Variants.Add(variant);
            job.Result.Artifacts.Add(
                new Artifact { Role = "report", FileName = name + ".report.json", Digest = new Digest() });
            job.Result.Artifacts.Add(new Artifact { Role = "model", FileName = name + ".glb", Digest = new Digest() });
            return job;
        }

        /// <summary>How many triangles a LOD has.</summary>
        public static int Triangles(int level)
        {
            return 12 - 2 * level;
        }

        /// <summary>Writes the GLB that the server would have made, 1 by 2 by 1 metres.</summary>
        public static string Write(string path, string name, int lodCount, int hullCount)
        {
            List<string> meshes = new List<string>();
            List<string> nodes = new List<string>();
            List<string> accessors = new List<string>
            {
                "{\"bufferView\":0,\"componentType\":5126,\"count\":8,\"type\":\"VEC3\",\"min\":[-0.5,0,-0.5],\"max\":[0.5,2,0.5]}",
            };
            for (int index = 0; index < lodCount + hullCount; index++)
            {
                int triangles = index < lodCount ? Triangles(index) : 12;
                string mesh = index < lodCount
                    ? "SM_" + name + "_LOD" + index
                    : "UCX_SM_" + name + "_LOD0_" + (index - lodCount).ToString("00");
                accessors.Add("{\"bufferView\":1,\"componentType\":5123,\"count\":" + 3 * triangles
                    + ",\"type\":\"SCALAR\"}");
                string material = index < lodCount ? ",\"material\":0" : "";
                meshes.Add("{\"name\":\"" + mesh
                    + "\",\"primitives\":[{\"attributes\":{\"POSITION\":0},\"indices\":" + (index + 1) + material
                    + "}]}");
                nodes.Add("{\"name\":\"" + mesh + "\",\"mesh\":" + index + "}");
            }
            byte[] binary = Corners().Concat(Faces()).ToArray();
            string json = "{\"asset\":{\"version\":\"2.0\"},\"scene\":0,\"scenes\":[{\"nodes\":[0]}],\"nodes\":["
                + string.Join(",", nodes)
                + "],\"meshes\":[" + string.Join(",", meshes) + "],\"materials\":[{\"name\":\"M_" + name
                    + "\"}],\"accessors\":[" + string.Join(",", accessors)
                + "],\"bufferViews\":[{\"buffer\":0,\"byteLength\":96},{\"buffer\":0,\"byteOffset\":96,\"byteLength\":72}],\"buffers\":[{\"byteLength\":"
                + binary.Length + "}]}";
            byte[] text = Encoding.UTF8.GetBytes(json.PadRight((json.Length + 3) / 4 * 4));
            using (BinaryWriter writer = new BinaryWriter(File.Create(path)))
            {
                writer.Write(0x46546C67);
                writer.Write(2);
                writer.Write(12 + 8 + text.Length + 8 + binary.Length);
                writer.Write(text.Length);
                writer.Write(0x4E4F534A);
                writer.Write(text);
                writer.Write(binary.Length);
                writer.Write(0x004E4942);
                writer.Write(binary);
            }
            return path;
        }

        private static IEnumerable<byte> Corners()
        {
            for (int corner = 0; corner < 8; corner++)
            {
                float[] place = { (corner & 1) - 0.5f, (corner & 2) == 0 ? 0 : 2, (corner & 4) / 4 - 0.5f };
                foreach (byte part in place.SelectMany(BitConverter.GetBytes))
                {
                    yield return part;
                }
            }
        }

        private static IEnumerable<byte> Faces()
        {
            ushort[] corners =
            {
                0, 2, 1, 1, 2, 3, 4, 5, 6, 5, 7, 6, 0, 1, 4, 1, 5, 4,
                2, 6, 3, 3, 6, 7, 0, 4, 2, 2, 4, 6, 1, 3, 5, 3, 7, 5,
            };
            return corners.SelectMany(BitConverter.GetBytes);
        }
    }
}
