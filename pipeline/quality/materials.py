"""What the materials of a finished GLB are, read from its bytes: the report says what is in the
file, not what was meant to be."""

import io
import struct
from collections.abc import Mapping
from typing import Any

from pipeline.quality.chunks import read_chunks
from pipeline.report import Json

_BIN_HEADER_BYTES = 8
_KTX2, _KTX2_SIZE_AT = b"\xabKTX 20\xbb", 20  # Khronos, KTX File Format 2.0, section 3


def material_facts(glb: bytes) -> list[dict[str, Json]]:
    """List the materials of a GLB that Lodsmith has written, as the report gives them.

    Args:
        glb: Images lie in its binary chunk. The pixels are not decoded.
    """
    chunks = read_chunks(glb)
    binary = chunks.rest[_BIN_HEADER_BYTES:]
    root: dict[str, Any] = chunks.root  # Any: glTF's JSON
    materials: list[dict[str, Json]] = []
    for material in root.get("materials", []):
        metal = material.get("pbrMetallicRoughness", {})
        textures: list[dict[str, Json]] = []
        for slot, reference in _references(material):
            texture = root["textures"][reference["index"]]
            image = root["images"][_source(texture)]
            view = root["bufferViews"][image["bufferView"]]
            start = view.get("byteOffset", 0)
            content = bytes(binary[start : start + view["byteLength"]])
            width, height = _size(content)
            textures.append(
                {
                    "slot": slot,
                    "name": image.get("name", ""),
                    "media_type": image["mimeType"],
                    "width": width,
                    "height": height,
                    "size_bytes": len(content),
                }
            )
        mode = material.get("alphaMode", "OPAQUE")
        materials.append(
            {
                "name": material.get("name", ""),
                "alpha_mode": mode,
                "alpha_cutoff": material.get("alphaCutoff", 0.5) if mode == "MASK" else None,
                "double_sided": material.get("doubleSided", False),
                "base_color_factor": metal.get("baseColorFactor", [1.0, 1.0, 1.0, 1.0]),
                "metallic_factor": metal.get("metallicFactor", 1.0),
                "roughness_factor": metal.get("roughnessFactor", 1.0),
                "textures": textures,
            }
        )
    return materials


def _size(content: bytes) -> tuple[int, int]:
    """Width and height of an encoded image."""
    from PIL import Image  # late: judging a report needs no pictures

    if content.startswith(_KTX2):
        width, height = struct.unpack_from("<II", content, _KTX2_SIZE_AT)
        return int(width), int(height)
    with Image.open(io.BytesIO(content)) as opened:
        return opened.size


def _references(material: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    metal = material.get("pbrMetallicRoughness", {})
    slots = {
        "base_color": metal.get("baseColorTexture"),
        "metallic_roughness": metal.get("metallicRoughnessTexture"),
        "normal": material.get("normalTexture"),
        "occlusion": material.get("occlusionTexture"),
        "emissive": material.get("emissiveTexture"),
    }
    return [(slot, reference) for slot, reference in slots.items() if reference is not None]


def _source(texture: Mapping[str, Any]) -> int:
    """The image of a texture; formats beyond PNG and JPEG stand in an extension."""
    for name in ("EXT_texture_webp", "KHR_texture_basisu"):
        if name in texture.get("extensions", {}):
            return int(texture["extensions"][name]["source"])
    return int(texture["source"])
