using System;
using System.Collections.Generic;

namespace Lodsmith.Editor
{
    /// <summary>The server's screen coverages as Unity's `screenRelativeTransitionHeight`.</summary>
    internal static class LodTransitions
    {
        // LODGroup refuses heights that do not fall.
        private const double Step = 0.999;

        /// <summary>
        /// Maps coverages, strictly falling in (0, 1). Both numbers tell where a LOD ends, so the last one is
        /// where the asset is culled. They differ in what they measure: the server the sphere around the
        /// bounding box's center, Unity the box's longest side. Switching has to happen at the same distance,
        /// so coverages shrink by the one over the other.
        /// </summary>
        /// <param name="coverages">Of LOD0, LOD1, ..., in (0, 1].</param>
        /// <param name="groupSize">`LODGroup.size`, metres.</param>
        /// <param name="boxDiagonal">
        /// Of the bounding box, metres. It is at least the sphere's diameter, so a LOD is kept rather longer
        /// than shorter.
        /// </param>
        public static float[] Heights(IReadOnlyList<double> coverages, double groupSize, double boxDiagonal)
        {
            double scale = boxDiagonal > 0 ? Math.Min(1, groupSize / boxDiagonal) : 1;
            float[] heights = new float[coverages.Count];
            double highest = Step;
            for (int level = 0; level < heights.Length; level++)
            {
                heights[level] = (float)Math.Min(highest, coverages[level] * scale);
                highest = heights[level] * Step;
            }
            return heights;
        }
    }
}
