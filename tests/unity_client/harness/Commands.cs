using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Reflection;
using System.Threading;
using System.Threading.Tasks;
using Lodsmith.V1;

namespace Lodsmith.Harness
{
    /// <summary>What a test can ask for.</summary>
    internal sealed class Commands
    {
        private LodsmithClient _client;

        internal async Task RunAsync(
            string command, string[] arguments, Action<string[]> say, CancellationToken cancellationToken)
        {
            switch (command)
            {
                case "round-trip": // TYPE BYTES -> bytes
                    say(new[] { "bytes", Text(Parse(arguments[0], Bytes(arguments[1])).ToBytes()) });
                    break;
                case "answer":
                    await AnswerAsync(arguments, say, cancellationToken);
                    break;
                case "fuzz": // COUNT SEED BODY ... -> counts
                    var fuzz = new Fuzz(int.Parse(arguments[1]), arguments.Skip(2).Select(Bytes).ToArray());
                    foreach (KeyValuePair<string, int> found in await fuzz.RunAsync(int.Parse(arguments[0])))
                    {
                        say(new[] { "count", found.Key, found.Value.ToString() });
                    }
                    break;
                case "connect": // SERVER TOKEN IDLE_S CALL_S PATIENCE_S
                    _client = new LodsmithClient(new Uri(arguments[0]), arguments[1], OptionsOf(arguments));
                    break;
                case "dispose":
                    _client.Dispose();
                    break;
                case "call": // METHOD BYTES -> bytes
                    WireMessage response = await CallAsync(arguments[0], Bytes(arguments[1]), cancellationToken);
                    say(new[] { "bytes", Text(response.ToBytes()) });
                    break;
                case "follow": // NAME AFTER EPOCH -> event BYTES UNIX_S, as often as there are
                    await _client.FollowJobAsync(
                        arguments[0],
                        long.Parse(arguments[1]),
                        arguments[2],
                        next => say(new[] { "event", Text(next.ToBytes()), Now() }),
                        cancellationToken);
                    break;
                case "upload": // PATH -> progress DONE TOTAL, bytes
                    Digest digest = await _client.UploadAsync(arguments[0], Progress(say), cancellationToken);
                    say(new[] { "bytes", Text(digest.ToBytes()) });
                    break;
                case "download": // DIGEST PATH -> progress DONE TOTAL, seconds
                    var watch = Stopwatch.StartNew();
                    await _client.DownloadAsync(
                        Digest.Parse(Bytes(arguments[0])), arguments[1], Progress(say), cancellationToken);
                    say(new[] { "seconds", watch.Elapsed.TotalSeconds.ToString(CultureInfo.InvariantCulture) });
                    break;
                default:
                    throw new ArgumentException(command);
            }
        }

        /// <summary>All that a test may want to know of an error, as `failed` and pairs.</summary>
        internal static string[] InWords(LodsmithException error)
        {
            var words = new List<string>
            {
                "failed", "LodsmithException", error.Message,
                "code", error.Code.ToString(),
                "reason", error.Reason,
                "transient", error.IsTransient.ToString(),
                "retry_after", error.RetryAfter?.TotalSeconds.ToString(CultureInfo.InvariantCulture) ?? "",
            };
            foreach (KeyValuePair<string, string> detail in error.Details)
            {
                words.AddRange(new[] { "metadata:" + detail.Key, detail.Value });
            }
            foreach (FieldViolation violation in error.Violations)
            {
                words.AddRange(new[] { "violation:" + violation.Field, violation.Description });
            }
            return words.ToArray();
        }

        internal static WireMessage Parse(string type, byte[] data)
        {
            MethodInfo parse = typeof(WireMessage).Assembly
                .GetType("Lodsmith.V1." + type, true)
                .GetMethod("Parse", new[] { typeof(byte[]) });
            var read = (Func<byte[], WireMessage>)Delegate.CreateDelegate(typeof(Func<byte[], WireMessage>), parse);
            return read(data);
        }

        /// <summary>unary|stream STATUS SLICE BODY HEADER VALUE ... -> message BYTES, as often as there are.</summary>
        private static async Task AnswerAsync(
            string[] arguments, Action<string[]> say, CancellationToken cancellationToken)
        {
            var answer = new HttpResponseMessage((HttpStatusCode)int.Parse(arguments[1]))
            {
                Content = new StreamContent(new SlicedStream(Bytes(arguments[3]), int.Parse(arguments[2]))),
            };
            for (int index = 4; index < arguments.Length; index += 2)
            {
                if (!answer.Headers.TryAddWithoutValidation(arguments[index], arguments[index + 1]))
                {
                    answer.Content.Headers.TryAddWithoutValidation(arguments[index], arguments[index + 1]);
                }
            }
            var options = new ClientOptions { MaxMessageBytes = 4096 };
            var address = new Uri("http://127.0.0.1:1");
            using (var server = new ServerConnection(address, null, options, new CannedAnswer(answer)))
            {
                var channel = new GrpcWebChannel(server);
                if (arguments[0] == "unary")
                {
                    GetJobResponse response = await channel.CallAsync(
                        "/", new GetJobRequest(), GetJobResponse.Parse, cancellationToken);
                    say(new[] { "message", Text(response.ToBytes()) });
                    return;
                }
                using (GrpcWebStream stream = await channel.OpenAsync(
                    "/", new WatchJobRequest(), ExchangeLimit.Silence, cancellationToken))
                {
                    WatchJobResponse response;
                    while ((response = await stream.NextAsync(WatchJobResponse.Parse)) != null)
                    {
                        say(new[] { "message", Text(response.ToBytes()) });
                    }
                }
            }
        }

        private static ClientOptions OptionsOf(string[] arguments)
        {
            return new ClientOptions
            {
                IdleTimeout = Seconds(arguments[2]),
                CallTimeout = Seconds(arguments[3]),
                Patience = Seconds(arguments[4]),
                FirstBackOff = TimeSpan.FromMilliseconds(20),
            };
        }

        private async Task<WireMessage> CallAsync(
            string name, byte[] request, CancellationToken cancellationToken)
        {
            MethodInfo method = typeof(LodsmithClient).GetMethod(name + "Async");
            ParameterInfo[] parameters = method.GetParameters();
            var arguments = new List<object>();
            if (parameters.Length == 2)
            {
                arguments.Add(Parse(parameters[0].ParameterType.Name, request));
            }
            arguments.Add(cancellationToken);
            var task = (Task)method.Invoke(_client, arguments.ToArray());
            await task;
            return (WireMessage)task.GetType().GetProperty("Result").GetValue(task);
        }

        private static Action<long, long> Progress(Action<string[]> say)
        {
            return (done, total) => say(new[] { "progress", done.ToString(), total.ToString() });
        }

        private static string Now()
        {
            double now = (DateTime.UtcNow - new DateTime(1970, 1, 1)).TotalSeconds;
            return now.ToString("F6", CultureInfo.InvariantCulture);
        }

        private static TimeSpan Seconds(string text)
        {
            return TimeSpan.FromSeconds(double.Parse(text, CultureInfo.InvariantCulture));
        }

        private static byte[] Bytes(string text)
        {
            return Convert.FromBase64String(text);
        }

        private static string Text(byte[] bytes)
        {
            return Convert.ToBase64String(bytes);
        }
    }
}
