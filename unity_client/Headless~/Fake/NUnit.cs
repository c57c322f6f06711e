using System;
using System.Collections;
using System.Linq;

namespace NUnit.Framework
{
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class TestAttribute : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
    public sealed class TestCaseAttribute : Attribute
    {
        public readonly object[] Arguments;

        public TestCaseAttribute(params object[] arguments)
        {
            Arguments = arguments;
        }
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class SetUpAttribute : Attribute
    {
    }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class TearDownAttribute : Attribute
    {
    }

    public class AssertionException : Exception
    {
        public AssertionException(string message)
            : base(message)
        {
        }
    }

    public class IgnoreException : Exception
    {
        public IgnoreException(string message)
            : base(message)
        {
        }
    }

    public static class Assert
    {
        public static void AreEqual(object expected, object actual, string message = "")
        {
            bool isNumber = expected != null && actual != null && expected.GetType().IsPrimitive
                && actual.GetType().IsPrimitive
                && !(expected is bool) && !(actual is bool);
            bool areEqual = isNumber ? Convert.ToDouble(expected) == Convert.ToDouble(actual)
                : expected is IEnumerable && !(expected is string)
                    ? ((IEnumerable)expected).Cast<object>().SequenceEqual(((IEnumerable)actual).Cast<object>())
                : Equals(expected, actual);
            Hold(areEqual, message + " expected " + Show(expected) + ", got " + Show(actual));
        }

        public static void AreEqual(double expected, double actual, double delta, string message = "")
        {
            Hold(Math.Abs(expected - actual) <= delta, message + " expected " + expected + ", got " + actual);
        }

        public static void IsTrue(bool condition, string message = "")
        {
            Hold(condition, "is false: " + message);
        }

        public static void IsFalse(bool condition, string message = "")
        {
            Hold(!condition, "is true: " + message);
        }

        public static void IsNull(object anObject, string message = "")
        {
            Hold(anObject == null, "is not null: " + anObject + " " + message);
        }

        public static void IsNotNull(object anObject, string message = "")
        {
            Hold(anObject != null, "is null: " + message);
        }

        public static void Less(double arg1, double arg2, string message = "")
        {
            Hold(arg1 < arg2, arg1 + " is not less than " + arg2 + " " + message);
        }

        public static TActual Throws<TActual>(TestDelegate code) where TActual : Exception
        {
            try
            {
                code();
            }
            catch (TActual error)
            {
                return error;
            }
            throw new AssertionException("nothing was thrown");
        }

        public static Exception Catch(TestDelegate code)
        {
            return Throws<Exception>(code);
        }

        public static void Ignore(string message)
        {
            throw new IgnoreException(message);
        }

        internal static void Hold(bool condition, string message)
        {
            if (!condition)
            {
                throw new AssertionException(message);
            }
        }

        private static string Show(object value)
        {
            IEnumerable items = value as string == null ? value as IEnumerable : null;
            return items == null ? "\"" + value + "\"" : "["
                + string.Join(", ", items.Cast<object>().Select(Show).ToArray()) + "]";
        }
    }

    public delegate void TestDelegate();

    public static class StringAssert
    {
        public static void Contains(string expected, string actual)
        {
            Assert.Hold(actual.Contains(expected), "\"" + actual + "\" does not contain \"" + expected + "\"");
        }
    }
}

namespace UnityEngine.TestTools
{
    /// <summary>A set-up that yields to the editor's loop.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class UnitySetUpAttribute : Attribute
    {
    }

    /// <summary>A test that yields to the editor's loop.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class UnityTestAttribute : Attribute
    {
    }
}
