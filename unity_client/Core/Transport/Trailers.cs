using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Text;
using Lodsmith.V1;

namespace Lodsmith
{
    /// <summary>How a call ended, in the lines of its last frame.</summary>
    internal static class Trailers
    {
        private const string TypePrefix = "type.googleapis.com/google.rpc.";

        internal static void ThrowUnlessOk(byte[] frame)
        {
            Dictionary<string, string> lines = Read(Encoding.UTF8.GetString(frame));
            string status;
            if (!lines.TryGetValue("grpc-status", out status))
            {
                throw new LodsmithException(
                    StatusCode.Internal, "the server's answer is broken: its trailers have no grpc-status");
            }
            StatusCode code = CodeOf(status);
            if (code == StatusCode.Ok)
            {
                return;
            }
            string message;
            lines.TryGetValue("grpc-message", out message);
            string details;
            lines.TryGetValue("grpc-status-details-bin", out details);
            throw Failure(code, Uri.UnescapeDataString(message ?? ""), DetailsOf(details));
        }

        private static Dictionary<string, string> Read(string text)
        {
            var lines = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            foreach (string line in text.Split(new[] { "\r\n", "\n" }, StringSplitOptions.RemoveEmptyEntries))
            {
                int colon = line.IndexOf(':');
                if (colon > 0)
                {
                    lines[line.Substring(0, colon).Trim()] = line.Substring(colon + 1).Trim();
                }
            }
            return lines;
        }

        private static StatusCode CodeOf(string status)
        {
            int number;
            bool isKnown = int.TryParse(status, NumberStyles.None, CultureInfo.InvariantCulture, out number)
                && number <= (int)StatusCode.Unauthenticated;
            return isKnown ? (StatusCode)number : StatusCode.Unknown;
        }

        /// <summary>Returns the details; null where there are none or they are broken: the code stands.</summary>
        private static RpcStatus DetailsOf(string base64)
        {
            if (base64 == null)
            {
                return null;
            }
            string padded = base64.TrimEnd('=').Replace('-', '+').Replace('_', '/');
            padded += new string('=', (4 - padded.Length % 4) % 4);
            try
            {
                return RpcStatus.Parse(Convert.FromBase64String(padded));
            }
            catch (Exception error) when (error is FormatException || error is InvalidDataException)
            {
                return null;
            }
        }

        private static LodsmithException Failure(StatusCode code, string message, RpcStatus status)
        {
            var info = new ErrorInfo();
            var violations = new List<FieldViolation>();
            TimeSpan? retryAfter = null;
            foreach (AnyMessage detail in status?.Details ?? new List<AnyMessage>())
            {
                try
                {
                    switch (detail.TypeUrl)
                    {
                        case TypePrefix + "ErrorInfo":
                            info = ErrorInfo.Parse(detail.Value);
                            break;
                        case TypePrefix + "BadRequest":
                            violations.AddRange(BadRequest.Parse(detail.Value).FieldViolations);
                            break;
                        case TypePrefix + "RetryInfo":
                            retryAfter = RetryInfo.Parse(detail.Value).RetryDelay?.ToTimeSpan();
                            break;
                    }
                }
                catch (InvalidDataException)
                {
                    // As for the status: a detail that cannot be read is one that is not there.
                }
            }
            return new LodsmithException(
                code, message == "" ? code.ToString() : message, info.Reason, info.Metadata, violations, retryAfter);
        }
    }
}
