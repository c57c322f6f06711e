using System;
using System.Globalization;
using System.Linq;
using System.Text.RegularExpressions;

namespace Lodsmith.Editor
{
    /// <summary>Folder and file names with tokens: {name}, {seed}, {lod0} (triangles), {date}, {time}.</summary>
    internal static class NamePattern
    {
        private static readonly string[] Tokens = { "name", "seed", "lod0", "date", "time" };
        private static readonly Regex Token = new Regex(@"\{([^{}]*)\}");

        // What Windows refuses in names; projects are shared between systems.
        private static readonly char[] Forbidden = { '<', '>', ':', '"', '|', '?', '*', '\\' };

        /// <summary>Replaces the tokens.</summary>
        /// <param name="pattern">Text without a <see cref="Problem"/>.</param>
        /// <param name="facts">The asset that is named.</param>
        /// <param name="now">Local time.</param>
        public static string Expand(string pattern, AssetFacts facts, DateTime now)
        {
            return Token.Replace(pattern, match => Value(match.Groups[1].Value, facts, now));
        }

        /// <summary>Returns null, or one sentence with the way out.</summary>
        public static string Problem(string field, string pattern, bool isFolder)
        {
            if (pattern.Length == 0)
            {
                return null;
            }
            string unknown = Token.Matches(pattern).Cast<Match>()
                .Select(match => match.Groups[1].Value).FirstOrDefault(token => !Tokens.Contains(token));
            if (unknown != null)
            {
                return field + " has no token {" + unknown + "}; there are {" + string.Join("}, {", Tokens) + "}.";
            }
            if (isFolder && pattern != "Assets" && !pattern.StartsWith("Assets/", StringComparison.Ordinal))
            {
                return field + " must be Assets or begin with Assets/, got \"" + pattern + "\".";
            }
            string[] parts = pattern.Split('/');
            // Unity ignores what begins with a dot or ends with ~; Windows drops dots at the end.
            bool isBad = parts.Any(part => part.Trim().Length == 0 || part[0] == '.' || ".~".Contains(part.Last()));
            if (isBad || pattern.IndexOfAny(Forbidden) >= 0 || (!isFolder && parts.Length > 1))
            {
                return field + " is no name that Unity and every system take: \"" + pattern + "\".";
            }
            return null;
        }

        private static string Value(string token, AssetFacts facts, DateTime now)
        {
            switch (token)
            {
                case "name":
                    return facts.Name;
                case "seed":
                    return facts.Seed.ToString(CultureInfo.InvariantCulture);
                case "lod0":
                    return facts.Triangles[0].ToString(CultureInfo.InvariantCulture);
                case "date":
                    return now.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
                default:
                    return now.ToString("HHmmss", CultureInfo.InvariantCulture);
            }
        }
    }
}
