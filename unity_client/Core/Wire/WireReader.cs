using System;
using System.Collections.Generic;
using System.IO;
using System.Text;

namespace Lodsmith
{
    /// <summary>
    /// Reads protobuf's wire format. Lengths are checked before anything is made of them; what is
    /// wrong ends in an <see cref="InvalidDataException"/> and nothing else.
    /// </summary>
    internal sealed class WireReader
    {
        /// <summary>As deep as protobuf's own readers go.</summary>
        private const int MaxDepth = 100;

        private static readonly Encoding Utf8 = new UTF8Encoding(false, true);

        private readonly byte[] _data;
        private int _position;
        private int _end;
        private int _depth;

        internal WireReader(byte[] data, int offset, int count)
        {
            if (offset < 0 || count < 0 || offset > data.Length - count)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(count), $"{count} bytes at {offset} are not within {data.Length}");
            }
            _data = data;
            _position = offset;
            _end = offset + count;
        }

        /// <summary>Returns the next field's number and type; 0 at the message's end.</summary>
        internal uint NextTag()
        {
            if (_position == _end)
            {
                return 0;
            }
            ulong tag = Varint();
            if (tag > uint.MaxValue || tag >> 3 == 0)
            {
                throw new InvalidDataException($"there is no field with the tag {tag}");
            }
            return (uint)tag;
        }

        internal int Int32() => (int)Varint();

        internal long Int64() => (long)Varint();

        internal bool Bool() => Varint() != 0;

        internal double Double()
        {
            int start = Take(8);
            long bits = 0;
            for (int index = 7; index >= 0; index--)
            {
                bits = (bits << 8) | _data[start + index];
            }
            return BitConverter.Int64BitsToDouble(bits);
        }

        internal string String()
        {
            int length = Length();
            try
            {
                return Utf8.GetString(_data, Take(length), length);
            }
            catch (DecoderFallbackException error)
            {
                throw new InvalidDataException("a text is no UTF-8", error);
            }
        }

        internal byte[] Bytes()
        {
            int length = Length();
            int start = Take(length);
            var value = new byte[length];
            Buffer.BlockCopy(_data, start, value, 0, length);
            return value;
        }

        /// <summary>Reads a message into one that may have been begun: parts of one field are merged.</summary>
        internal T Message<T>(T into)
            where T : WireMessage
        {
            Within(reader => into.Read(reader));
            return into;
        }

        internal void MapEntry(Dictionary<string, string> map)
        {
            string key = "";
            string value = "";
            Within(reader =>
            {
                uint tag;
                while ((tag = reader.NextTag()) != 0)
                {
                    switch (tag)
                    {
                        case 10:
                            key = reader.String();
                            break;
                        case 18:
                            value = reader.String();
                            break;
                        default:
                            reader.Skip(tag);
                            break;
                    }
                }
            });
            map[key] = value;
        }

        internal void Packed(Action<WireReader> readItem)
        {
            Within(reader =>
            {
                while (reader._position < reader._end)
                {
                    readItem(reader);
                }
            });
        }

        /// <summary>Skips a field that this version of the contract does not have.</summary>
        internal void Skip(uint tag)
        {
            switch (tag & 7)
            {
                case 0:
                    Varint();
                    break;
                case 1:
                    Take(8);
                    break;
                case 2:
                    Take(Length());
                    break;
                case 3:
                    SkipGroup(tag >> 3);
                    break;
                case 5:
                    Take(4);
                    break;
                default:
                    throw new InvalidDataException($"field {tag >> 3} has the unknown type {tag & 7}");
            }
        }

        private void SkipGroup(uint field)
        {
            Descend();
            uint end = (field << 3) | 4;
            uint tag;
            while ((tag = NextTag()) != end)
            {
                if (tag == 0)
                {
                    throw new InvalidDataException($"field {field} is a group without an end");
                }
                Skip(tag);
            }
            _depth--;
        }

        private void Within(Action<WireReader> read)
        {
            int length = Length();
            int end = _end;
            _end = _position + length;
            Descend();
            read(this);
            _depth--;
            _end = end;
        }

        private void Descend()
        {
            if (++_depth > MaxDepth)
            {
                throw new InvalidDataException($"messages lie in each other deeper than {MaxDepth}");
            }
        }

        /// <summary>Reads the length of what follows, all of which must be there.</summary>
        private int Length()
        {
            ulong length = Varint();
            if (length > (ulong)(_end - _position))
            {
                throw new InvalidDataException(
                    $"{length} bytes are announced where {_end - _position} are left");
            }
            return (int)length;
        }

        private int Take(int count)
        {
            if (count > _end - _position)
            {
                throw new InvalidDataException($"the message ends within a value of {count} bytes");
            }
            int start = _position;
            _position += count;
            return start;
        }

        private ulong Varint()
        {
            ulong value = 0;
            for (int shift = 0; shift < 70; shift += 7)
            {
                byte next = _data[Take(1)];
                value |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80)
                {
                    return value;
                }
            }
            throw new InvalidDataException("a number is longer than ten bytes");
        }
    }
}
