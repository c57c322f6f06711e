"""Changes of a GLB that keep it one: chunk lengths stay right, so readers get to what changed.

Blind changes hardly ever get past the header.
"""

from collections.abc import Mapping, Sequence
from random import Random

from tests.fuzz.mutations.blind import blind
from tests.fuzz.mutations.json_values import Json, changed_json
from tests.pipeline.samples import pack_glb

_COUNTS = (0, 1, 2, 3, 4, 255, 256, 65_536, 2**31 - 1, 2**31, 2**32, 10**12)
_SPARSE = {
    "count": 1,
    "indices": {"bufferView": 0, "componentType": 5121},
    "values": {"bufferView": 0},
}
_TURNED = {"offset": [0.5, 1e30], "rotation": 1.5, "scale": [-2, 0], "texCoord": 1}

WORDS: Mapping[str, Sequence[Json]] = {
    "accessors": ([],),
    "alphaMode": ("OPAQUE", "MASK", "BLEND"),
    "baseColorTexture": ({"index": 0}, {"index": 0, "texCoord": 1}),
    "buffer": (0, 1),
    "bufferView": (0, 1, 2, 3),
    "byteLength": _COUNTS,
    "byteOffset": _COUNTS,
    "byteStride": (*_COUNTS, 12, 16),
    "children": ([0], [1], [0, 1], [3]),
    "componentType": (5120, 5121, 5122, 5123, 5124, 5125, 5126),
    "count": _COUNTS,
    "COLOR_0": (0, 1, 2),
    "emissiveTexture": ({"index": 0},),
    "extensions": (
        {"KHR_texture_transform": _TURNED},
        {"MSFT_lod": {"ids": [0, 1]}},
        {"KHR_materials_pbrSpecularGlossiness": {"diffuseTexture": {"index": 0}}},
        {"KHR_materials_emissive_strength": {"emissiveStrength": 1e30}},
        {"KHR_draco_mesh_compression": {}},
        {"EXT_texture_webp": {"source": 0}},
    ),
    "extensionsRequired": (["KHR_draco_mesh_compression"], ["KHR_mesh_quantization"]),
    "extras": ({"lodsmith": {}},),
    "index": (0, 1, 2),
    "indices": (0, 1, 2, 3, _SPARSE["indices"]),
    "JOINTS_0": (0,),
    "material": (0, 1),
    "matrix": ([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [0] * 16, [1e30] * 16),
    "mesh": (0, 1),
    "minVersion": ("2.0", "2.1"),
    "mode": (0, 1, 4, 5, 6, 7),
    "name": ("UCX_a", "a_LOD0", "a_LOD1"),
    "nodes": ([0], [0, 1, 2], [0, 0]),
    "NORMAL": (0, 1, 2),
    "normalTexture": ({"index": 0, "scale": 2},),
    "normalized": (True, False),
    "POSITION": (0, 1, 2, 3),
    "rotation": ([0, 0, 0, 1], [0, 0, 0, 0], [1e-200, 0, 0, 0]),
    "scale": ([1, 1, 1], [0, 0, 0], [-1, 1, 1], [1e-30, 1e30, 1]),
    "scene": (0, 1),
    "skin": (0,),
    "source": (0, 1),
    "sparse": (_SPARSE,),
    "TANGENT": (0, 1),
    "targets": ([], [{"POSITION": 0}]),
    "TEXCOORD_0": (0, 1, 2),
    "translation": ([0, 0, 0], [1e30, 0, 0]),
    "type": ("SCALAR", "VEC2", "VEC3", "VEC4", "MAT4"),
    "uri": ("data:application/octet-stream;base64,AAAA", "a.bin", "data:image/png;base64,iVBORw0K"),
    "version": ("1.0", "2.0"),
}


def changed_glb(data: bytes, random: Random) -> bytes:
    """Change the JSON of a GLB, the bytes behind it, or, of what is none, any bytes."""
    length = int.from_bytes(data[12:16], "little")
    text, binary = data[20 : 20 + length], data[28 + length :]
    if data[:4] != b"glTF" or random.randrange(8) == 0:
        return changed_json(data, random, WORDS) if data[:1] == b"{" else blind(data, random)
    if random.randrange(8) == 0:
        return pack_glb(text, blind(binary, random))
    return pack_glb(changed_json(text, random, WORDS), binary)
