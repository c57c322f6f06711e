using System;
using System.IO;
using System.Linq;
using Lodsmith.V1;
using NUnit.Framework;
using UnityEditor;
using UnityEngine;

namespace Lodsmith.Editor.Tests
{
    public sealed class AssetImportTests
    {
        private const string Prefab = ProjectFolder.Path + "/Barrel/Barrel.prefab";

        private ProjectFolder _project;

        [SetUp]
        public void SetUp()
        {
            _project = new ProjectFolder();
        }

        [TearDown]
        public void TearDown()
        {
            LodsmithSettings.instance.layer = 0;
            LodsmithSettings.instance.staticFlags = 0;
            LodsmithSettings.instance.crossFade = true;
            _project.Delete();
        }

        private JobRecord Record(GenerateForm form = null)
        {
            form = form ?? new GenerateForm { prompt = "a barrel", folder = ProjectFolder.Path + "/{name}" };
            JobRecord record = new JobRecord { form = form };
            _project.Store.Add(record);
            return record;
        }

        private void Import(JobRecord record, string name = "Barrel", int lods = 3, int hulls = 2, int hullsInFile = 2)
        {
            string file = SampleAsset.Write(_project.State(name + ".glb"), name, lods, hullsInFile);
            _project.Import.Run(record, AssetFacts.Of(SampleAsset.Job(name, lods, hulls)), new[] { file });
        }

        [Test]
        public void APrefabHasLodsCollidersAndTheImportersMaterial()
        {
            LodsmithSettings.instance.layer = 3;
            LodsmithSettings.instance.staticFlags = StaticEditorFlags.BatchingStatic;
            Import(Record());
            GameObject prefab = AssetDatabase.LoadAssetAtPath<GameObject>(Prefab);
            LODGroup group = prefab.GetComponent<LODGroup>();
            LOD[] lods = group.GetLODs();
            Assert.AreEqual(3, lods.Length);
            Assert.AreEqual(LODFadeMode.CrossFade, group.fadeMode);
            for (int level = 0; level < lods.Length; level++)
            {
                Renderer renderer = lods[level].renderers.Single();
                Mesh mesh = renderer.gameObject.GetComponent<MeshFilter>().sharedMesh;
                Assert.AreEqual("SM_Barrel_LOD" + level, mesh.name);
                Assert.AreEqual(3 * SampleAsset.Triangles(level), mesh.GetIndexCount(0));
                Assert.AreEqual("M_Barrel", renderer.sharedMaterials.Single().name);
            }

            // 1 by 2 by 1 metres: the longest side over the diagonal.
            Assert.AreEqual(0.5 * 2 / Math.Sqrt(6), lods[0].screenRelativeTransitionHeight, 1e-4);
            MeshCollider[] colliders = prefab.GetComponentsInChildren<MeshCollider>(true);
            Assert.AreEqual(new[] { "UCX_SM_Barrel_LOD0_00", "UCX_SM_Barrel_LOD0_01" }, colliders
                .Select(one => one.sharedMesh.name).ToArray());
            Assert.IsTrue(colliders.All(one => one.convex));
            foreach (Transform part in prefab.GetComponentsInChildren<Transform>(true))
            {
                Assert.AreEqual(3, part.gameObject.layer);
                Assert.AreEqual(
                    StaticEditorFlags.BatchingStatic, GameObjectUtility.GetStaticEditorFlags(part.gameObject));
            }
        }

        [Test]
        public void WithoutCrossFadeLodsSwitch()
        {
            LodsmithSettings.instance.crossFade = false;
            Import(Record(), hulls: 0);
            GameObject prefab = AssetDatabase.LoadAssetAtPath<GameObject>(Prefab);
            Assert.AreEqual(LODFadeMode.None, prefab.GetComponent<LODGroup>().fadeMode);
            Assert.AreEqual(0, prefab.GetComponentsInChildren<MeshCollider>(true).Length);
        }

        [Test]
        public void ASecondAssetOfTheNameGetsANumber()
        {
            Import(Record());
            JobRecord second = Record();
            Import(second);
            Assert.AreEqual(ProjectFolder.Path + "/Barrel/Barrel 1.prefab", second.assets[0].prefab);
            Assert.AreEqual(ProjectFolder.Path + "/Barrel/Source/Barrel 1.glb", second.assets[0].glb);
        }

        [Test]
        public void NothingIsLeftWhenAMeshIsMissing()
        {
            JobRecord record = Record();
            ImportException error = Assert.Throws<ImportException>(() => Import(record, hulls: 2, hullsInFile: 1));
            StringAssert.Contains("UCX_SM_Barrel_LOD0_01", error.Message);
            StringAssert.Contains("SM_Barrel_LOD2", error.Message);
            Assert.AreEqual(0, _project.Files().Length, string.Join(", ", _project.Files()));
            Assert.AreEqual(RecordState.Downloading, record.state);
        }

        [Test]
        public void NothingIsLeftOfTheFirstVariantWhenTheSecondIsBad()
        {
            Job job = SampleAsset.Job("BarrelV1", 2, 0);
            Variant second = new Variant();
            second.Lods.Add(new Lod { TriangleCount = 12, ScreenCoverage = 0.1 });
            job.Result.Variants.Add(second);
            job.Result.Artifacts.Add(
                new Artifact { Role = "model", FileName = "BarrelV2.glb", Variant = 1, Digest = new Digest() });
            string good = SampleAsset.Write(_project.State("a.glb"), "BarrelV1", 2, 0);
            string bad = SampleAsset.Write(_project.State("b.glb"), "Other", 1, 0);
            Assert.Throws<ImportException>(
                () => _project.Import.Run(Record(), AssetFacts.Of(job), new[] { good, bad }));
            Assert.AreEqual(0, _project.Files().Length, string.Join(", ", _project.Files()));
        }

        [Test]
        public void AnImportThatWasCutIsRemovedAndDoneAgain()
        {
            JobRecord record = Record();
            Import(record);
            // As the record is found when the editor ended in the middle.
            record.state = RecordState.Importing;
            File.WriteAllText(record.assets[0].glb + "~", "half");
            _project.Import.Undo(record);
            Assert.AreEqual(0, _project.Files().Length, string.Join(", ", _project.Files()));
            Import(record);
            Assert.AreEqual(RecordState.Imported, record.state);
            Assert.AreEqual(Prefab, record.assets[0].prefab);
        }

        [Test]
        public void ReplacingKeepsThePrefabAndItsGuid()
        {
            Import(Record());
            string guid = AssetDatabase.AssetPathToGUID(Prefab);
            string glbGuid = AssetDatabase.AssetPathToGUID(ProjectFolder.Path + "/Barrel/Source/Barrel.glb");
            Import(Record(new GenerateForm { prompt = "a better barrel", replaces = Prefab }), lods: 2);
            Assert.AreEqual(guid, AssetDatabase.AssetPathToGUID(Prefab));
            Assert.AreEqual(glbGuid, AssetDatabase.AssetPathToGUID(ProjectFolder.Path + "/Barrel/Source/Barrel.glb"));
            Assert.AreEqual(2, AssetDatabase.LoadAssetAtPath<GameObject>(Prefab)
                .GetComponent<LODGroup>().GetLODs().Length);
            Assert.AreEqual(4, _project.Files().Length, string.Join(", ", _project.Files()));
        }

        [Test]
        public void AReplacementThatFailsLeavesWhatWasThere()
        {
            Import(Record());
            byte[] glb = File.ReadAllBytes(ProjectFolder.Path + "/Barrel/Source/Barrel.glb");
            string prefab = File.ReadAllText(Prefab);
            JobRecord record = Record(new GenerateForm { prompt = "a better barrel", replaces = Prefab });
            Assert.Throws<ImportException>(() => Import(record, lods: 2, hulls: 5));
            Assert.AreEqual(glb, File.ReadAllBytes(ProjectFolder.Path + "/Barrel/Source/Barrel.glb"));
            Assert.AreEqual(prefab, File.ReadAllText(Prefab));
            Assert.AreEqual(3, AssetDatabase.LoadAssetAtPath<GameObject>(Prefab)
                .GetComponent<LODGroup>().GetLODs().Length);
        }

        [Test]
        public void PlacingIsOnTheGroundAndCanBeUndone()
        {
            Import(Record());
            GameObject instance = AssetImport.PlaceInScene(Prefab);
            Assert.AreEqual(0, instance.transform.position.y);
            Assert.IsTrue(Selection.activeObject == instance);
            Undo.PerformUndo();
            Assert.IsTrue(instance == null);
        }

        [Test]
        public void RecordsReadBackAsTheyWere()
        {
            JobRecord record = Record();
            Import(record);
            JobRecord read = new JobStore(_project.State("jobs.json")).Records.Single();
            Assert.AreEqual(JsonUtility.ToJson(record), JsonUtility.ToJson(read));
            Assert.AreEqual("12 / 10 / 8 triangles", read.TrianglesText);
        }

        [Test]
        public void NothingIsBegunThatCannotBeWrittenDown()
        {
            JobRecord record = Record();
            Directory.CreateDirectory(_project.State("jobs.json.new")); // where the list would be written
            Exception error = Assert.Catch(() => Import(record));
            Assert.IsTrue(error is IOException || error is UnauthorizedAccessException, error.ToString());
            Assert.AreEqual(0, _project.Files().Length, string.Join(", ", _project.Files()));
        }

        [Test]
        public void ADamagedListOfJobsIsPutAside()
        {
            File.WriteAllText(_project.State("jobs.json"), "{ \"records\": [");
            Assert.AreEqual(0, new JobStore(_project.State("jobs.json")).Records.Count);
            Assert.IsTrue(File.Exists(_project.State("jobs.json.damaged")));
        }
    }
}
