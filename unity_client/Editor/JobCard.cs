using System;
using System.IO;
using System.Linq;
using Lodsmith.V1;
using UnityEditor;
using UnityEngine;
using UnityEngine.UIElements;
using Object = UnityEngine.Object;

namespace Lodsmith.Editor
{
    /// <summary>One job in the window: live while it runs, history after.</summary>
    internal sealed class JobCard : IDisposable
    {
        private readonly JobTracker _tracker;
        private readonly Action<GenerateForm> _edit;
        private string _thumbnail = "";
        private Texture2D _picture;

        /// <param name="edit">Is given the form of a job to fill in again.</param>
        public JobCard(JobRecord record, JobTracker tracker, VisualTreeAsset tree, Action<GenerateForm> edit)
        {
            Record = record;
            _tracker = tracker;
            _edit = edit;
            Root = new VisualElement();
            tree.CloneTree(Root);
            OnClick("cancel", () => _tracker.Cancel(Record));
            OnClick("select", () => Selection.activeObject = Prefab);
            OnClick("reimport", () => _tracker.Reimport(Record));
            OnClick("half", () => _tracker.Submit(Record.form.AtHalf(Record.jobName, Record.assets[0].triangles)));
            OnClick("again", () => _edit(Record.form));
            OnClick("copy-seed", () => EditorGUIUtility.systemCopyBuffer = Record.form.seed.ToString());
            OnClick("copy-recipe", () => EditorGUIUtility.systemCopyBuffer = JsonUtility.ToJson(Record.form, true));
            OnClick("remove", () => _tracker.Remove(Record));
            Show();
        }

        public JobRecord Record { get; private set; }

        public VisualElement Root { get; private set; }

        private GameObject Prefab
        {
            get { return AssetDatabase.LoadAssetAtPath<GameObject>(Record.assets[0].prefab); }
        }

        /// <summary>Shows the job as it is now.</summary>
        public void Show()
        {
            JobView view = _tracker.ViewOf(Record);
            bool isImported = Record.state == RecordState.Imported;
            Root.Q<Label>("title").text = Record.assets.Length > 0 ? Record.assets[0].name : Record.form.Title;
            string[] details = { Record.time, "seed " + Record.form.seed, Record.TrianglesText };
            Root.Q<Label>("details").text = string.Join("   ", details.Where(text => text.Length > 0));
            Root.Q<Label>("status").text = Status(view);
            ProgressBar bar = Root.Q<ProgressBar>("bar");
            bar.value = view == null ? 0 : (float)view.Fraction;
            Display(bar, view != null);
            ShowStages(view);
            Label warnings = Root.Q<Label>("warnings");
            warnings.text = view == null ? "" : string.Join("\n", view.Warnings);
            Display(warnings, warnings.text.Length > 0);
            Display(Root.Q("cancel"), !Record.HasEnded && !Record.isCancelRequested);
            Display(Root.Q("select"), isImported);
            Display(Root.Q("reimport"), Record.HasEnded && Record.jobName.Length > 0);
            Display(Root.Q("half"), isImported);
            Display(Root.Q("remove"), Record.HasEnded);
            ShowThumbnail();
        }

        public void Dispose()
        {
            if (_picture != null)
            {
                Object.DestroyImmediate(_picture);
            }
        }

        private string Status(JobView view)
        {
            switch (Record.state)
            {
                case RecordState.Imported:
                    return string.Join("\n", Record.assets.Select(asset => asset.prefab));
                case RecordState.Cancelled:
                    return "Cancelled. " + Record.message;
                case RecordState.Running:
                    return Record.message.Length > 0 || view == null ? Record.message : view.Status;
                default:
                    return Record.message.Length > 0 ? Record.message : Record.state.ToString();
            }
        }

        private void ShowStages(JobView view)
        {
            VisualElement stages = Root.Q("stages");
            stages.Clear();
            Display(stages, view != null && Record.state == RecordState.Running);
            foreach (StageRow row in view == null ? Enumerable.Empty<StageRow>() : view.Stages)
            {
                string mark = row.State == StageState.Running ? "▶ " + row.LabelWithFraction
                    : row.State == StageState.Reused ? "↺ " + row.Label + ", kept from before"
                    : "✓ " + row.Label;
                stages.Add(new Label(mark));
            }
        }

        private void ShowThumbnail()
        {
            if (Record.thumbnail == _thumbnail || !File.Exists(Record.thumbnail))
            {
                return;
            }
            Dispose();
            _thumbnail = Record.thumbnail;
            _picture = new Texture2D(2, 2);
            _picture.LoadImage(File.ReadAllBytes(_thumbnail));
            Root.Q("thumbnail").style.backgroundImage = new StyleBackground(_picture);
        }

        private void OnClick(string name, Action action)
        {
            Root.Q<Button>(name).clicked += action;
        }

        private static void Display(VisualElement element, bool isShown)
        {
            element.style.display = isShown ? DisplayStyle.Flex : DisplayStyle.None;
        }
    }
}
