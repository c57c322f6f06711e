"""Textures: numpy in, numpy out."""
