using System.Globalization;
using System.Linq;

namespace Lodsmith.Editor
{
    /// <summary>LOD budgets as a line of text: "20000, 10000, 4000".</summary>
    internal static class BudgetText
    {
        /// <summary>Writes budgets.</summary>
        public static string Format(int[] budgets)
        {
            return string.Join(", ", budgets.Select(budget => budget.ToString(CultureInfo.InvariantCulture)));
        }

        /// <summary>Reads budgets; empty text gives none. False: the text is no list of numbers.</summary>
        public static bool TryParse(string text, out int[] budgets)
        {
            string[] parts = text.Split(',').Select(part => part.Trim().Replace(" ", "")).ToArray();
            budgets = new int[0];
            if (parts.Length == 1 && parts[0].Length == 0)
            {
                return true;
            }
            int[] values = new int[parts.Length];
            for (int index = 0; index < parts.Length; index++)
            {
                if (!int.TryParse(parts[index], NumberStyles.None, CultureInfo.InvariantCulture, out values[index]))
                {
                    return false;
                }
            }
            budgets = values;
            return true;
        }
    }
}
