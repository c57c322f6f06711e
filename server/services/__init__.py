"""The RPCs: check, convert, delegate. They know no transport."""
