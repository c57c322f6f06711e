using System;
using System.IO;
using System.Linq;
using System.Reflection;

namespace Headless
{
    /// <summary>
    /// The simulated editor as a program. The current directory is the project.
    ///   headless tests ASSEMBLY [NAME]   runs the EditMode tests, all or those whose name holds NAME
    ///   headless members                 prints the members of Unity that the fake has
    ///   headless session EDITOR SCRIPTS  is told what to do, line by line; see <see cref="Session"/>
    ///   headless batch EDITOR ...        as `Unity -batchmode -executeMethod Lodsmith.Editor.BatchCommands.Build ...`
    /// </summary>
    internal static class Program
    {
        private static int Main(string[] arguments)
        {
            EngineMemory memory = EngineMemory.Current;
            if (Environment.GetEnvironmentVariable("LODSMITH_FAKE_WITHOUT_IMPORTER") == null)
            {
                memory.Write("prefs/fake/package/com.unity.cloud.gltfast", "installed");
            }
            Directory.CreateDirectory("Assets");
            switch (arguments[0])
            {
                case "members":
                    Console.Out.Write(Members.List());
                    return 0;
                case "tests":
                    new ScriptDomain().Load(
                        memory, Path.Combine(Path.GetDirectoryName(arguments[1]), "Lodsmith.Editor.dll"));
                    return TestRun.Run(Assembly.LoadFrom(arguments[1]), arguments.Skip(2).FirstOrDefault() ?? "");
                case "session":
                    new Session(memory, arguments[1], arguments[2]).Run(Console.In, Console.Out);
                    return 0;
                case "batch":
                    return Batch(memory, arguments[1]);
                default:
                    throw new ArgumentException("tests, members, session or batch, not " + arguments[0]);
            }
        }

        private static int Batch(EngineMemory memory, string editor)
        {
            ScriptDomain domain = new ScriptDomain();
            domain.Load(memory, editor);
            try
            {
                domain.Call(editor, "Lodsmith.Editor.BatchCommands", "Build");
                throw new InvalidOperationException("the method returned without ending the editor");
            }
            catch (TargetInvocationException error) when (error.InnerException is EditorExit)
            {
                return ((EditorExit)error.InnerException).Code;
            }
        }
    }
}
