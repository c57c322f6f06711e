using System;
using System.Collections.Generic;

namespace Headless
{
    /// <summary>
    /// What lives on the native side of the editor and outlives a domain reload: SessionState, EditorPrefs,
    /// progress items, a log of what was done to the scene. Everything else outlives it only as a file.
    /// </summary>
    public sealed class EngineMemory : MarshalByRefObject
    {
        private readonly Dictionary<string, string> _values = new Dictionary<string, string>();
        private readonly List<string> _log = new List<string>();

        /// <summary>Of the editor that is simulated in this process.</summary>
        public static EngineMemory Current { get; internal set; } = new EngineMemory();

        public string Read(string key, string fallback)
        {
            lock (_values)
            {
                string value;
                return _values.TryGetValue(key, out value) ? value : fallback;
            }
        }

        public void Write(string key, string value)
        {
            lock (_values)
            {
                if (value == null)
                {
                    _values.Remove(key);
                }
                else
                {
                    _values[key] = value;
                }
            }
        }

        /// <summary>Notes something that happened: "scene place Assets/A.prefab".</summary>
        public void Note(string line)
        {
            lock (_values)
            {
                _log.Add(line);
            }
        }

        public string[] Log()
        {
            lock (_values)
            {
                return _log.ToArray();
            }
        }

        public override object InitializeLifetimeService()
        {
            return null; // lives as long as the editor
        }
    }
}
