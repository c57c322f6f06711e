using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Lodsmith.Harness
{
    /// <summary>
    /// Does what a test says, line by line: <c>ID COMMAND ARGUMENT ...</c> on stdin, any number of
    /// <c>ID KIND VALUE ...</c> on stdout, the last one <c>ID done</c> or <c>ID failed ...</c>. Commands run
    /// beside each other. Arguments and values are texts, percent-encoded, or bytes in base64.
    /// </summary>
    internal static class Program
    {
        private static readonly ConcurrentDictionary<string, CancellationTokenSource> Running =
            new ConcurrentDictionary<string, CancellationTokenSource>();

        private static void Main()
        {
            var commands = new Commands();
            string line;
            while ((line = Console.ReadLine()) != null)
            {
                string[] words = line.Split(' ').Select(Uri.UnescapeDataString).ToArray();
                if (words[1] == "cancel")
                {
                    Running[words[2]].Cancel();
                    continue;
                }
                Running[words[0]] = new CancellationTokenSource();
                Task.Run(() => RunAsync(commands, words));
            }
        }

        private static async Task RunAsync(Commands commands, string[] words)
        {
            string id = words[0];
            try
            {
                string[] arguments = words.Skip(2).ToArray();
                await commands.RunAsync(words[1], arguments, values => Say(id, values), Running[id].Token);
                Say(id, "done");
            }
            catch (LodsmithException error)
            {
                Say(id, Commands.InWords(error));
            }
            catch (Exception error)
            {
                Say(id, "failed", error.GetType().Name, error.Message);
            }
        }

        private static void Say(string id, params string[] values)
        {
            string line = id + " " + string.Join(" ", values.Select(Uri.EscapeDataString));
            lock (Running)
            {
                Console.Out.WriteLine(line);
                Console.Out.Flush();
            }
        }
    }
}
