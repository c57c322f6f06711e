"""Triangles from anywhere -> a manifold that can be simplified."""
