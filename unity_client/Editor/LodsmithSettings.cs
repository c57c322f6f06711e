using System;
using System.Collections.Generic;
using UnityEditor;
using UnityEngine;

namespace Lodsmith.Editor
{
    /// <summary>A named set of sizes to choose in the window.</summary>
    [Serializable]
    internal sealed class BudgetPreset
    {
        public string name = "";

        /// <summary>Most triangles of LOD0, LOD1, ..., falling.</summary>
        public int[] budgets = new int[0];

        /// <summary>Texels along each side.</summary>
        public int textureSize = 2048;
    }

    /// <summary>
    /// What a project's people share: a text file under ProjectSettings, one value per line, so that edits of
    /// several people merge. The token is not in it, see <see cref="TokenStore"/>.
    /// </summary>
    [FilePath("ProjectSettings/LodsmithSettings.asset", FilePathAttribute.Location.ProjectFolder)]
    internal sealed class LodsmithSettings : ScriptableSingleton<LodsmithSettings>
    {
        [Tooltip("Address of the server's HTTP port.")]
        public string server = "http://127.0.0.1:50052";

        [Tooltip("Folder for new assets. Tokens: {name} {seed} {lod0} {date} {time}.")]
        public string folder = "Assets/Lodsmith/{name}";

        [Tooltip("File name of prefab and GLB without suffix. Tokens as above.")]
        public string fileName = "{name}";

        [Tooltip("Fade between LODs over some frames instead of switching.")]
        public bool crossFade = true;

        [Tooltip("Static flags of new prefabs.")]
        public StaticEditorFlags staticFlags;

        [Tooltip("Layer of new prefabs.")]
        public int layer;

        [Tooltip("Sizes to choose from.")]
        public List<BudgetPreset> presets = new List<BudgetPreset>
        {
            new BudgetPreset { name = "hero", budgets = new[] { 50000, 20000, 8000, 2000 }, textureSize = 4096 },
            new BudgetPreset { name = "prop", budgets = new[] { 20000, 10000, 4000, 1000 }, textureSize = 2048 },
            new BudgetPreset { name = "mobile", budgets = new[] { 5000, 2000, 600 }, textureSize = 1024 },
        };

        /// <summary>Writes the file.</summary>
        public void Save()
        {
            Save(true);
        }
    }

    /// <summary>The tokens, one per server, in the user's preferences on this machine; never in the project.</summary>
    internal static class TokenStore
    {
        private const string Prefix = "Lodsmith.Token.";

        /// <summary>Returns the token for a server, "" if there is none.</summary>
        public static string Read(string server)
        {
            return EditorPrefs.GetString(Prefix + server, "");
        }

        /// <summary>Keeps a token; "" forgets it.</summary>
        public static void Write(string server, string token)
        {
            if (token.Length == 0)
            {
                EditorPrefs.DeleteKey(Prefix + server);
            }
            else
            {
                EditorPrefs.SetString(Prefix + server, token);
            }
        }
    }
}
