using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using UnityEditor;
using UnityEngine;
using UnityEngine.UIElements;

namespace Lodsmith.Editor
{
    /// <summary>Shows the form, the jobs under way and those that were. What it shows is decided elsewhere.</summary>
    internal sealed class GenerateWindow : EditorWindow
    {
        private const string Folder = "Packages/com.lodsmith.client/Editor/";

        private static readonly string[] Pictures = { ".png", ".jpg", ".jpeg", ".webp" };

        // Survives a domain reload.
        [SerializeField]
        private GenerateForm _form = new GenerateForm { place = true };

        private readonly List<Action> _shown = new List<Action>();
        private readonly List<JobCard> _cards = new List<JobCard>();
        private VisualTreeAsset _cardTree;
        private string _budgetProblem;
        private string _problem = "";

        /// <summary>The window's form, for menu commands; show changes with <see cref="ShowForm"/>.</summary>
        public GenerateForm Form
        {
            get { return _form; }
        }

        /// <summary>Opens the window, or brings it to the front.</summary>
        public static GenerateWindow Open()
        {
            return GetWindow<GenerateWindow>("Lodsmith");
        }

        /// <summary>Fills the fields from the form, at once or when there are fields.</summary>
        public void ShowForm()
        {
            foreach (Action show in _shown)
            {
                show();
            }
            _budgetProblem = null;
            ShowProblem("");
        }

        /// <summary>Shows a sentence above the Generate button, at once or when there is a place for it.</summary>
        public void ShowProblem(string problem)
        {
            _problem = problem;
            Label label = rootVisualElement.Q<Label>("problem");
            if (label != null)
            {
                label.text = problem;
                Show(label, problem.Length > 0);
            }
        }

        /// <summary>Takes pictures or a GLB as what to start from.</summary>
        public void AddFiles(IEnumerable<string> paths)
        {
            string problem = "";
            foreach (string path in paths.Select(Path.GetFullPath))
            {
                string suffix = Path.GetExtension(path).ToLowerInvariant();
                if (suffix == ".glb")
                {
                    _form.mesh = path;
                }
                else if (Pictures.Contains(suffix))
                {
                    _form.images = _form.images.Concat(new[] { path }).ToArray();
                }
                else
                {
                    problem = Path.GetFileName(path) + " is neither a PNG, JPEG or WebP picture nor a GLB.";
                }
            }
            ShowForm();
            ShowProblem(problem);
        }

        [MenuItem("Window/Lodsmith")]
        private static void OpenFromMenu()
        {
            Open();
        }

        private void CreateGUI()
        {
            VisualElement root = rootVisualElement;
            AssetDatabase.LoadAssetAtPath<VisualTreeAsset>(Folder + "GenerateWindow.uxml").CloneTree(root);
            root.styleSheets.Add(AssetDatabase.LoadAssetAtPath<StyleSheet>(Folder + "Lodsmith.uss"));
            _cardTree = AssetDatabase.LoadAssetAtPath<VisualTreeAsset>(Folder + "JobCard.uxml");

            AddServer();
            Bind<TextField, string>("prompt", () => _form.prompt, text => _form.prompt = text);
            Bind<LongField, long>("seed", () => _form.seed, value => _form.seed = value);
            Bind<IntegerField, int>("variants", () => _form.variants, value => _form.variants = value);
            Bind<IntegerField, int>("texture-size", () => _form.textureSize, value => _form.textureSize = value);
            Bind<FloatField, float>("height", () => _form.height, value => _form.height = value);
            Bind<TextField, string>("asset-name", () => _form.name, text => _form.name = text);
            Bind<TextField, string>("folder", () => _form.folder, text => _form.folder = text);
            Bind<TextField, string>("file-name", () => _form.fileName, text => _form.fileName = text);
            Bind<Toggle, bool>("place", () => _form.place, value => _form.place = value);
            Bind<TextField, string>("budgets", () => BudgetText.Format(_form.budgets), ReadBudgets);
            BindChoice("pivot", GenerateForm.Pivots.Keys, () => _form.pivot, text => _form.pivot = text);
            BindChoice(
                "collision", GenerateForm.Collisions.Keys, () => _form.collision, text => _form.collision = text);
            List<BudgetPreset> presets = LodsmithSettings.instance.presets;
            BindChoice("preset", presets.Select(preset => preset.name), PresetName, TakePreset);
            AddFileArea();
            AddReplacing();
            OnClick("reroll", () =>
            {
                _form.seed = new System.Random().Next();
                ShowForm();
            });
            OnClick("generate", Generate);
            string problem = _problem; // of a menu command that came first
            ShowForm();
            ShowProblem(problem);

            JobTracker.Instance.Changed += OnChanged;
            ShowJobs();
        }

        private void OnDisable()
        {
            if (JobTracker.Instance != null)
            {
                JobTracker.Instance.Changed -= OnChanged;
            }
            foreach (JobCard card in _cards)
            {
                card.Dispose();
            }
            _cards.Clear();
        }

        private void AddServer()
        {
            LodsmithSettings settings = LodsmithSettings.instance;
            Bind<TextField, string>("server", () => settings.server, text =>
            {
                settings.server = text.Trim();
                settings.Save();
            });
            Label status = rootVisualElement.Q<Label>("server-status");
            OnClick("test", () =>
            {
                status.text = "Asks " + settings.server + " ...";
                ServerTest.Run(settings.server, JobTracker.Instance.MainThread, (answer, error) =>
                {
                    status.text = (error == null ? "✓ " : "✗ ") + answer;
                });
            });
            Show(rootVisualElement.Q("importer-notice"), !GltfImporter.IsInstalled);
            OnClick("install", GltfImporter.Install);
        }

        private void AddFileArea()
        {
            Label files = rootVisualElement.Q<Label>("files");
            _shown.Add(() => files.text = _form.Files.Count == 0
                ? "Drop pictures of one object here, or a GLB to make LODs of."
                : string.Join("\n", _form.Files.Select(Path.GetFileName)));
            Button generate = rootVisualElement.Q<Button>("generate");
            _shown.Add(() => generate.text = _form.mesh.Length > 0 ? "Make LODs" : "Generate");

            VisualElement drop = rootVisualElement.Q("drop");
            drop.RegisterCallback<DragUpdatedEvent>(what => DragAndDrop.visualMode = DragAndDropVisualMode.Copy);
            drop.RegisterCallback<DragPerformEvent>(what =>
            {
                DragAndDrop.AcceptDrag();
                AddFiles(DragAndDrop.paths);
            });
            OnClick("add-file", () =>
            {
                string path = EditorUtility.OpenFilePanel("Picture or GLB", "", "png,jpg,jpeg,webp,glb");
                AddFiles(path.Length > 0 ? new[] { path } : new string[0]);
            });
            OnClick("clear-files", () =>
            {
                _form.images = new string[0];
                _form.mesh = "";
                ShowForm();
            });
        }

        private void AddReplacing()
        {
            VisualElement row = rootVisualElement.Q("replaces-row");
            Label label = rootVisualElement.Q<Label>("replaces");
            _shown.Add(() =>
            {
                Show(row, _form.replaces.Length > 0);
                label.text = "Replaces " + _form.replaces + "; references to it stay.";
            });
            OnClick("stop-replacing", () =>
            {
                _form.replaces = "";
                ShowForm();
            });
        }

        private void Generate()
        {
            string problem = _budgetProblem ?? _form.Problem();
            ShowProblem(problem ?? "");
            if (problem == null)
            {
                JobTracker.Instance.Submit(_form);
            }
        }

        private void ReadBudgets(string text)
        {
            int[] budgets;
            bool isList = BudgetText.TryParse(text, out budgets);
            _budgetProblem = isList
                ? null
                : "LOD triangles must be whole numbers as 20000, 10000, 4000, got \"" + text + "\".";
            _form.budgets = budgets;
            ShowProblem(_budgetProblem ?? "");
        }

        private string PresetName()
        {
            BudgetPreset preset = LodsmithSettings.instance.presets
                .Where(one => one.textureSize == _form.textureSize)
                .FirstOrDefault(one => one.budgets.SequenceEqual(_form.budgets));
            return preset == null ? "" : preset.name;
        }

        private void TakePreset(string name)
        {
            BudgetPreset preset = LodsmithSettings.instance.presets.FirstOrDefault(one => one.name == name);
            if (preset != null)
            {
                _form.budgets = preset.budgets.ToArray();
                _form.textureSize = preset.textureSize;
                ShowForm();
            }
        }

        private void OnChanged(JobRecord record)
        {
            JobCard card = _cards.FirstOrDefault(one => one.Record == record);
            bool isListed = JobTracker.Instance.Records.Contains(record);
            if (card == null || !isListed)
            {
                ShowJobs();
            }
            else
            {
                card.Show();
            }
        }

        private void ShowJobs()
        {
            VisualElement jobs = rootVisualElement.Q("jobs");
            jobs.Clear();
            foreach (JobCard card in _cards)
            {
                card.Dispose();
            }
            _cards.Clear();
            foreach (JobRecord record in JobTracker.Instance.Records)
            {
                JobCard card = new JobCard(record, JobTracker.Instance, _cardTree, Edit);
                _cards.Add(card);
                jobs.Add(card.Root);
            }
        }

        private void Edit(GenerateForm recipe)
        {
            _form = recipe.Clone();
            ShowForm();
        }

        private void Bind<TField, TValue>(string name, Func<TValue> read, Action<TValue> write)
            where TField : VisualElement, INotifyValueChanged<TValue>
        {
            TField field = rootVisualElement.Q<TField>(name);
            field.RegisterValueChangedCallback(change =>
            {
                // Texts inside of a field tell of their changes too.
                if (ReferenceEquals(change.target, field))
                {
                    write(change.newValue);
                }
            });
            _shown.Add(() => field.SetValueWithoutNotify(read()));
        }

        private void BindChoice(string name, IEnumerable<string> choices, Func<string> read, Action<string> write)
        {
            const string none = "default";
            rootVisualElement.Q<DropdownField>(name).choices = new[] { none }.Concat(choices).ToList();
            Bind<DropdownField, string>(
                name, () => read().Length > 0 ? read() : none, text => write(text == none ? "" : text));
        }

        private void OnClick(string name, Action action)
        {
            rootVisualElement.Q<Button>(name).clicked += action;
        }

        private static void Show(VisualElement element, bool isShown)
        {
            element.style.display = isShown ? DisplayStyle.Flex : DisplayStyle.None;
        }
    }
}
