using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Headless
{
    /// <summary>JSON text -> dictionaries, lists, strings, doubles or longs, bools and null.</summary>
    internal sealed class Json
    {
        private readonly string _text;
        private int _at;

        private Json(string text)
        {
            _text = text;
        }

        public static object Parse(string text)
        {
            Json json = new Json(text);
            object value = json.Value();
            json.Skip();
            if (json._at < text.Length)
            {
                throw json.Wrong();
            }
            return value;
        }

        public static string Quote(string text)
        {
            StringBuilder quoted = new StringBuilder("\"");
            foreach (char sign in text)
            {
                switch (sign)
                {
                    case '"':
                    case '\\':
                        quoted.Append('\\').Append(sign);
                        break;
                    case '\n':
                        quoted.Append("\\n");
                        break;
                    default:
                        quoted.Append(sign < ' ' ? "\\u" + ((int)sign).ToString("x4") : sign.ToString());
                        break;
                }
            }
            return quoted.Append('"').ToString();
        }

        private ArgumentException Wrong()
        {
            return new ArgumentException("JSON parse error at character " + _at);
        }

        private void Skip()
        {
            while (_at < _text.Length && char.IsWhiteSpace(_text[_at]))
            {
                _at++;
            }
        }

        private char Peek()
        {
            Skip();
            if (_at >= _text.Length)
            {
                throw Wrong();
            }
            return _text[_at];
        }

        private bool Take(string word)
        {
            Skip();
            if (string.CompareOrdinal(_text, _at, word, 0, word.Length) != 0)
            {
                return false;
            }
            _at += word.Length;
            return true;
        }

        private void Expect(string word)
        {
            if (!Take(word))
            {
                throw Wrong();
            }
        }

        private object Value()
        {
            switch (Peek())
            {
                case '{':
                    return Members();
                case '[':
                    return Items();
                case '"':
                    return Text();
            }
            if (Take("true"))
            {
                return true;
            }
            if (Take("false"))
            {
                return false;
            }
            if (Take("null"))
            {
                return null;
            }
            int start = _at;
            while (_at < _text.Length && "+-0123456789.eE".IndexOf(_text[_at]) >= 0)
            {
                _at++;
            }
            string number = _text.Substring(start, _at - start);
            long whole;
            if (long.TryParse(number, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out whole))
            {
                return whole;
            }
            double value;
            if (!double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out value))
            {
                throw Wrong();
            }
            return value;
        }

        private Dictionary<string, object> Members()
        {
            Dictionary<string, object> members = new Dictionary<string, object>();
            Expect("{");
            while (!Take("}"))
            {
                if (members.Count > 0)
                {
                    Expect(",");
                }
                Peek();
                string key = Text();
                Expect(":");
                members[key] = Value();
            }
            return members;
        }

        private List<object> Items()
        {
            List<object> items = new List<object>();
            Expect("[");
            while (!Take("]"))
            {
                if (items.Count > 0)
                {
                    Expect(",");
                }
                items.Add(Value());
            }
            return items;
        }

        private string Text()
        {
            Expect("\"");
            StringBuilder text = new StringBuilder();
            for (; ; _at++)
            {
                if (_at >= _text.Length)
                {
                    throw Wrong();
                }
                if (_text[_at] == '"')
                {
                    _at++;
                    return text.ToString();
                }
                if (_text[_at] != '\\')
                {
                    text.Append(_text[_at]);
                    continue;
                }
                if (++_at >= _text.Length)
                {
                    throw Wrong();
                }
                int code = "nrtbf".IndexOf(_text[_at]);
                if (_text[_at] == 'u')
                {
                    text.Append((char)int.Parse(_text.Substring(_at + 1, 4), NumberStyles.HexNumber));
                    _at += 4;
                }
                else
                {
                    text.Append(code < 0 ? _text[_at] : "\n\r\t\b\f"[code]);
                }
            }
        }
    }
}
