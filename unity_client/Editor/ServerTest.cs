using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Lodsmith.V1;

namespace Lodsmith.Editor
{
    /// <summary>Asks a server what it is.</summary>
    internal static class ServerTest
    {
        /// <summary>Calls a server and answers on the main thread: one line, and null or what went wrong.</summary>
        public static void Run(string server, MainThread mainThread, Action<string, Exception> answer)
        {
            LodsmithClient client;
            try
            {
                client = new LodsmithClient(new Uri(server), TokenStore.Read(server));
            }
            catch (Exception error) when (error is ArgumentException || error is UriFormatException)
            {
                answer("The address is not usable: " + error.Message, error);
                return;
            }
            Task.Run(async () =>
            {
                try
                {
                    var info = await client.GetServerInfoAsync(CancellationToken.None).ConfigureAwait(false);
                    mainThread.Post(() => answer(Summary(info), null));
                }
                catch (LodsmithException error)
                {
                    mainThread.Post(() => answer(error.Message, error));
                }
                finally
                {
                    client.Dispose();
                }
            });
        }

        /// <summary>Model, device and queue in one line.</summary>
        public static string Summary(GetServerInfoResponse info)
        {
            string[] models = info.Models.Select(model => model.Name.Length > 0 ? model.Name : model.Path).ToArray();
            string problem = info.Models.Select(model => model.Problem)
                .Concat(info.Workers.Select(worker => worker.Problem)).FirstOrDefault(text => text.Length > 0);
            Worker generator = info.Workers.FirstOrDefault(worker => worker.Kind == WorkerKind.Generator);
            string device = generator == null || generator.Device.Length == 0 ? null : generator.Device;
            return "Lodsmith " + info.Version
                + ", " + (models.Length > 0 ? string.Join(" and ", models) : "no model")
                + (device == null ? "" : " on " + device)
                + ", " + info.QueuedJobCount + " waiting, " + info.RunningJobCount + " running"
                + (info.Draining ? ", shutting down" : "")
                + (problem == null ? "" : ". Problem: " + problem);
        }
    }
}
