using UnityEditor;
using UnityEditor.UIElements;
using UnityEngine;
using UnityEngine.UIElements;

namespace Lodsmith.Editor
{
    /// <summary>The page Project Settings > Lodsmith.</summary>
    internal static class LodsmithSettingsProvider
    {
        public const string Path = "Project/Lodsmith";

        [SettingsProvider]
        public static SettingsProvider Create()
        {
            return new SettingsProvider(Path, SettingsScope.Project)
            {
                label = "Lodsmith",
                keywords = new[] { "Lodsmith", "LOD", "generate", "server", "token" },
                activateHandler = (search, root) => Fill(root),
            };
        }

        private static void Fill(VisualElement root)
        {
            LodsmithSettings settings = LodsmithSettings.instance;
            // Singletons are not editable by default: their fields would be greyed out.
            settings.hideFlags = HideFlags.HideAndDontSave & ~HideFlags.NotEditable;
            SerializedObject serialized = new SerializedObject(settings);
            foreach (string name in new[] { "server", "folder", "fileName", "crossFade", "staticFlags", "presets" })
            {
                root.Add(new PropertyField(serialized.FindProperty(name)));
            }
            LayerField layer = new LayerField("Layer", settings.layer);
            layer.RegisterValueChangedCallback(change =>
            {
                settings.layer = change.newValue;
                settings.Save();
            });
            root.Add(layer);

            TextField token = new TextField("Token (kept on this machine only)") { name = "token" };
            token.isPasswordField = token.isDelayed = true;
            token.SetValueWithoutNotify(TokenStore.Read(settings.server));
            token.RegisterValueChangedCallback(change => TokenStore.Write(settings.server, change.newValue.Trim()));
            root.Add(token);

            // A ScriptableSingleton is saved by whoever changes it.
            root.TrackSerializedObjectValue(serialized, changed => settings.Save());
            root.Bind(serialized);
        }
    }
}
