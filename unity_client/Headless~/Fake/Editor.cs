using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Reflection;
using Headless;
using UnityEngine;
using UnityEngine.UIElements;
using Object = UnityEngine.Object;

namespace UnityEditor
{
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class InitializeOnLoadMethodAttribute : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
    public sealed class MenuItem : Attribute
    {
        public MenuItem(string itemName)
        {
        }

        public MenuItem(string itemName, bool isValidateFunction, int priority)
        {
        }
    }

    public static class EditorApplication
    {
        public delegate void CallbackFunction();

        public static CallbackFunction update;
        public static CallbackFunction delayCall;

        public static bool isPlayingOrWillChangePlaymode
        {
            get { return EngineMemory.Current.Read("playing", "no") == "yes"; }
        }

        public static void Exit(int returnValue)
        {
            throw new EditorExit(returnValue);
        }

        /// <summary>One turn of the editor's loop: what was delayed, then what updates.</summary>
        internal static void Tick()
        {
            CallbackFunction delayed = delayCall;
            delayCall = null;
            if (delayed != null)
            {
                delayed();
            }
            if (update != null)
            {
                update();
            }
        }
    }

    public static class AssemblyReloadEvents
    {
        public delegate void AssemblyReloadCallback();

        public static event AssemblyReloadCallback beforeAssemblyReload;

        internal static void Raise()
        {
            if (beforeAssemblyReload != null)
            {
                beforeAssemblyReload();
            }
        }
    }

    public static class SessionState
    {
        public static int GetInt(string key, int defaultValue)
        {
            return int.Parse(
                EngineMemory.Current.Read("session/" + key, defaultValue.ToString(CultureInfo.InvariantCulture)));
        }

        public static void SetInt(string key, int value)
        {
            EngineMemory.Current.Write("session/" + key, value.ToString(CultureInfo.InvariantCulture));
        }

        public static void EraseInt(string key)
        {
            EngineMemory.Current.Write("session/" + key, null);
        }
    }

    public static class EditorPrefs
    {
        public static string GetString(string key, string defaultValue)
        {
            return EngineMemory.Current.Read("prefs/" + key, defaultValue);
        }

        public static void SetString(string key, string value)
        {
            EngineMemory.Current.Write("prefs/" + key, value);
        }

        public static void DeleteKey(string key)
        {
            EngineMemory.Current.Write("prefs/" + key, null);
        }
    }

    /// <summary>Background tasks. Items that are not unmanaged would end with the domain.</summary>
    public static class Progress
    {
        private static readonly Dictionary<int, Func<bool>> Callbacks = new Dictionary<int, Func<bool>>();

        [Flags]
        public enum Options
        {
            None = 0,
            Unmanaged = 32,
        }

        public enum Status
        {
            Running,
            Succeeded,
            Failed,
            Canceled,
        }

        public enum TimeDisplayMode
        {
            ShowRemainingTime = 2,
        }

        public static int Start(
            string name, string description = null, Options options = Options.None, int parentId = -1)
        {
            int id = int.Parse(EngineMemory.Current.Read("progress/last", "0")) + 1;
            EngineMemory.Current.Write("progress/last", id.ToString());
            EngineMemory.Current.Write("progress/" + id, "Running");
            EngineMemory.Current.Note("progress " + id + " start " + options + " " + name);
            return id;
        }

        public static bool Exists(int id)
        {
            return EngineMemory.Current.Read("progress/" + id, null) != null;
        }

        public static void Report(int id, float progress, string description)
        {
            EngineMemory.Current.Note("progress " + id + " "
                + progress.ToString("0.000", CultureInfo.InvariantCulture) + " " + description);
        }

        public static void SetStepLabel(int id, string label)
        {
            EngineMemory.Current.Write("progress/" + id + "/step", label);
        }

        public static void SetRemainingTime(int id, long seconds)
        {
            EngineMemory.Current.Write("progress/" + id + "/remaining", seconds.ToString());
        }

        public static void SetTimeDisplayMode(int id, TimeDisplayMode displayMode)
        {
            EngineMemory.Current.Write("progress/" + id + "/time", displayMode.ToString());
        }

        public static void RegisterCancelCallback(int id, Func<bool> callback)
        {
            Callbacks[id] = callback;
        }

        public static void UnregisterCancelCallback(int id)
        {
            Callbacks.Remove(id);
        }

        public static void Finish(int id, Status status = Status.Succeeded)
        {
            EngineMemory.Current.Write("progress/" + id, null);
            EngineMemory.Current.Note("progress " + id + " finish " + status);
        }

        public static bool Cancel(int id)
        {
            return Callbacks.ContainsKey(id) && Callbacks[id]();
        }
    }

    public static class Undo
    {
        private static readonly Stack<Object> Created = new Stack<Object>();

        public static void RegisterCreatedObjectUndo(Object objectToUndo, string name)
        {
            Created.Push(objectToUndo);
        }

        public static void PerformUndo()
        {
            if (Created.Count > 0)
            {
                Object.DestroyImmediate(Created.Pop());
            }
        }
    }

    public static class Selection
    {
        public static Object activeObject { get; set; }
    }

    public class SceneView : ScriptableObject
    {
        public static SceneView lastActiveSceneView { get; internal set; }

        public Vector3 pivot { get; set; }
    }

    [Flags]
    public enum StaticEditorFlags
    {
        BatchingStatic = 4,
    }

    public static class GameObjectUtility
    {
        public static void SetStaticEditorFlags(GameObject go, StaticEditorFlags flags)
        {
            go.StaticFlags = flags;
        }

        public static StaticEditorFlags GetStaticEditorFlags(GameObject go)
        {
            return go.StaticFlags;
        }
    }

    public static class EditorUtility
    {
        public static string OpenFilePanel(string title, string directory, string extension)
        {
            return EngineMemory.Current.Read("panel/answer", "");
        }
    }

    public static class EditorGUIUtility
    {
        public static string systemCopyBuffer
        {
            get { return EngineMemory.Current.Read("clipboard", ""); }
            set { EngineMemory.Current.Write("clipboard", value); }
        }
    }

    public enum DragAndDropVisualMode
    {
        None = 0,
        Copy = 1,
    }

    public static class DragAndDrop
    {
        public static string[] paths { get; set; } = new string[0];

        public static DragAndDropVisualMode visualMode { get; set; }

        public static void AcceptDrag()
        {
        }
    }

    /// <summary>
    /// Windows are made by `GetWindow`, once each. `CreateGUI` comes with the next turn of the loop: nobody may
    /// count on it before.
    /// </summary>
    public class EditorWindow : ScriptableObject
    {
        private static readonly List<EditorWindow> OpenWindows = new List<EditorWindow>();

        public VisualElement rootVisualElement { get; } = new VisualElement();

        public static T GetWindow<T>(string title) where T : EditorWindow
        {
            T window = OpenWindows.OfType<T>().FirstOrDefault();
            if (window == null)
            {
                window = (T)Activator.CreateInstance(typeof(T), true);
                OpenWindows.Add(window);
                EditorApplication.delayCall += () => window.Send("CreateGUI");
            }
            return window;
        }

        public void Close()
        {
            OpenWindows.Remove(this);
            Send("OnDisable");
        }

        private void Send(string message)
        {
            MethodInfo method = GetType().GetMethod(
                message, BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);
            if (method != null)
            {
                method.Invoke(this, null);
            }
        }
    }

    [AttributeUsage(AttributeTargets.Class)]
    public class FilePathAttribute : Attribute
    {
        internal readonly string Path;

        public FilePathAttribute(string relativePath, Location location)
        {
            Path = relativePath;
        }

        public enum Location
        {
            ProjectFolder = 1,
        }
    }

    /// <summary>Read from its file at first use. The file is JSON here, YAML in Unity.</summary>
    public class ScriptableSingleton<T> : ScriptableObject where T : ScriptableObject
    {
        private static T s_instance;

        public static T instance
        {
            get
            {
                if (s_instance == null)
                {
                    s_instance = (T)Activator.CreateInstance(typeof(T), true);
                    s_instance.hideFlags = HideFlags.HideAndDontSave;
                    if (File.Exists(FilePath))
                    {
                        JsonUtility.FromJsonOverwrite(File.ReadAllText(FilePath), s_instance);
                    }
                }
                return s_instance;
            }
        }

        protected virtual void Save(bool saveAsText)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(FilePath));
            File.WriteAllText(FilePath, JsonUtility.ToJson(this, true));
        }

        internal static string FilePath
        {
            get { return ((FilePathAttribute)typeof(T).GetCustomAttributes(typeof(FilePathAttribute), false)[0]).Path; }
        }
    }

    public enum SettingsScope
    {
        Project = 1,
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class SettingsProviderAttribute : Attribute
    {
    }

    public class SettingsProvider
    {
        public SettingsProvider(string path, SettingsScope scopes, IEnumerable<string> keywords = null)
        {
            settingsPath = path;
        }

        public string settingsPath { get; private set; }

        public string label { get; set; }

        public IEnumerable<string> keywords { get; set; }

        public Action<string, VisualElement> activateHandler { get; set; }
    }

    public sealed class SerializedObject
    {
        internal readonly Object Target;
        internal Action<SerializedObject> Changed = changed => { };

        public SerializedObject(Object obj)
        {
            Target = obj;
        }

        public SerializedProperty FindProperty(string propertyPath)
        {
            FieldInfo field = JsonFields.Find(Target.GetType(), propertyPath);
            return field == null ? null : new SerializedProperty(this, field);
        }
    }

    public sealed class SerializedProperty
    {
        internal readonly SerializedObject Object;
        internal readonly FieldInfo Field;

        internal SerializedProperty(SerializedObject owner, FieldInfo field)
        {
            Object = owner;
            Field = field;
        }
    }
}

namespace Headless
{
    /// <summary>`EditorApplication.Exit` was called.</summary>
    public sealed class EditorExit : Exception
    {
        public readonly int Code;

        public EditorExit(int code)
            : base("the editor ends with " + code)
        {
            Code = code;
        }
    }

    internal static class JsonFields
    {
        public static FieldInfo Find(Type type, string name)
        {
            return JsonUtility.Fields(type).FirstOrDefault(field => field.Name == name);
        }
    }
}

namespace UnityEditor.PackageManager
{
    public sealed class PackageInfo
    {
        internal PackageInfo(string name)
        {
            this.name = name;
        }

        public string name { get; private set; }

        public static PackageInfo FindForAssetPath(string assetPath)
        {
            string name = assetPath.Split('/')[1];
            return EngineMemory.Current.Read("prefs/fake/package/" + name, null) == null ? null : new PackageInfo(name);
        }
    }

    public static class Client
    {
        public static Requests.AddRequest Add(string identifier)
        {
            EngineMemory.Current.Note("package add " + identifier);
            EngineMemory.Current.Write("prefs/fake/package/" + identifier, "installed");
            return new Requests.AddRequest();
        }
    }
}

namespace UnityEditor.PackageManager.Requests
{
    public sealed class AddRequest
    {
        internal AddRequest()
        {
        }
    }
}
