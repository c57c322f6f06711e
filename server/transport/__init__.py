"""The ways in: bytes and headers on one side, the desk on the other."""
