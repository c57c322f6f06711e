using System;
using System.Collections.Generic;
using System.Linq;
using Headless;

namespace UnityEngine
{
    [Flags]
    public enum HideFlags
    {
        None = 0,
        NotEditable = 8,
        HideAndDontSave = 61,
    }

    public class Object
    {
        internal bool IsDestroyed;

        public string name { get; set; } = "";

        public HideFlags hideFlags { get; set; }

        public static void DestroyImmediate(Object obj)
        {
            GameObject whole = obj as GameObject;
            foreach (GameObject part in whole == null ? Enumerable.Empty<GameObject>() : whole.Tree().ToList())
            {
                part.IsDestroyed = true;
                Scene.Objects.Remove(part);
            }
            obj.IsDestroyed = true;
        }

        /// <summary>A destroyed object equals null, as Unity has it.</summary>
        public static bool operator ==(Object x, Object y)
        {
            bool noX = ReferenceEquals(x, null) || x.IsDestroyed;
            bool noY = ReferenceEquals(y, null) || y.IsDestroyed;
            return noX || noY ? noX == noY : ReferenceEquals(x, y);
        }

        public static bool operator !=(Object x, Object y)
        {
            return !(x == y);
        }

        public override bool Equals(object other)
        {
            return ReferenceEquals(this, other);
        }

        public override int GetHashCode()
        {
            return System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
        }
    }

    public class ScriptableObject : Object
    {
    }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }
    }

    public sealed class Transform : Component
    {
        internal readonly List<Transform> Children = new List<Transform>();

        internal Transform parent { get; private set; }

        public Vector3 position { get; set; }

        public void SetParent(Transform parent, bool worldPositionStays)
        {
            if (this.parent != null)
            {
                this.parent.Children.Remove(this);
            }
            this.parent = parent;
            Scene.Objects.Remove(gameObject);
            parent.Children.Add(this);
        }
    }

    public sealed class GameObject : Object
    {
        internal readonly List<Component> Components = new List<Component>();
        internal UnityEditor.StaticEditorFlags StaticFlags;
        internal string PrefabPath;

        public GameObject(string name)
        {
            this.name = name;
            AddComponent<Transform>();
            Scene.Objects.Add(this);
        }

        public Transform transform
        {
            get { return GetComponent<Transform>(); }
        }

        public int layer { get; set; }

        public T AddComponent<T>() where T : Component
        {
            T component = (T)Activator.CreateInstance(typeof(T), true);
            component.gameObject = this;
            component.name = name;
            Components.Add(component);
            return component;
        }

        public T GetComponent<T>()
        {
            return Components.OfType<T>().FirstOrDefault();
        }

        public T GetComponentInChildren<T>()
        {
            return Tree().SelectMany(part => part.Components).OfType<T>().FirstOrDefault();
        }

        public T[] GetComponentsInChildren<T>(bool includeInactive)
        {
            return Tree().SelectMany(part => part.Components).OfType<T>().ToArray();
        }

        internal IEnumerable<GameObject> Tree()
        {
            return new[] { this }.Concat(transform.Children.SelectMany(child => child.gameObject.Tree()));
        }
    }

    public sealed class Material : Object
    {
        internal Material()
        {
        }
    }

    public sealed class Mesh : Object
    {
        internal int TriangleCount;

        internal Mesh()
        {
        }

        public Bounds bounds { get; internal set; }

        public uint GetIndexCount(int submesh)
        {
            return (uint)(3 * TriangleCount);
        }
    }

    public sealed class MeshFilter : Component
    {
        public Mesh sharedMesh { get; set; }
    }

    public class Renderer : Component
    {
        public Material[] sharedMaterials { get; set; } = new Material[0];
    }

    public sealed class MeshRenderer : Renderer
    {
    }

    public sealed class MeshCollider : Component
    {
        public bool convex { get; set; }

        public Mesh sharedMesh { get; set; }
    }

    public enum LODFadeMode
    {
        None = 0,
        CrossFade = 1,
    }

    public struct LOD
    {
        public float screenRelativeTransitionHeight;
        public Renderer[] renderers;

        public LOD(float screenRelativeTransitionHeight, Renderer[] renderers)
        {
            this.screenRelativeTransitionHeight = screenRelativeTransitionHeight;
            this.renderers = renderers;
        }
    }

    public sealed class LODGroup : Component
    {
        private LOD[] _lods = new LOD[0];

        public LODFadeMode fadeMode { get; set; }

        public bool animateCrossFading { get; set; }

        public float size { get; internal set; } = 1;

        public LOD[] GetLODs()
        {
            return _lods.ToArray();
        }

        /// <summary>Refuses heights that do not fall, as Unity does: it logs and takes nothing.</summary>
        public void SetLODs(LOD[] lods)
        {
            float before = 1;
            foreach (LOD lod in lods)
            {
                if (!(lod.screenRelativeTransitionHeight < before) || lod.screenRelativeTransitionHeight < 0)
                {
                    Debug.LogError("SetLODs: heights must fall from LOD to LOD.");
                    return;
                }
                before = lod.screenRelativeTransitionHeight;
            }
            _lods = lods.ToArray();
        }

        /// <summary>Sets the size to the longest side of the box around all renderers.</summary>
        public void RecalculateBounds()
        {
            size = _lods.SelectMany(lod => lod.renderers)
                .Select(renderer => renderer.gameObject.GetComponent<MeshFilter>().sharedMesh.bounds.size)
                .Select(box => Math.Max(box.x, Math.Max(box.y, box.z))).DefaultIfEmpty(1).Max();
        }
    }

    public sealed class Texture2D : Object
    {
        internal byte[] Content;

        public Texture2D(int width, int height)
        {
        }
    }

    public static class ImageConversion
    {
        public static bool LoadImage(this Texture2D tex, byte[] data)
        {
            tex.Content = data;
            return data.Length > 8 && data[1] == 'P' && data[2] == 'N' && data[3] == 'G';
        }
    }

    public static class Application
    {
        public static bool isBatchMode
        {
            get { return Environment.GetEnvironmentVariable("LODSMITH_FAKE_PROCESS") == "batch"; }
        }
    }

    public static class Debug
    {
        public static void Log(object message)
        {
            EngineMemory.Current.Note("console " + message);
        }

        public static void LogWarning(object message)
        {
            EngineMemory.Current.Note("console warning " + message);
        }

        internal static void LogError(object message)
        {
            EngineMemory.Current.Note("console error " + message);
        }

        public static void LogException(Exception exception)
        {
            EngineMemory.Current.Note("console error " + exception);
        }
    }

    [AttributeUsage(AttributeTargets.Field)]
    public sealed class SerializeField : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Field)]
    public sealed class TooltipAttribute : Attribute
    {
        public readonly string tooltip;

        public TooltipAttribute(string tooltip)
        {
            this.tooltip = tooltip;
        }
    }
}

namespace Headless
{
    /// <summary>The open scene: objects without a parent.</summary>
    public static class Scene
    {
        public static readonly List<UnityEngine.GameObject> Objects = new List<UnityEngine.GameObject>();
    }
}
