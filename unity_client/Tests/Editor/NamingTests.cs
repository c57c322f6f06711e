using System;
using System.Linq;
using Lodsmith.V1;
using NUnit.Framework;

namespace Lodsmith.Editor.Tests
{
    public sealed class NamingTests
    {
        [Test]
        public void TokensAreReplaced()
        {
            AssetFacts facts = AssetFacts.Of(SampleAsset.Job("Barrel", 2, 1)).Single();
            DateTime now = new DateTime(2026, 2, 3, 4, 5, 6);
            Assert.AreEqual(
                "Assets/Barrel_7/12 2026-02-03_040506",
                NamePattern.Expand("Assets/{name}_{seed}/{lod0} {date}_{time}", facts, now));
        }

        [Test]
        public void MeshesAreNamedAfterTheFile()
        {
            AssetFacts facts = AssetFacts.Of(SampleAsset.Job("BarrelV2", 2, 3)).Single();
            Assert.AreEqual("SM_BarrelV2_LOD1", facts.LodMesh(1));
            Assert.IsTrue(facts.HullMeshes(2).Contains("UBX_SM_BarrelV2_LOD0_02"));
            Assert.AreEqual(3, facts.HullCount);
        }

        [Test]
        public void EachVariantHasItsOwnFile()
        {
            Job job = SampleAsset.Job("BarrelV1", 2, 1);
            Variant second = new Variant { Seed = 8 };
            second.Lods.Add(new Lod { TriangleCount = 4, ScreenCoverage = 0.1 });
            job.Result.Variants.Add(second);
            job.Result.Variants.Add(new Variant { Seed = 9 });
            job.Result.Artifacts.Add(
                new Artifact { Role = "model", FileName = "BarrelV2.glb", Variant = 1, Digest = new Digest() });
            Assert.AreEqual(new[] { "BarrelV1", "BarrelV2" }, AssetFacts.Of(job).Select(facts => facts.Name).ToArray());
            Assert.AreEqual(0, AssetFacts.Of(job)[1].HullCount);
        }

        [Test]
        public void HeightsTellWhereALodEnds()
        {
            // As large in the box as in the sphere: the numbers are the same.
            float[] heights = LodTransitions.Heights(new[] { 0.5, 0.25, 0.01 }, 1, 1);
            Assert.AreEqual(0.5, heights[0], 1e-6);
            Assert.AreEqual(0.25, heights[1], 1e-6);
            Assert.AreEqual(0.01, heights[2], 1e-6);
        }

        [Test]
        public void SwitchingHappensAtTheSameDistanceInUnitysMeasure()
        {
            // A cube of 1 m, seen with a field of view of 90 degrees: height = size / (2 distance).
            const double size = 1;
            double sphere = Math.Sqrt(3);
            double distance = sphere / (2 * 0.4);
            Assert.AreEqual(size / (2 * distance), LodTransitions.Heights(new[] { 0.4 }, size, sphere)[0], 1e-6);
        }

        [Test]
        public void HeightsAlwaysFallAndStayBelowOne()
        {
            float[] heights = LodTransitions.Heights(new[] { 1.0, 1.0, 1.0 }, 0, 0);
            Assert.Less(heights[0], 1);
            Assert.Less(heights[1], heights[0]);
            Assert.Less(heights[2], heights[1]);
        }
    }
}
