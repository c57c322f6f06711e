"""Lodsmith in Unreal Engine: prompt to Static Mesh.

The core (`wire`, `rpc`, `client`, `form`, `naming`, `facts`, `view`, `jobs`, `manifest`) knows no
engine; only the other modules import `unreal`.
"""
