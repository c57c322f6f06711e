using System;
using System.Collections.Generic;
using System.Linq;
using Headless;
using UnityEditor;

namespace UnityEngine.UIElements
{
    public enum DisplayStyle
    {
        Flex,
        None,
    }

    public struct StyleEnum<T> where T : struct
    {
        public T value { get; set; }

        public static implicit operator StyleEnum<T>(T v)
        {
            return new StyleEnum<T> { value = v };
        }
    }

    public struct StyleBackground
    {
        internal readonly Texture2D Texture;

        public StyleBackground(Texture2D v)
        {
            Texture = v;
        }
    }

    public interface IStyle
    {
        StyleEnum<DisplayStyle> display { get; set; }

        StyleBackground backgroundImage { get; set; }
    }

    public sealed class StyleSheet : Object
    {
    }

    public struct VisualElementStyleSheetSet
    {
        private readonly List<StyleSheet> _sheets;

        internal VisualElementStyleSheetSet(List<StyleSheet> sheets)
        {
            _sheets = sheets;
        }

        public int count
        {
            get { return _sheets.Count; }
        }

        public void Add(StyleSheet styleSheet)
        {
            if (styleSheet == null)
            {
                throw new ArgumentNullException("styleSheet");
            }
            _sheets.Add(styleSheet);
        }
    }

    public abstract class EventBase : IDisposable
    {
        public VisualElement target { get; set; }

        public void Dispose()
        {
        }
    }

    public sealed class NavigationSubmitEvent : EventBase
    {
        public static NavigationSubmitEvent GetPooled()
        {
            return new NavigationSubmitEvent();
        }
    }

    public sealed class DragUpdatedEvent : EventBase
    {
        public static DragUpdatedEvent GetPooled()
        {
            return new DragUpdatedEvent();
        }
    }

    public sealed class DragPerformEvent : EventBase
    {
        public static DragPerformEvent GetPooled()
        {
            return new DragPerformEvent();
        }
    }

    public sealed class ChangeEvent<T> : EventBase
    {
        public T newValue { get; internal set; }
    }

    public delegate void EventCallback<in TEventType>(TEventType evt);

    public interface INotifyValueChanged<T>
    {
        T value { get; set; }

        void SetValueWithoutNotify(T newValue);
    }

    public static class INotifyValueChangedExtensions
    {
        public static bool RegisterValueChangedCallback<T>(
            this INotifyValueChanged<T> control, EventCallback<ChangeEvent<T>> callback)
        {
            ((VisualElement)control).RegisterCallback(callback);
            return true;
        }
    }

    public class VisualElement : IStyle
    {
        internal readonly List<VisualElement> Nested = new List<VisualElement>();
        private readonly List<Delegate> _callbacks = new List<Delegate>();
        private readonly List<StyleSheet> _sheets = new List<StyleSheet>();

        public string name { get; set; } = "";

        public bool enabledSelf { get; private set; } = true;

        public IStyle style
        {
            get { return this; }
        }

        public VisualElementStyleSheetSet styleSheets
        {
            get { return new VisualElementStyleSheetSet(_sheets); }
        }

        StyleEnum<DisplayStyle> IStyle.display { get; set; }

        StyleBackground IStyle.backgroundImage { get; set; }

        public int childCount
        {
            get { return Nested.Count; }
        }

        public VisualElement ElementAt(int index)
        {
            return Nested[index];
        }

        internal void SetEnabled(bool value)
        {
            enabledSelf = value;
        }

        public void Add(VisualElement child)
        {
            Nested.Add(child);
        }

        public void Clear()
        {
            Nested.Clear();
        }

        public void RegisterCallback<TEventType>(EventCallback<TEventType> callback)
        {
            _callbacks.Add(callback);
        }

        public virtual void SendEvent(EventBase e)
        {
            foreach (Delegate callback in _callbacks.ToList())
            {
                if (callback.Method.GetParameters().Last().ParameterType.IsInstanceOfType(e))
                {
                    callback.DynamicInvoke(e);
                }
            }
        }

        internal IEnumerable<VisualElement> Tree()
        {
            return new[] { this }.Concat(Nested.SelectMany(child => child.Tree()));
        }
    }

    public static class UQueryExtensions
    {
        public static T Q<T>(this VisualElement e, string name = null, string className = null) where T : VisualElement
        {
            return e.Tree().OfType<T>().FirstOrDefault(one => name == null || one.name == name);
        }

        public static VisualElement Q(this VisualElement e, string name = null, string className = null)
        {
            return e.Q<VisualElement>(name, className);
        }
    }

    public class TextElement : VisualElement
    {
        public string text { get; set; } = "";
    }

    public class Label : TextElement
    {
        public Label()
        {
        }

        public Label(string text)
        {
            this.text = text;
        }
    }

    public class Button : TextElement
    {
        public event Action clicked;

        public override void SendEvent(EventBase e)
        {
            base.SendEvent(e);
            if (e is NavigationSubmitEvent && enabledSelf && clicked != null)
            {
                clicked();
            }
        }
    }

    public class ScrollView : VisualElement
    {
    }

    public class ProgressBar : VisualElement
    {
        public float value { get; set; }

        public float lowValue { get; set; }

        public float highValue { get; set; } = 100;
    }

    public abstract class BaseField<TValueType> : VisualElement, INotifyValueChanged<TValueType>
    {
        private TValueType _value;

        protected BaseField(string label)
        {
            this.label = label;
        }

        public string label { get; set; }

        public virtual TValueType value
        {
            get
            {
                return _value;
            }
            set
            {
                if (!EqualityComparer<TValueType>.Default.Equals(_value, value))
                {
                    ChangeEvent<TValueType> change = new ChangeEvent<TValueType> { newValue = value, target = this };
                    SetValueWithoutNotify(value);
                    SendEvent(change);
                }
            }
        }

        public virtual void SetValueWithoutNotify(TValueType newValue)
        {
            _value = newValue;
        }
    }

    public class TextField : BaseField<string>
    {
        public TextField()
            : this(null)
        {
        }

        public TextField(string label)
            : base(label)
        {
            SetValueWithoutNotify("");
        }

        public bool multiline { get; set; }

        public bool isDelayed { get; set; }

        public bool isPasswordField { get; set; }

        /// <summary>Text is never null, as Unity has it.</summary>
        public override void SetValueWithoutNotify(string newValue)
        {
            base.SetValueWithoutNotify(newValue ?? "");
        }
    }

    public class IntegerField : BaseField<int>
    {
        public IntegerField()
            : base(null)
        {
        }
    }

    public class LongField : BaseField<long>
    {
        public LongField()
            : base(null)
        {
        }
    }

    public class FloatField : BaseField<float>
    {
        public FloatField()
            : base(null)
        {
        }
    }

    public class Toggle : BaseField<bool>
    {
        public Toggle()
            : base(null)
        {
        }
    }

    public class DropdownField : BaseField<string>
    {
        public DropdownField()
            : base(null)
        {
        }

        public List<string> choices { get; set; } = new List<string>();
    }

    /// <summary>A UXML file. Elements become objects by their names, attributes their properties.</summary>
    public sealed class VisualTreeAsset : Object
    {
        private readonly string _file;

        internal VisualTreeAsset(string file)
        {
            _file = file;
        }

        public void CloneTree(VisualElement target)
        {
            Uxml.Load(_file, target);
        }
    }
}

namespace UnityEditor.UIElements
{
    using UnityEngine.UIElements;

    public class LayerField : BaseField<int>
    {
        public LayerField(string label, int defaultValue)
            : base(label)
        {
            SetValueWithoutNotify(defaultValue);
        }
    }

    /// <summary>Shows a property. As in Unity it is greyed out where the object is not editable.</summary>
    public class PropertyField : VisualElement
    {
        internal readonly SerializedProperty Property;

        public PropertyField(SerializedProperty property)
        {
            if (property == null)
            {
                throw new ArgumentNullException("property");
            }
            Property = property;
            name = "PropertyField:" + property.Field.Name;
            SetEnabled((property.Object.Target.hideFlags & UnityEngine.HideFlags.NotEditable) == 0);
        }
    }

    public static class BindingExtensions
    {
        public static void Bind(this VisualElement element, SerializedObject obj)
        {
        }

        public static void TrackSerializedObjectValue(
            this VisualElement element, SerializedObject obj, Action<SerializedObject> callback)
        {
            obj.Changed += callback;
        }
    }
}
