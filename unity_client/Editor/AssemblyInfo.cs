using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Lodsmith.Editor.Tests")]
