using System;
using System.Collections;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Threading;
using NUnit.Framework;
using UnityEditor;
using UnityEngine.TestTools;

namespace Headless
{
    /// <summary>Runs NUnit tests: one line each, "ok", "ignored" or "failed". Returns how many failed.</summary>
    internal static class TestRun
    {
        public static int Run(Assembly tests, string filter)
        {
            int failed = 0;
            foreach (Type type in tests.GetTypes().OrderBy(one => one.Name))
            {
                foreach (MethodInfo method in type.GetMethods()
                    .Where(one => IsTest(one) && (type.Name + "." + one.Name).Contains(filter)))
                {
                    foreach (object[] arguments in Cases(method))
                    {
                        failed += Run(type, method, arguments) ? 0 : 1;
                    }
                }
            }
            return failed;
        }

        private static bool IsTest(MethodInfo method)
        {
            return Has<TestAttribute>(method) || Has<TestCaseAttribute>(method) || Has<UnityTestAttribute>(method);
        }

        private static bool Has<T>(MethodInfo method)
        {
            return method.IsDefined(typeof(T), false);
        }

        private static IEnumerable<object[]> Cases(MethodInfo method)
        {
            List<object[]> cases = method.GetCustomAttributes(typeof(TestCaseAttribute), false)
                .Cast<TestCaseAttribute>().Select(one => one.Arguments).ToList();
            return cases.Count > 0 ? cases : new List<object[]> { new object[0] };
        }

        private static bool Run(Type type, MethodInfo method, object[] arguments)
        {
            string list = string.Join(", ", arguments.Select(Convert.ToString).ToArray());
            string name = type.Name + "." + method.Name + (arguments.Length > 0 ? "(" + list + ")" : "");
            object fixture = Activator.CreateInstance(type, true);
            string outcome = "ok " + name;
            try
            {
                Call<SetUpAttribute>(fixture);
                foreach (MethodInfo setUp in type.GetMethods().Where(Has<UnitySetUpAttribute>))
                {
                    Turn(setUp.Invoke(fixture, null));
                }
                Turn(method.Invoke(fixture, arguments));
            }
            catch (Exception error)
            {
                Exception cause = error is TargetInvocationException ? error.InnerException : error;
                outcome = cause is IgnoreException
                    ? "ignored " + name + ": " + cause.Message
                    : "failed " + name + ": " + cause;
            }
            finally
            {
                Call<TearDownAttribute>(fixture);
            }
            Console.Out.WriteLine(outcome);
            return !outcome.StartsWith("failed");
        }

        /// <summary>Gives the editor's loop a turn for each that a test yields.</summary>
        private static void Turn(object yielded)
        {
            IEnumerator turns = yielded as IEnumerator;
            while (turns != null && turns.MoveNext())
            {
                EditorApplication.Tick();
                Thread.Sleep(2);
            }
        }

        private static void Call<T>(object fixture)
        {
            foreach (MethodInfo method in fixture.GetType().GetMethods().Where(Has<T>))
            {
                method.Invoke(fixture, null);
            }
        }
    }
}
