using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Threading;
using System.Threading.Tasks;
using Lodsmith.V1;

namespace Lodsmith.Harness
{
    /// <summary>Mutates answers and messages, and counts how reading them ends.</summary>
    internal sealed class Fuzz
    {
        private readonly Random _random;
        private readonly byte[][] _corpus;
        private readonly string[] _types;
        private readonly SortedDictionary<string, int> _counts = new SortedDictionary<string, int>();

        internal Fuzz(int seed, byte[][] corpus)
        {
            _random = new Random(seed);
            _corpus = corpus;
            _types = typeof(WireMessage).Assembly.GetTypes()
                .Where(type => type.BaseType == typeof(WireMessage))
                .Select(type => type.Name)
                .OrderBy(name => name, StringComparer.Ordinal)
                .ToArray();
        }

        internal async Task<IDictionary<string, int>> RunAsync(int count)
        {
            for (int round = 0; round < count; round++)
            {
                byte[] bytes = Mutated(_corpus[_random.Next(_corpus.Length)]);
                Count("stream", await EndOfStreamAsync(bytes));
                Count("message", EndOfMessage(bytes.Skip(GrpcWebStream.HeadBytes).ToArray()));
            }
            return _counts;
        }

        private async Task<string> EndOfStreamAsync(byte[] body)
        {
            var answer = new HttpResponseMessage(HttpStatusCode.OK)
            {
                Content = new StreamContent(new SlicedStream(body, _random.Next(1, 64))),
            };
            answer.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc-web+proto");
            try
            {
                var address = new Uri("http://127.0.0.1:1");
                using (var server = new ServerConnection(
                    address, null, new ClientOptions(), new CannedAnswer(answer)))
                using (GrpcWebStream stream = await new GrpcWebChannel(server).OpenAsync(
                    "/", new WatchJobRequest(), ExchangeLimit.Silence, CancellationToken.None))
                {
                    while (await stream.NextAsync(WatchJobResponse.Parse) != null)
                    {
                        Count("stream", "a message");
                    }
                }
                return "ended";
            }
            catch (LodsmithException error)
            {
                return error.Code.ToString();
            }
            catch (Exception error)
            {
                return "CRASHED " + error;
            }
        }

        /// <summary>Reads the bytes as a message of any type. What can be read can be written and read again.</summary>
        private string EndOfMessage(byte[] bytes)
        {
            string type = _types[_random.Next(_types.Length)];
            try
            {
                byte[] written = Commands.Parse(type, bytes).ToBytes();
                bool isSame = Commands.Parse(type, written).ToBytes().SequenceEqual(written);
                return isSame ? "read" : "CRASHED: another message after writing " + type;
            }
            catch (InvalidDataException)
            {
                return "refused";
            }
            catch (Exception error)
            {
                return "CRASHED " + error;
            }
        }

        private byte[] Mutated(byte[] original)
        {
            var bytes = new List<byte>(original);
            for (int left = _random.Next(1, 6); left > 0 && bytes.Count > 0; left--)
            {
                int place = _random.Next(bytes.Count);
                int length = Math.Min(_random.Next(1, 9), bytes.Count - place);
                switch (_random.Next(6))
                {
                    case 0:
                        bytes[place] ^= (byte)(1 << _random.Next(8));
                        break;
                    case 1:
                        bytes[place] = (byte)_random.Next(256);
                        break;
                    case 2:
                        bytes.RemoveRange(place, length);
                        break;
                    case 3:
                        bytes.InsertRange(place, bytes.GetRange(place, length));
                        break;
                    case 4:
                        bytes.Insert(place, 0xFF);
                        break;
                    default:
                        bytes.RemoveRange(place, bytes.Count - place);
                        break;
                }
            }
            return bytes.ToArray();
        }

        private void Count(string what, string end)
        {
            string key = what + ": " + end;
            int count;
            _counts.TryGetValue(key, out count);
            _counts[key] = count + 1;
        }
    }
}
