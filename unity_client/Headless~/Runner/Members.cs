using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Text;

namespace Headless
{
    /// <summary>The fake's members that stand for Unity's, as a list to hold against Unity's reference source.</summary>
    internal static class Members
    {
        private const BindingFlags Own = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

        private static readonly Dictionary<string, string> Keywords = new Dictionary<string, string>
        {
            { "Void", "void" }, { "Int32", "int" }, { "UInt32", "uint" }, { "Int64", "long" }, { "Single", "float" },
            { "Boolean", "bool" }, { "String", "string" }, { "Object", "object" }, { "Byte", "byte" },
        };

        public static string List()
        {
            StringBuilder text = new StringBuilder("# Members of Unity that the package uses\n\n");
            text.Append("Made by `headless members` from the compiled fake; a test keeps it current. Hold it against the public C#\n");
            text.Append("reference source of a version of Unity: every name and signature below must be there. Nothing was copied\n");
            text.Append("from Unity; signatures are as the scripting reference gives them.\n");
            IEnumerable<Type> types = typeof(EngineMemory).Assembly.GetExportedTypes()
                .Where(type => type.Namespace.StartsWith("Unity"));
            foreach (IGrouping<string, Type> space in types.OrderBy(type => type.FullName, StringComparer.Ordinal)
                .GroupBy(type => type.Namespace))
            {
                text.Append("\n## " + space.Key + "\n");
                foreach (Type type in space)
                {
                    string[] members = Of(type).OrderBy(member => member, StringComparer.Ordinal).ToArray();
                    text.Append("\n" + Name(type) + "\n" + (members.Length > 0 ? "\n" : ""));
                    text.Append(string.Concat(members.Select(member => "- `" + member + "`\n")));
                }
            }
            return text.ToString();
        }

        private static IEnumerable<string> Of(Type type)
        {
            if (type.IsEnum)
            {
                return Enum.GetNames(type);
            }
            if (typeof(Delegate).IsAssignableFrom(type))
            {
                return new[] { Signature(type.GetMethod("Invoke")) };
            }
            return type.GetConstructors(Own).Where(one => one.GetParameters().Length > 0)
                .Select(one => Name(type) + Parameters(one))
                .Concat(type.GetMethods(Own).Where(one => !one.IsSpecialName && one.GetBaseDefinition() == one)
                    .Select(Signature))
                .Concat(type.GetProperties(Own).Where(one => one.GetIndexParameters().Length == 0).Select(Property))
                .Concat(type.GetFields(Own).Select(one => Static(one.IsStatic) + Name(one.FieldType) + " " + one.Name))
                .Concat(type.GetEvents(Own).Select(Event));
        }

        private static string Event(EventInfo what)
        {
            return Static(what.GetAddMethod().IsStatic) + "event " + Name(what.EventHandlerType) + " " + what.Name;
        }

        private static string Static(bool isStatic)
        {
            return isStatic ? "static " : "";
        }

        private static string Property(PropertyInfo property)
        {
            bool isWritable = property.GetSetMethod() != null;
            return Static(property.GetGetMethod().IsStatic) + Name(property.PropertyType) + " " + property.Name
                + (isWritable ? " { get; set; }" : " { get; }");
        }

        private static string Signature(MethodInfo method)
        {
            string generic = method.IsGenericMethod ? "<"
                + string.Join(", ", method.GetGenericArguments().Select(Name).ToArray()) + ">" : "";
            return Static(method.IsStatic) + Name(method.ReturnType) + " " + method.Name + generic + Parameters(method);
        }

        private static string Parameters(MethodBase method)
        {
            return "(" + string.Join(", ", method.GetParameters()
                .Select(one => (one.IsOut ? "out " : "") + Name(one.ParameterType) + " " + one.Name
                + (one.IsOptional ? " = " + (one.DefaultValue ?? "null") : "")).ToArray()) + ")";
        }

        private static string Name(Type type)
        {
            if (type.IsByRef)
            {
                return Name(type.GetElementType());
            }
            if (type.IsArray)
            {
                return Name(type.GetElementType()) + "[]";
            }
            string name = type.Name.Split('`')[0];
            name = type.Namespace == "System" && Keywords.ContainsKey(name) ? Keywords[name] : name;
            name = type.IsNested && !type.IsGenericParameter ? Name(type.DeclaringType) + "." + name : name;
            return type.IsGenericType && !type.IsNested ? name + "<"
                + string.Join(", ", type.GetGenericArguments().Select(Name).ToArray()) + ">" : name;
        }
    }
}
