using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("headless")]
