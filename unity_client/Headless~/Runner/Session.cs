using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading;

namespace Headless
{
    /// <summary>
    /// An editor that is told what to do. One command per line, words separated by tabs; each answers one line,
    /// "= " and a text or "! " and an error.
    ///   reload                  unloads the scripts, as after a compilation, and loads them anew
    ///   tick MS                 the editor's loop, for so long
    ///   until MS METHOD         the editor's loop, until the method of the scripts says "yes"
    ///   call METHOD WORD...     calls a method of the scripts
    ///   fail STEP ERROR         makes the next step that begins so fail
    ///   play YES                enters Play mode if "yes", else leaves it
    ///   log PREFIX              what happened and begins so, separated by tabs
    /// </summary>
    internal sealed class Session
    {
        private const string Driver = "Lodsmith.Editor.Tests.Driver";

        private readonly EngineMemory _memory;
        private readonly string _editor;
        private readonly string _scripts;
        private AppDomain _domain;
        private ScriptDomain _loaded;

        public Session(EngineMemory memory, string editor, string scripts)
        {
            _memory = memory;
            _editor = editor;
            _scripts = scripts;
            Load();
        }

        public void Run(TextReader input, TextWriter output)
        {
            for (string line = input.ReadLine(); line != null; line = input.ReadLine())
            {
                string answer;
                try
                {
                    answer = "= " + Do(line.Split('\t'));
                }
                catch (Exception error)
                {
                    answer = "! " + (error.InnerException ?? error);
                }
                output.WriteLine(answer.Replace("\n", "\\n"));
                output.Flush();
            }
        }

        private string Do(string[] words)
        {
            switch (words[0])
            {
                case "reload":
                    _loaded.BeforeReload();
                    Thread.Sleep(150); // Mono crashes when it unloads a domain whose threads still work
                    AppDomain.Unload(_domain);
                    Load();
                    return "";
                case "tick":
                    return Tick(int.Parse(words[1]), () => false);
                case "until":
                    return Tick(int.Parse(words[1]), () => Call(words[2]) == "yes");
                case "call":
                    return Call(words[1], words.Skip(2).ToArray());
                case "fail":
                    _loaded.Fail(words[1], words[2]);
                    return "";
                case "play":
                    _memory.Write("playing", words[1]);
                    return "";
                case "log":
                    return string.Join("\t", _memory.Log().Where(line => line.StartsWith(words[1])).ToArray());
                default:
                    throw new ArgumentException("no command " + words[0]);
            }
        }

        private string Call(string method, params string[] words)
        {
            return _loaded.Call(_scripts, Driver, method, words);
        }

        private string Tick(int milliseconds, Func<bool> isDone)
        {
            Stopwatch clock = Stopwatch.StartNew();
            while (!isDone())
            {
                if (clock.ElapsedMilliseconds >= milliseconds)
                {
                    return "time is up";
                }
                _loaded.Tick();
                Thread.Sleep(1);
            }
            return "done";
        }

        private void Load()
        {
            _domain = AppDomain.CreateDomain("scripts", null, AppDomain.CurrentDomain.SetupInformation);
            _loaded = (ScriptDomain)_domain.CreateInstanceFromAndUnwrap(
                typeof(ScriptDomain).Assembly.Location, typeof(ScriptDomain).FullName);
            _loaded.Load(_memory, _editor);
        }
    }
}
