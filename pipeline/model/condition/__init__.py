"""Prompts and pictures -> condition tokens. Importing this package imports no torch."""
