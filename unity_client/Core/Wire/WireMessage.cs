namespace Lodsmith
{
    /// <summary>A message of the contract. Not safe to change on two threads at once.</summary>
    public abstract class WireMessage
    {
        internal WireMessage()
        {
        }

        /// <summary>Writes the message as protobuf.</summary>
        /// <exception cref="System.ArgumentException">A text holds half a surrogate pair.</exception>
        public byte[] ToBytes()
        {
            var writer = new WireWriter();
            Write(writer);
            return writer.ToBytes();
        }

        internal abstract void Write(WireWriter writer);

        internal abstract void Read(WireReader reader);
    }
}
