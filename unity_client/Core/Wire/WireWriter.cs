using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Lodsmith
{
    /// <summary>Writes protobuf's wire format. What is written is there, default or not.</summary>
    internal sealed class WireWriter
    {
        private const int VarintType = 0;
        private const int Fixed64Type = 1;
        private const int BytesType = 2;

        private static readonly Encoding Utf8 = new UTF8Encoding(false, true);

        private readonly MemoryStream _bytes = new MemoryStream();

        internal byte[] ToBytes() => _bytes.ToArray();

        internal void Integer(int field, long value)
        {
            Tag(field, VarintType);
            Varint(value);
        }

        internal void Bool(int field, bool value) => Integer(field, value ? 1 : 0);

        internal void Double(int field, double value)
        {
            Tag(field, Fixed64Type);
            long bits = BitConverter.DoubleToInt64Bits(value);
            for (int shift = 0; shift < 64; shift += 8)
            {
                _bytes.WriteByte((byte)(bits >> shift));
            }
        }

        internal void String(int field, string value) => Bytes(field, Utf8.GetBytes(value ?? ""));

        internal void Bytes(int field, byte[] value)
        {
            Tag(field, BytesType);
            Varint(value.Length);
            _bytes.Write(value, 0, value.Length);
        }

        internal void Message(int field, WireMessage value) => Bytes(field, value.ToBytes());

        internal void Map(int field, Dictionary<string, string> map)
        {
            foreach (KeyValuePair<string, string> entry in map)
            {
                var writer = new WireWriter();
                writer.String(1, entry.Key);
                writer.String(2, entry.Value);
                Bytes(field, writer.ToBytes());
            }
        }

        internal void Packed<T>(int field, List<T> items, Action<WireWriter, T> write)
        {
            if (items.Count == 0)
            {
                return;
            }
            var writer = new WireWriter();
            foreach (T item in items)
            {
                write(writer, item);
            }
            Bytes(field, writer.ToBytes());
        }

        /// <summary>Negative numbers take ten bytes, those of 32 bits too.</summary>
        internal void Varint(long value)
        {
            ulong left = (ulong)value;
            while (left > 0x7F)
            {
                _bytes.WriteByte((byte)(left | 0x80));
                left >>= 7;
            }
            _bytes.WriteByte((byte)left);
        }

        private void Tag(int field, int type) => Varint((field << 3) + type);
    }
}
