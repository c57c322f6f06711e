"""A glTF file, read with suspicion.

Every number of the file is checked before it is used, and every limit before memory is spent on
it. Complaints are `InvalidInput` and name the place in the file ("accessors[3].count"). The
reading is our own: pygltflib maps JSON to objects without checking ranges or types, so a damaged
file would surface as a TypeError or an IndexError somewhere behind it.

Source: glTF 2.0 specification, Khronos Group, 2021 (ISO/IEC 12113:2022).
"""
