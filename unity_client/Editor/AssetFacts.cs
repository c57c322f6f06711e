using System.Collections.Generic;
using System.IO;
using System.Linq;
using Lodsmith.V1;

namespace Lodsmith.Editor
{
    /// <summary>One asset of a job that has succeeded, as the server reports it. No GLB is read.</summary>
    internal sealed class AssetFacts
    {
        // Boxes, balls and capsules that are exact have prefixes of their own.
        private static readonly string[] HullPrefixes = { "UCX_", "UBX_", "USP_", "UCP_" };

        /// <summary>The server's name for it: of its file, and inside of `SM_Name_LOD0`.</summary>
        public string Name { get; private set; }

        public long Seed { get; private set; }

        public Digest Glb { get; private set; }

        /// <summary>Triangles of LOD0, LOD1, ...</summary>
        public IReadOnlyList<int> Triangles { get; private set; }

        /// <summary>The least share of the view's height that the bounding sphere covers with each LOD.</summary>
        public IReadOnlyList<double> Coverages { get; private set; }

        public int HullCount { get; private set; }

        /// <summary>Lists the assets of a job; one that came without a mesh is left out.</summary>
        public static List<AssetFacts> Of(Job job)
        {
            List<AssetFacts> assets = new List<AssetFacts>();
            for (int index = 0; index < job.Result.Variants.Count; index++)
            {
                Artifact model = job.Result.Artifacts
                    .FirstOrDefault(one => one.Role == "model" && one.Variant == index);
                Variant variant = job.Result.Variants[index];
                if (model == null || variant.Lods.Count == 0)
                {
                    continue;
                }
                assets.Add(new AssetFacts
                {
                    Name = Path.GetFileNameWithoutExtension(model.FileName),
                    Seed = variant.Seed,
                    Glb = model.Digest,
                    Triangles = variant.Lods.Select(lod => lod.TriangleCount).ToArray(),
                    Coverages = variant.Lods.Select(lod => lod.ScreenCoverage).ToArray(),
                    HullCount = variant.Collision == null ? 0 : variant.Collision.HullCount,
                });
            }
            return assets;
        }

        /// <summary>The mesh of a LOD.</summary>
        public string LodMesh(int level)
        {
            return "SM_" + Name + "_LOD" + level;
        }

        /// <summary>The names that the mesh of a hull may have; it has one of them.</summary>
        public IEnumerable<string> HullMeshes(int index)
        {
            return HullPrefixes.Select(prefix => prefix + LodMesh(0) + "_" + index.ToString("00"));
        }
    }
}
