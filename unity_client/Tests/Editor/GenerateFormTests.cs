using System.IO;
using System.Linq;
using Lodsmith.V1;
using NUnit.Framework;
using UnityEngine;

namespace Lodsmith.Editor.Tests
{
    public sealed class GenerateFormTests
    {
        private static readonly Digest[] NoFiles = new Digest[0];

        [Test]
        public void APromptIsTrimmedAndHasSeedVariantsAndTheUnityProfile()
        {
            JobSpec spec = new GenerateForm { prompt = " a barrel\n", seed = 5, variants = 3 }.ToSpec(NoFiles);
            Assert.AreEqual(JobSpec.SourceOneofCase.Prompt, spec.SourceCase);
            Assert.AreEqual("a barrel", spec.Prompt);
            Assert.AreEqual(5, spec.Seed);
            Assert.AreEqual(3, spec.VariantCount);
            Assert.AreEqual(ExportProfile.Unity, spec.Options.Export.Profile);
        }

        [Test]
        public void WhatIsNotAskedForIsNotSent()
        {
            AssetOptions options = new GenerateForm { prompt = "a barrel" }.ToSpec(NoFiles).Options;
            Assert.IsNull(options.Lod);
            Assert.IsNull(options.Unwrap);
            Assert.IsNull(options.Place);
            Assert.IsNull(options.Collision);
        }

        [Test]
        public void EveryFieldReachesTheSpec()
        {
            GenerateForm form = new GenerateForm
            {
                prompt = "a barrel", name = "Barrel", budgets = new[] { 900, 300 }, textureSize = 512,
                height = 1.5f, pivot = "center", collision = "box",
            };
            JobSpec spec = form.ToSpec(NoFiles);
            Assert.AreEqual("Barrel", spec.AssetName);
            Assert.AreEqual(new[] { 900, 300 }, spec.Options.Lod.Budgets);
            Assert.AreEqual(512, spec.Options.Unwrap.TextureSize);
            Assert.AreEqual(1.5, spec.Options.Place.HeightM.Value, 1e-6);
            Assert.AreEqual(Pivot.Center, spec.Options.Place.Pivot);
            Assert.AreEqual(CollisionMode.Box, spec.Options.Collision.Mode);
        }

        [Test]
        public void TheFirstPictureIsTheMainOne()
        {
            Digest[] uploads = new[] { 1, 2, 3 }.Select(size => new Digest { SizeBytes = size }).ToArray();
            JobSpec spec = new GenerateForm { images = new[] { "a.png", "b.png", "c.png" } }.ToSpec(uploads);
            Assert.AreEqual(1, spec.Image.SizeBytes);
            Assert.AreEqual(new long[] { 2, 3 }, spec.MoreImages.Select(image => image.SizeBytes).ToArray());
        }

        [Test]
        public void AMeshHasNoSeedAndNoVariants()
        {
            GenerateForm form = new GenerateForm { mesh = "a.glb", seed = 5, variants = 3 };
            JobSpec spec = form.ToSpec(new[] { new Digest { SizeBytes = 9 } });
            Assert.AreEqual(9, spec.Mesh.SizeBytes);
            Assert.AreEqual(0, spec.Seed);
            Assert.AreEqual(0, spec.VariantCount);
        }

        [Test]
        public void HalfTheTrianglesExportsTheJobAgain()
        {
            GenerateForm form = new GenerateForm
            {
                prompt = "a barrel", seed = 5, height = 2, pivot = "center", replaces = "Assets/A.prefab",
                folder = "Assets/Props",
            };
            GenerateForm half = form.AtHalf("jobs/1", new[] { 1000, 301, 9, 8, 4 });
            Assert.IsNull(half.Problem());
            JobSpec spec = half.ToSpec(NoFiles);
            Assert.AreEqual("jobs/1", spec.Job);
            Assert.AreEqual(new[] { 500, 150, 4 }, spec.Options.Lod.Budgets);
            Assert.IsNull(spec.Options.Place, "stages before repair cannot be changed");
            Assert.AreEqual("Assets/Props", half.folder);
            Assert.AreEqual("a barrel", form.prompt, "the form itself stays");
        }

        [Test]
        public void ExactlyOneSourceIsNeeded()
        {
            StringAssert.Contains("type a prompt", new GenerateForm { prompt = " " }.Problem());
            StringAssert.Contains("remove the others", new GenerateForm { prompt = "a", job = "jobs/1" }.Problem());
        }

        [TestCase("pivot", "\"pivot\": \"top\"")]
        [TestCase("collision", "\"collision\": \"mesh\"")]
        [TestCase("{nmae}", "\"folder\": \"Assets/{nmae}\"")]
        [TestCase("must be Assets or begin with Assets/", "\"folder\": \"Packages/x\"")]
        [TestCase("no name", "\"folder\": \"Assets/../x\"")]
        [TestCase("no name", "\"fileName\": \"a/b\"")]
        [TestCase("no name", "\"fileName\": \"a:b\"")]
        [TestCase("Only one variant", "\"replaces\": \"Assets/A.prefab\", \"variants\": 2")]
        public void WhatIsWrongIsNamed(string expected, string fields)
        {
            StringAssert.Contains(
                expected, JsonUtility.FromJson<GenerateForm>("{\"prompt\": \"a\", " + fields + "}").Problem());
        }

        [Test]
        public void AFileThatIsNotThereIsNamed()
        {
            StringAssert.Contains("nowhere.png", new GenerateForm { images = new[] { "nowhere.png" } }.Problem());
        }

        [Test]
        public void AMeshMustBeAGlb()
        {
            string path = Path.GetTempFileName();
            try
            {
                StringAssert.Contains("export the model as binary glTF", new GenerateForm { mesh = path }.Problem());
            }
            finally
            {
                File.Delete(path);
            }
        }

        [Test]
        public void ARecipeReadsBackAsItWas()
        {
            GenerateForm form = new GenerateForm
            {
                prompt = "\"barrel\"\n ü", seed = long.MaxValue, budgets = new[] { 9, 8 }, height = 0.1f, place = true,
            };
            Assert.AreEqual(JsonUtility.ToJson(form), JsonUtility.ToJson(form.Clone()));
            Assert.AreEqual(long.MaxValue, form.Clone().seed);
        }

        [TestCase("", "")]
        [TestCase(" 20000 ,1 000", "20000, 1000")]
        public void BudgetsAreReadFromText(string text, string expected)
        {
            int[] budgets;
            Assert.IsTrue(BudgetText.TryParse(text, out budgets));
            Assert.AreEqual(expected, BudgetText.Format(budgets));
        }

        [TestCase("20000,")]
        [TestCase("-5")]
        [TestCase("many")]
        [TestCase("99999999999")]
        public void WhatIsNoListOfNumbersIsRefused(string text)
        {
            int[] budgets;
            Assert.IsFalse(BudgetText.TryParse(text, out budgets));
        }
    }
}
