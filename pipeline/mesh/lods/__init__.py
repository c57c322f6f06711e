"""Fewer triangles: edge collapse, fitting, the chain of LODs."""
