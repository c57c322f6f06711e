"""Who may call, how often, and what is remembered of it."""
