using System;
using System.Net.Http;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

namespace Lodsmith
{
    /// <summary>
    /// Answers whose HTTP status is no success. Ours hold
    /// <c>{"error": {"code", "reason", "message", ...}}</c>; a proxy's hold whatever it likes.
    /// </summary>
    internal static class HttpFailure
    {
        private const int MaxBodyBytes = 64 * 1024;

        internal static async Task<LodsmithException> ReadAsync(Exchange exchange)
        {
            string body = await BodyOfAsync(exchange).ConfigureAwait(false);
            var status = (int)exchange.Response.StatusCode;
            TimeSpan? retryAfter = exchange.Response.Headers.RetryAfter?.Delta;
            StatusCode code;
            if (TryReadCode(Text(body, "code"), out code))
            {
                return new LodsmithException(
                    code, Text(body, "message"), Text(body, "reason"), retryAfter: retryAfter);
            }
            return new LodsmithException(
                CodeOf(status),
                $"somebody on the way to the server answered with HTTP status {status}",
                retryAfter: retryAfter);
        }

        /// <summary>Reads a code as gRPC spells it: <c>NOT_FOUND</c>.</summary>
        private static bool TryReadCode(string word, out StatusCode code)
        {
            code = StatusCode.Unknown;
            return Regex.IsMatch(word, @"\A[A-Z_]+\z")
                && Enum.TryParse(word.Replace("_", ""), true, out code);
        }

        /// <summary>What gRPC's clients make of the HTTP status of somebody in between.</summary>
        private static StatusCode CodeOf(int status)
        {
            switch (status)
            {
                case 400:
                    return StatusCode.Internal;
                case 401:
                    return StatusCode.Unauthenticated;
                case 403:
                    return StatusCode.PermissionDenied;
                case 404:
                    return StatusCode.Unimplemented;
                case 429:
                case 502:
                case 503:
                case 504:
                    return StatusCode.Unavailable;
                default:
                    return StatusCode.Unknown;
            }
        }

        /// <summary>Finds a text in the JSON by its name. Core has no JSON, and needs no more of it.</summary>
        private static string Text(string body, string name)
        {
            Match match = Regex.Match(body, "\"" + name + @"""\s*:\s*""((?:[^""\\]|\\.)*)""");
            try
            {
                return Regex.Unescape(match.Groups[1].Value); // knows all escapes of JSON
            }
            catch (ArgumentException)
            {
                return ""; // this was none
            }
        }

        private static async Task<string> BodyOfAsync(Exchange exchange)
        {
            var body = new byte[MaxBodyBytes];
            int count = 0;
            int read;
            do
            {
                read = await exchange.ReadAsync(body, count, MaxBodyBytes - count).ConfigureAwait(false);
                count += read;
            }
            while (read > 0 && count < MaxBodyBytes);
            return Encoding.UTF8.GetString(body, 0, count);
        }
    }
}
