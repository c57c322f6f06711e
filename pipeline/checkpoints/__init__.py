"""Model files on this machine: what is published, where it lies, and whether it is whole.

Importing it does not import torch, and only `download` ever uses a network.
"""
