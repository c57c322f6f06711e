using System.IO;
using UnityEditor;
using UnityEngine;

namespace Lodsmith.Samples
{
    /// <summary>Puts every prefab below Assets/Lodsmith into the scene, side by side, two metres apart.</summary>
    public static class PlaceInRow
    {
        [MenuItem("GameObject/Lodsmith/Place All In A Row")]
        public static void Place()
        {
            float x = 0;
            foreach (string file in Directory.GetFiles("Assets/Lodsmith", "*.prefab", SearchOption.AllDirectories))
            {
                GameObject prefab = AssetDatabase.LoadAssetAtPath<GameObject>(file.Replace('\\', '/'));
                GameObject instance = (GameObject)PrefabUtility.InstantiatePrefab(prefab);
                instance.transform.position = new Vector3(x, 0, 0);
                Undo.RegisterCreatedObjectUndo(instance, "Place all in a row");
                x += 2;
            }
        }
    }
}
