namespace Lodsmith
{
    /// <summary>How a call ended: the status codes of gRPC.</summary>
    public enum StatusCode
    {
        /// <summary>Well.</summary>
        Ok = 0,
        /// <summary>Somebody cancelled it.</summary>
        Cancelled = 1,
        /// <summary>Whatever answered speaks another language.</summary>
        Unknown = 2,
        /// <summary>A field of the request is wrong.</summary>
        InvalidArgument = 3,
        /// <summary>It took too long.</summary>
        DeadlineExceeded = 4,
        /// <summary>There is no such thing.</summary>
        NotFound = 5,
        /// <summary>There is one already.</summary>
        AlreadyExists = 6,
        /// <summary>The token does not allow it.</summary>
        PermissionDenied = 7,
        /// <summary>A quota, a queue, a disk or a limit is full.</summary>
        ResourceExhausted = 8,
        /// <summary>Something else must be done first.</summary>
        FailedPrecondition = 9,
        /// <summary>Somebody else was faster.</summary>
        Aborted = 10,
        /// <summary>Behind the end.</summary>
        OutOfRange = 11,
        /// <summary>The server has no such method.</summary>
        Unimplemented = 12,
        /// <summary>A defect, or an answer that breaks the protocol.</summary>
        Internal = 13,
        /// <summary>The server cannot be reached now.</summary>
        Unavailable = 14,
        /// <summary>Bytes were damaged.</summary>
        DataLoss = 15,
        /// <summary>The token is missing or wrong.</summary>
        Unauthenticated = 16,
    }
}
