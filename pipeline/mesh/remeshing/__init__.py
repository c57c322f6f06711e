"""New triangles on the same surface: watertight or even."""
