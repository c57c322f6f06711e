namespace Lodsmith
{
    /// <summary>What of an exchange may not take too long.</summary>
    internal enum ExchangeLimit
    {
        /// <summary>All of it.</summary>
        Total,
        /// <summary>The time between two bytes.</summary>
        Silence,
    }
}
