"""Charts and atlas, normals and tangents."""
