using System;
using System.Collections.Generic;
using System.Linq;
using Lodsmith.V1;

namespace Lodsmith.Editor
{
    /// <summary>
    /// What a person asks for: the window's fields, an entry of a batch manifest, a recipe to copy.
    /// Empty and 0 mean the server's default, so a manifest need not name what it does not want.
    /// Field names are the manifest's keys.
    /// </summary>
    [Serializable]
    internal sealed class GenerateForm
    {
        /// <summary>Names the asset. Empty: made from the prompt.</summary>
        public string name = "";

        /// <summary>Words to generate from. One of prompt, images, mesh and job is needed.</summary>
        public string prompt = "";

        /// <summary>Picture files to generate from, the first the main one.</summary>
        public string[] images = new string[0];

        /// <summary>A GLB file to make LODs of.</summary>
        public string mesh = "";

        /// <summary>`Job.name` of an earlier job to export again.</summary>
        public string job = "";

        /// <summary>The only randomness, from 0.</summary>
        public long seed;

        /// <summary>How many assets, with seeds that follow on each other.</summary>
        public int variants;

        /// <summary>Most triangles of LOD0, LOD1, ..., falling.</summary>
        public int[] budgets = new int[0];

        /// <summary>Texels along each side, a power of two.</summary>
        public int textureSize;

        /// <summary>Height in metres.</summary>
        public float height;

        /// <summary>A key of <see cref="Pivots"/>.</summary>
        public string pivot = "";

        /// <summary>A key of <see cref="Collisions"/>.</summary>
        public string collision = "";

        /// <summary>Under Assets, may have tokens, see <see cref="NamePattern"/>. Empty: as in the settings.</summary>
        public string folder = "";

        /// <summary>File name without suffix, may have tokens. Empty: the project's setting.</summary>
        public string fileName = "";

        /// <summary>Asset path of a prefab to replace, keeping references to it. Empty: a new one.</summary>
        public string replaces = "";

        /// <summary>Whether an instance is placed in the scene.</summary>
        public bool place;

        public static readonly IReadOnlyDictionary<string, Pivot> Pivots = new Dictionary<string, Pivot>
        {
            { "bottom center", Pivot.BottomCenter },
            { "center", Pivot.Center },
            { "keep", Pivot.Keep },
        };

        public static readonly IReadOnlyDictionary<string, CollisionMode> Collisions =
            new Dictionary<string, CollisionMode>
        {
            { "auto", CollisionMode.Auto },
            { "none", CollisionMode.None },
            { "hull", CollisionMode.Hull },
            { "decompose", CollisionMode.Decompose },
            { "box", CollisionMode.Box },
            { "sphere", CollisionMode.Sphere },
            { "capsule", CollisionMode.Capsule },
        };

        /// <summary>The files to upload, in the order that <see cref="ToSpec"/> wants their digests.</summary>
        public IReadOnlyList<string> Files
        {
            get { return mesh.Length > 0 ? new[] { mesh } : images; }
        }

        /// <summary>Words for a list: the name, the prompt or the file.</summary>
        public string Title
        {
            get
            {
                string[] candidates = { name, prompt, System.IO.Path.GetFileName(Files.FirstOrDefault() ?? ""), job };
                return candidates.FirstOrDefault(text => text.Length > 0) ?? "";
            }
        }

        /// <summary>Returns what the server cannot tell: null, or one sentence with the way out.</summary>
        public string Problem()
        {
            bool[] sources = { prompt.Trim().Length > 0, images.Length > 0, mesh.Length > 0, job.Length > 0 };
            int count = sources.Count(isGiven => isGiven);
            if (count != 1)
            {
                return count == 0
                    ? "Nothing to start from: type a prompt, or drop pictures or a GLB."
                    : "Give either a prompt, pictures, a GLB or an earlier job; remove the others.";
            }
            string absent = Files.FirstOrDefault(file => !System.IO.File.Exists(file));
            if (absent != null)
            {
                return "There is no file " + absent + "; choose another one.";
            }
            if (mesh.Length > 0 && !mesh.EndsWith(".glb", StringComparison.OrdinalIgnoreCase))
            {
                return mesh + " is no GLB; export the model as binary glTF (.glb).";
            }
            if (replaces.Length > 0 && variants > 1)
            {
                return "Only one variant can replace a prefab, not " + variants + ".";
            }
            return Choice(Pivots, "pivot", pivot) ?? Choice(Collisions, "collision", collision)
                ?? NamePattern.Problem("folder", folder, isFolder: true)
                ?? NamePattern.Problem("fileName", fileName, isFolder: false);
        }

        /// <summary>Makes the message. Call it only without a <see cref="Problem"/>.</summary>
        /// <param name="uploads">Digests of <see cref="Files"/>.</param>
        public JobSpec ToSpec(IReadOnlyList<Digest> uploads)
        {
            JobSpec spec = new JobSpec { AssetName = name, Options = ToOptions() };
            if (job.Length > 0)
            {
                spec.Job = job;
            }
            else if (mesh.Length > 0)
            {
                spec.Mesh = uploads[0];
            }
            else
            {
                spec.Seed = seed;
                spec.VariantCount = variants;
                if (images.Length > 0)
                {
                    spec.Image = uploads[0];
                    spec.MoreImages.AddRange(uploads.Skip(1));
                }
                else
                {
                    spec.Prompt = prompt.Trim();
                }
            }
            return spec;
        }

        /// <summary>The same asset with half of its triangles in each LOD; nothing is generated again.</summary>
        /// <param name="jobName">The job that made it.</param>
        /// <param name="triangles">What its LODs have.</param>
        public GenerateForm AtHalf(string jobName, IReadOnlyList<int> triangles)
        {
            GenerateForm half = Clone();
            half.job = jobName;
            half.name = half.prompt = half.mesh = half.replaces = "";
            half.images = new string[0];
            // Four is the least that the server takes; each LOD has fewer than the one before.
            half.budgets = triangles.Select(count => Math.Max(4, count / 2)).Distinct().ToArray();
            // Those of stages before repair cannot be given again; the rest is as it was there.
            half.pivot = half.collision = "";
            half.height = half.textureSize = half.variants = 0;
            return half;
        }

        /// <summary>An independent copy.</summary>
        public GenerateForm Clone()
        {
            return UnityEngine.JsonUtility.FromJson<GenerateForm>(UnityEngine.JsonUtility.ToJson(this));
        }

        private static string Choice<T>(IReadOnlyDictionary<string, T> choices, string field, string value)
        {
            return value.Length == 0 || choices.ContainsKey(value)
                ? null
                : field + " must be one of " + string.Join(", ", choices.Keys) + ", got \"" + value + "\".";
        }

        private AssetOptions ToOptions()
        {
            AssetOptions options = new AssetOptions { Export = new ExportOptions { Profile = ExportProfile.Unity } };
            if (budgets.Length > 0)
            {
                options.Lod = new LodOptions();
                options.Lod.Budgets.AddRange(budgets);
            }
            if (textureSize != 0)
            {
                options.Unwrap = new UnwrapOptions { TextureSize = textureSize };
            }
            if (height != 0 || pivot.Length > 0)
            {
                options.Place = new PlaceOptions();
                options.Place.HeightM = height != 0 ? height : (double?)null;
                options.Place.Pivot = pivot.Length > 0 ? Pivots[pivot] : Pivot.Unspecified;
            }
            if (collision.Length > 0)
            {
                options.Collision = new CollisionOptions { Mode = Collisions[collision] };
            }
            return options;
        }
    }
}
