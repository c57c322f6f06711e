"""RPCs in, jobs and artifacts out. Knows only the pipeline's front door."""
