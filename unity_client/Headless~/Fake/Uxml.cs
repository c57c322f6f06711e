using System;
using System.Globalization;
using System.Linq;
using System.Reflection;
using System.Xml;
using UnityEngine.UIElements;

namespace Headless
{
    /// <summary>Real UXML files -> elements. An element or attribute that the fake does not know is an error.</summary>
    internal static class Uxml
    {
        private static readonly string[] Ignored = { "class", "tooltip" };

        public static void Load(string file, VisualElement target)
        {
            XmlDocument document = new XmlDocument();
            document.Load(file);
            foreach (XmlElement element in document.DocumentElement.ChildNodes.OfType<XmlElement>())
            {
                target.Add(Make(element, file));
            }
        }

        private static VisualElement Make(XmlElement element, string file)
        {
            Type type = typeof(VisualElement).Assembly.GetType(element.NamespaceURI + "." + element.LocalName);
            if (type == null)
            {
                throw new InvalidOperationException(file + ": there is no element " + element.Name);
            }
            VisualElement made = (VisualElement)Activator.CreateInstance(type);
            foreach (XmlAttribute attribute in element.Attributes)
            {
                Set(made, attribute, file);
            }
            foreach (XmlElement child in element.ChildNodes.OfType<XmlElement>())
            {
                made.Add(Make(child, file));
            }
            return made;
        }

        private static void Set(VisualElement element, XmlAttribute attribute, string file)
        {
            if (Ignored.Contains(attribute.LocalName))
            {
                return;
            }
            string[] words = attribute.LocalName.Split('-');
            string name = words[0]
                + string.Concat(words.Skip(1).Select(word => char.ToUpperInvariant(word[0]) + word.Substring(1)));
            PropertyInfo property = element.GetType().GetProperty(name);
            if (property == null)
            {
                throw new InvalidOperationException(file + ": " + element.GetType().Name + " has no attribute "
                    + attribute.Name);
            }
            property.SetValue(
                element, Convert.ChangeType(attribute.Value, property.PropertyType, CultureInfo.InvariantCulture),
                null);
        }
    }
}
