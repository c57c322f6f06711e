using System;
using System.Collections.Generic;
using Lodsmith.V1;

namespace Lodsmith
{
    /// <summary>A call failed. <see cref="Exception.Message"/> is for people: what is wrong and the way out.</summary>
    public sealed class LodsmithException : Exception
    {
        private static readonly Dictionary<string, string> NoDetails = new Dictionary<string, string>();

        internal LodsmithException(
            StatusCode code,
            string message,
            string reason = "",
            IReadOnlyDictionary<string, string> details = null,
            IReadOnlyList<FieldViolation> violations = null,
            TimeSpan? retryAfter = null,
            Exception cause = null)
            : base(message, cause)
        {
            Code = code;
            Reason = reason;
            Details = details ?? NoDetails;
            Violations = violations ?? Array.Empty<FieldViolation>();
            RetryAfter = retryAfter;
        }

        /// <summary>How the call ended.</summary>
        public StatusCode Code { get; }

        /// <summary>A name of <see cref="ErrorReason"/> as the contract spells it: <c>JOB_NOT_FOUND</c>.
        /// Empty where it was not the server that said no.</summary>
        public string Reason { get; }

        /// <summary>The variables of the message, by name.</summary>
        public IReadOnlyDictionary<string, string> Details { get; }

        /// <summary>The fields of the request that are wrong.</summary>
        public IReadOnlyList<FieldViolation> Violations { get; }

        /// <summary>How long to wait before it may help to try again. Null: the server did not say.</summary>
        public TimeSpan? RetryAfter { get; }

        /// <summary>Whether the same call may succeed soon without anybody doing anything.</summary>
        public bool IsTransient
        {
            get
            {
                switch (Code)
                {
                    case StatusCode.Unavailable:
                    case StatusCode.DeadlineExceeded:
                    case StatusCode.Cancelled: // nobody here did: a server that has too much to do
                        return true;
                    default:
                        return Reason == "RATE_LIMITED" || Reason == "UPLOAD_BUSY";
                }
            }
        }
    }
}
