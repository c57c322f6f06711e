using System;
using System.IO;
using System.Linq;
using System.Reflection;
using UnityEditor;

namespace Headless
{
    /// <summary>
    /// The scripts' side of the simulated editor. A domain reload makes a new one in a new AppDomain: all static
    /// state and threads are gone, as in Unity.
    /// </summary>
    public sealed class ScriptDomain : MarshalByRefObject
    {
        private Assembly _scripts;

        /// <summary>Loads the package's editor assembly and runs its [InitializeOnLoadMethod]s.</summary>
        public void Load(EngineMemory memory, string assembly)
        {
            EngineMemory.Current = memory;
            _scripts = Assembly.LoadFrom(assembly);
            const BindingFlags all = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
            foreach (MethodInfo method in _scripts.GetTypes().SelectMany(type => type.GetMethods(all)))
            {
                if (method.IsDefined(typeof(InitializeOnLoadMethodAttribute), false))
                {
                    method.Invoke(null, null);
                }
            }
        }

        /// <summary>One turn of the editor's loop.</summary>
        public void Tick()
        {
            EditorApplication.Tick();
        }

        /// <summary>Calls a static method of a type, public or not, that takes and returns strings.</summary>
        public string Call(string assembly, string type, string method, params string[] arguments)
        {
            Type target = Assembly.LoadFrom(assembly).GetType(type, true);
            MethodInfo found = target.GetMethod(
                method, BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic);
            return (string)found.Invoke(null, arguments.Cast<object>().ToArray());
        }

        /// <summary>Makes a step fail, see <see cref="EditorFaults"/>.</summary>
        /// <param name="error">"io", "import" or "kill".</param>
        public void Fail(string step, string error)
        {
            EditorFaults.Step = step;
            EditorFaults.Error = error == "kill" ? null
                : error == "io" ? new IOException("There is no space left on the disk.")
                : (Exception)new InvalidOperationException("the importer has a defect");
        }

        /// <summary>What Unity does just before it unloads the domain.</summary>
        public void BeforeReload()
        {
            AssemblyReloadEvents.Raise();
        }

        public override object InitializeLifetimeService()
        {
            return null;
        }
    }
}
