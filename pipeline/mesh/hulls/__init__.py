"""What players bump into: primitives, convex hulls, how well they fit."""
