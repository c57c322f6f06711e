using System;
using System.Collections;
using System.Globalization;
using System.IO;
using System.Linq;
using NUnit.Framework;
using UnityEditor;
using UnityEngine;
using UnityEngine.TestTools;
using UnityEngine.UIElements;

namespace Lodsmith.Editor.Tests
{
    public sealed class WindowTests
    {
        private GenerateWindow _window;
        private ProjectFolder _project;
        private string _server;

        [UnitySetUp]
        public IEnumerator SetUp()
        {
            _project = new ProjectFolder();
            _server = LodsmithSettings.instance.server;
            _window = GenerateWindow.Open();
            while (_window.rootVisualElement.childCount == 0)
            {
                yield return null;
            }
        }

        [TearDown]
        public void TearDown()
        {
            _window.Close();
            LodsmithSettings.instance.server = _server;
            _project.Delete();
        }

        private T Find<T>(string name) where T : VisualElement
        {
            T found = _window.rootVisualElement.Q<T>(name);
            Assert.IsNotNull(found, name);
            return found;
        }

        private void Click(string name)
        {
            using (NavigationSubmitEvent submit = NavigationSubmitEvent.GetPooled())
            {
                submit.target = Find<Button>(name);
                Find<Button>(name).SendEvent(submit);
            }
        }

        [Test]
        public void EveryFieldReachesTheForm()
        {
            Find<TextField>("prompt").value = "a barrel";
            Find<LongField>("seed").value = 5;
            Find<IntegerField>("variants").value = 2;
            Find<TextField>("budgets").value = "900, 300";
            Find<IntegerField>("texture-size").value = 512;
            Find<FloatField>("height").value = 1.5f;
            Find<DropdownField>("pivot").value = "center";
            Find<DropdownField>("collision").value = "hull";
            Find<TextField>("asset-name").value = "Barrel";
            Find<TextField>("folder").value = "Assets/{name}";
            Find<TextField>("file-name").value = "{name}_{seed}";
            Find<Toggle>("place").value = false;
            GenerateForm expected = new GenerateForm
            {
                prompt = "a barrel", seed = 5, variants = 2, budgets = new[] { 900, 300 }, textureSize = 512,
                height = 1.5f, pivot = "center",
                collision = "hull", name = "Barrel", folder = "Assets/{name}", fileName = "{name}_{seed}",
            };
            Assert.AreEqual(JsonUtility.ToJson(expected), JsonUtility.ToJson(_window.Form));
        }

        [Test]
        public void APresetFillsSizes()
        {
            Find<DropdownField>("preset").value = "mobile";
            Assert.AreEqual("5000, 2000, 600", Find<TextField>("budgets").value);
            Assert.AreEqual(1024, Find<IntegerField>("texture-size").value);
            Assert.AreEqual("mobile", Find<DropdownField>("preset").value);
            Find<TextField>("budgets").value = "5000, 2000";
            _window.ShowForm();
            Assert.AreEqual("default", Find<DropdownField>("preset").value);
        }

        [UnityTest]
        public IEnumerator AMenuCommandMayComeBeforeTheWindowIsFilled()
        {
            _window.Close();
            Selection.activeObject = null;
            MenuCommands.MakeLods();
            _window = GenerateWindow.Open();
            while (_window.rootVisualElement.childCount == 0)
            {
                yield return null;
            }
            StringAssert.Contains("Export the model as binary glTF", Find<Label>("problem").text);
        }

        [Test]
        public void RerollTakesAnotherSeed()
        {
            Click("reroll");
            long first = Find<LongField>("seed").value;
            Click("reroll");
            Assert.IsFalse(first == Find<LongField>("seed").value);
            Assert.AreEqual(_window.Form.seed, Find<LongField>("seed").value);
        }

        [Test]
        public void WhatIsWrongIsShownAndNothingIsSent()
        {
            int before = JobTracker.Instance.Records.Count;
            Click("generate");
            StringAssert.Contains("type a prompt", Find<Label>("problem").text);
            Find<TextField>("prompt").value = "a barrel";
            Find<TextField>("budgets").value = "few";
            Click("generate");
            StringAssert.Contains("got \"few\"", Find<Label>("problem").text);
            Assert.AreEqual(before, JobTracker.Instance.Records.Count);
        }

        [Test]
        public void PicturesAndGlbsAreTakenAndOthersAreNot()
        {
            string glb = SampleAsset.Write(_project.State("a.glb"), "A", 1, 0);
            _window.AddFiles(new[] { "b.PNG", "c.webp" });
            Assert.AreEqual(2, _window.Form.images.Length);
            Click("clear-files");
            Assert.AreEqual(0, _window.Form.images.Length);
            _window.AddFiles(new[] { glb, "d.fbx" });
            Assert.AreEqual("Make LODs", Find<Button>("generate").text);
            StringAssert.Contains("d.fbx is neither", Find<Label>("problem").text);
        }

        [Test]
        public void TheSettingsPageCanBeEdited()
        {
            SettingsProvider provider = LodsmithSettingsProvider.Create();
            VisualElement page = new VisualElement();
            provider.activateHandler("", page);
            Assert.AreEqual("Project/Lodsmith", provider.settingsPath);
            Assert.AreEqual(8, page.childCount);
            for (int index = 0; index < page.childCount; index++)
            {
                Assert.IsTrue(page.ElementAt(index).enabledSelf, "field " + index);
            }
        }

        [Test]
        public void TheTokenIsNotInTheProject()
        {
            VisualElement page = new VisualElement();
            LodsmithSettingsProvider.Create().activateHandler("", page);
            TextField token = page.Q<TextField>("token");
            token.value = "very secret";
            LodsmithSettings.instance.Save();
            try
            {
                Assert.AreEqual("very secret", TokenStore.Read(LodsmithSettings.instance.server));
                Assert.IsFalse(File.ReadAllText("ProjectSettings/LodsmithSettings.asset").Contains("very secret"));
            }
            finally
            {
                token.value = "";
            }
            Assert.AreEqual("", TokenStore.Read(LodsmithSettings.instance.server));
        }

        [Test]
        public void LodsAreMadeOfTheSelectedGlb()
        {
            string glb = SampleAsset.Write(ProjectFolder.Path + "/A.glb", "A", 1, 0);
            AssetDatabase.ImportAsset(glb, ImportAssetOptions.ForceSynchronousImport);
            Selection.activeObject = AssetDatabase.LoadAssetAtPath<GameObject>(glb);
            MenuCommands.MakeLods();
            Assert.AreEqual(Path.GetFullPath(glb), _window.Form.mesh);
            Assert.IsNull(_window.Form.Problem());
        }

        [Test]
        public void ASelectionWithoutGlbIsExplained()
        {
            Selection.activeObject = null;
            MenuCommands.MakeLods();
            StringAssert.Contains("Export the model as binary glTF", Find<Label>("problem").text);
            MenuCommands.ReplaceInPlace();
            StringAssert.Contains("Only prefabs that Lodsmith made", Find<Label>("problem").text);
        }

        [Test]
        public void ReplacingTakesTheNameInsideOfTheGlb()
        {
            GenerateForm form = new GenerateForm { folder = ProjectFolder.Path, fileName = "SomethingElse" };
            JobRecord record = new JobRecord { form = form };
            _project.Store.Add(record);
            string file = SampleAsset.Write(_project.State("Barrel.glb"), "Barrel", 2, 1);
            _project.Import.Run(record, AssetFacts.Of(SampleAsset.Job("Barrel", 2, 1)), new[] { file });
            GameObject instance = AssetImport.PlaceInScene(record.assets[0].prefab);
            Selection.activeObject = instance;
            MenuCommands.ReplaceInPlace();
            Assert.AreEqual(record.assets[0].prefab, _window.Form.replaces);
            Assert.AreEqual("Barrel", _window.Form.name);
            StringAssert.Contains("references to it stay", Find<Label>("replaces").text);
            Click("stop-replacing");
            Assert.AreEqual("", _window.Form.replaces);
            UnityEngine.Object.DestroyImmediate(instance);
        }

        [Test]
        public void GenerateHereTakesTheSelectedFolder()
        {
            string glb = SampleAsset.Write(ProjectFolder.Path + "/A.glb", "A", 1, 0);
            AssetDatabase.ImportAsset(glb, ImportAssetOptions.ForceSynchronousImport);
            Selection.activeObject = AssetDatabase.LoadAssetAtPath<GameObject>(glb);
            MenuCommands.GenerateHere();
            Assert.AreEqual(ProjectFolder.Path, Find<TextField>("folder").value);
        }

        private static string Text(float number)
        {
            return number.ToString("R", CultureInfo.InvariantCulture);
        }

        /// <summary>Needs a server: its address in LODSMITH_TEST_SERVER. Made small, so that a CPU has it in a minute.</summary>
        [UnityTest]
        public IEnumerator FromThePromptToThePrefab()
        {
            string server = Environment.GetEnvironmentVariable("LODSMITH_TEST_SERVER") ?? "";
            if (server.Length == 0)
            {
                Assert.Ignore("no server in LODSMITH_TEST_SERVER");
            }
            Find<TextField>("server").value = server;
            Click("test");
            while (Find<Label>("server-status").text.StartsWith("Asks"))
            {
                yield return null;
            }
            StringAssert.Contains("✓ Lodsmith", Find<Label>("server-status").text);

            Find<TextField>("prompt").value = "a red mushroom with white dots";
            Find<LongField>("seed").value = 1;
            Find<TextField>("budgets").value = "2000, 800, 200";
            Find<IntegerField>("texture-size").value = 256;
            Find<TextField>("folder").value = ProjectFolder.Path + "/{name}";
            Find<Toggle>("place").value = true;
            Click("generate");
            Assert.AreEqual("", Find<Label>("problem").text);
            JobRecord record = JobTracker.Instance.Records[0];
            double bar = 0;
            bool hasStages = false;
            while (!record.HasEnded)
            {
                VisualElement card = Find<VisualElement>("card");
                Assert.IsTrue(card.Q<ProgressBar>("bar").value >= bar, "progress never falls");
                bar = card.Q<ProgressBar>("bar").value;
                hasStages |= card.Q("stages").childCount > 3;
                yield return null;
            }
            Assert.AreEqual(RecordState.Imported, record.state, record.message);
            Assert.IsTrue(hasStages, "stages were shown");
            Assert.Less(0.5, bar, "progress was shown");
            Assert.IsTrue(File.Exists(record.thumbnail), "the preview is there");

            GameObject prefab = AssetDatabase.LoadAssetAtPath<GameObject>(record.assets[0].prefab);
            string expected = ProjectFolder.Path + "/RedMushroomWithWhiteDots/RedMushroomWithWhiteDots.prefab";
            Assert.AreEqual(expected, record.assets[0].prefab);
            LOD[] lods = prefab.GetComponent<LODGroup>().GetLODs();
            int[] triangles = lods.Select(lod => lod.renderers[0].gameObject.GetComponent<MeshFilter>().sharedMesh)
                .Select(mesh => (int)mesh.GetIndexCount(0) / 3).ToArray();
            Assert.AreEqual(3, lods.Length);
            Assert.AreEqual(record.assets[0].triangles, triangles);
            Assert.IsTrue(triangles[0] <= 2000 && triangles[1] <= 800 && triangles[2] <= 200);
            Assert.Less(0, prefab.GetComponentsInChildren<MeshCollider>(true).Length);
            Assert.IsTrue(Selection.activeObject is GameObject, "the instance is selected");
            string heights = string.Join(" ", lods.Select(lod => Text(lod.screenRelativeTransitionHeight)));
            Console.Out.WriteLine("made {0} {1} hulls {2} size {3}", record.jobName, heights,
                prefab.GetComponentsInChildren<MeshCollider>(true).Length, Text(prefab.GetComponent<LODGroup>().size));

            Undo.PerformUndo();
            JobTracker.Instance.Remove(record);
            Assert.IsFalse(JobTracker.Instance.Records.Contains(record));
        }
    }
}
