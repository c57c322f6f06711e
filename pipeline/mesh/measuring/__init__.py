"""What a mesh is like: counts, distances, normals, outlines."""
