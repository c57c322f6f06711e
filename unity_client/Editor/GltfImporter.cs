using UnityEditor.PackageManager;

namespace Lodsmith.Editor
{
    /// <summary>The package whose importer reads GLBs. It is never called: its API changes between versions.</summary>
    internal static class GltfImporter
    {
        public const string Package = "com.unity.cloud.gltfast";

        /// <summary>What to say when a GLB comes without meshes.</summary>
        public const string Missing =
            "Unity imported the GLB without meshes: no glTF importer is installed. "
            + "Click \"Install glTFast\" in the Lodsmith window.";

        /// <summary>Whether the package is in the project.</summary>
        public static bool IsInstalled
        {
            get { return PackageInfo.FindForAssetPath("Packages/" + Package) != null; }
        }

        /// <summary>Starts to install it. The editor reloads when that is done; jobs go on.</summary>
        public static void Install()
        {
            Client.Add(Package);
        }
    }
}
