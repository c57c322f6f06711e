using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Reflection;
using System.Text;
using Headless;

namespace UnityEngine
{
    /// <summary>
    /// Fields that are public or [SerializeField], as Unity's serializer takes them: no properties, no static or
    /// readonly fields; enums as numbers; classes never null. A field that the text lacks keeps its value.
    /// </summary>
    public static class JsonUtility
    {
        public static string ToJson(object obj)
        {
            return ToJson(obj, false);
        }

        public static string ToJson(object obj, bool prettyPrint)
        {
            StringBuilder text = new StringBuilder();
            Write(text, obj, obj.GetType(), prettyPrint ? "\n" : null);
            return text.ToString();
        }

        public static T FromJson<T>(string json)
        {
            if (string.IsNullOrEmpty(json))
            {
                return default(T);
            }
            object parsed = Json.Parse(json);
            if (!(parsed is Dictionary<string, object>))
            {
                throw new ArgumentException("JSON must represent an object type.");
            }
            return (T)Read(parsed, typeof(T), null);
        }

        internal static void FromJsonOverwrite(string json, object objectToOverwrite)
        {
            Read(Json.Parse(json), objectToOverwrite.GetType(), objectToOverwrite);
        }

        internal static IEnumerable<FieldInfo> Fields(Type type)
        {
            const BindingFlags all = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
            return type.GetFields(all)
                .Where(field => field.IsPublic || field.IsDefined(typeof(SerializeField), false))
                .Where(field => !field.IsInitOnly);
        }

        private static void Write(StringBuilder text, object value, Type type, string line)
        {
            string inner = line == null ? null : line + "    ";
            if (type == typeof(string))
            {
                text.Append(Json.Quote((string)value ?? ""));
            }
            else if (type == typeof(bool))
            {
                text.Append((bool)value ? "true" : "false");
            }
            else if (type.IsEnum)
            {
                text.Append(Convert.ToInt64(value).ToString(CultureInfo.InvariantCulture));
            }
            else if (type.IsPrimitive)
            {
                text.Append(value is float || value is double
                    ? Convert.ToDouble(value).ToString("R", CultureInfo.InvariantCulture)
                    : Convert.ToString(value, CultureInfo.InvariantCulture));
            }
            else if (typeof(IList).IsAssignableFrom(type))
            {
                text.Append('[');
                int index = 0;
                foreach (object item in (IList)value ?? new object[0])
                {
                    text.Append(index++ == 0 ? "" : ",").Append(inner);
                    Write(text, item, Item(type), inner);
                }
                text.Append(line).Append(']');
            }
            else
            {
                if (!type.IsDefined(typeof(SerializableAttribute), false) && !typeof(Object).IsAssignableFrom(type))
                {
                    throw new ArgumentException(type + " is not [Serializable]");
                }
                value = value ?? Activator.CreateInstance(type, true);
                text.Append('{');
                int index = 0;
                foreach (FieldInfo field in Fields(type))
                {
                    text.Append(index++ == 0 ? "" : ",").Append(inner).Append(Json.Quote(field.Name))
                        .Append(line == null ? ":" : ": ");
                    Write(text, field.GetValue(value), field.FieldType, inner);
                }
                text.Append(line).Append('}');
            }
        }

        private static Type Item(Type list)
        {
            return list.IsArray ? list.GetElementType() : list.GetGenericArguments()[0];
        }

        private static object Read(object parsed, Type type, object target)
        {
            if (type == typeof(string))
            {
                return parsed as string ?? "";
            }
            if (type.IsEnum)
            {
                return Enum.ToObject(type, Convert.ToInt64(parsed));
            }
            if (type.IsPrimitive)
            {
                return Convert.ChangeType(parsed, type, CultureInfo.InvariantCulture);
            }
            if (typeof(IList).IsAssignableFrom(type))
            {
                List<object> items = parsed as List<object> ?? new List<object>();
                IList list = type.IsArray ? (IList)Array.CreateInstance(Item(type), items.Count)
                    : (IList)Activator.CreateInstance(type);
                for (int index = 0; index < items.Count; index++)
                {
                    object item = Read(items[index], Item(type), null);
                    if (type.IsArray)
                    {
                        list[index] = item;
                    }
                    else
                    {
                        list.Add(item);
                    }
                }
                return list;
            }
            target = target ?? Activator.CreateInstance(type, true);
            Dictionary<string, object> members = parsed as Dictionary<string, object>
                ?? new Dictionary<string, object>();
            foreach (FieldInfo field in Fields(type))
            {
                if (members.ContainsKey(field.Name))
                {
                    field.SetValue(target, Read(members[field.Name], field.FieldType, null));
                }
            }
            return target;
        }
    }
}
