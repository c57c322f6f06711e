"""What a report says of materials is what is in the file."""

import struct

import numpy as np

from pipeline.quality.materials import material_facts
from tests.pipeline.samples import GltfFile, checkerboard, encoded, triangle


def textured() -> GltfFile:
    file = GltfFile()
    file.mesh({"POSITION": triangle()}, material=0)
    base = file.texture(checkerboard(8))
    orm = file.texture(np.zeros((4, 16, 3), np.uint8), kind="JPEG")
    file.json["images"][base]["name"] = "T_Well_BC"
    file.json["materials"] = [
        {
            "name": "M_Well",
            "pbrMetallicRoughness": {
                "baseColorTexture": {"index": base},
                "metallicRoughnessTexture": {"index": orm},
                "metallicFactor": 0.25,
            },
            "occlusionTexture": {"index": orm},
            "alphaMode": "MASK",
            "alphaCutoff": 0.3,
            "doubleSided": True,
        },
        {},
    ]
    return file


def test_textures_have_their_slot_size_and_format() -> None:
    first, _ = material_facts(textured().glb())
    textures = first["textures"]
    jpeg_bytes = len(encoded(np.zeros((4, 16, 3), np.uint8), "JPEG"))
    orm = {"name": "", "media_type": "image/jpeg", "width": 16, "height": 4,
           "size_bytes": jpeg_bytes}  # fmt: skip
    assert textures == [
        {"slot": "base_color", "name": "T_Well_BC", "media_type": "image/png", "width": 8,
         "height": 8, "size_bytes": len(encoded(checkerboard(8)))},
        {"slot": "metallic_roughness", **orm},
        {"slot": "occlusion", **orm},
    ]  # fmt: skip


def test_a_material_has_its_factors_and_mode() -> None:
    first, _ = material_facts(textured().glb())
    assert {key: first[key] for key in first if key != "textures"} == {
        "name": "M_Well",
        "alpha_mode": "MASK",
        "alpha_cutoff": 0.3,
        "double_sided": True,
        "base_color_factor": [1.0, 1.0, 1.0, 1.0],
        "metallic_factor": 0.25,
        "roughness_factor": 1.0,
    }


def test_what_a_file_leaves_out_is_as_gltf_says() -> None:
    _, second = material_facts(textured().glb())
    assert second == {
        "name": "", "alpha_mode": "OPAQUE", "alpha_cutoff": None, "double_sided": False,
        "base_color_factor": [1.0, 1.0, 1.0, 1.0], "metallic_factor": 1.0,
        "roughness_factor": 1.0, "textures": [],
    }  # fmt: skip


def test_images_in_extensions_are_found() -> None:
    file = textured()
    webp, ktx2 = encoded(checkerboard(16), "WEBP"), b"\xabKTX 20\xbb\r\n\x1a\n"
    ktx2 += struct.pack("<IIII", 0, 1, 64, 32)  # vkFormat, typeSize, pixelWidth, pixelHeight
    for image, (name, mime_type, content) in enumerate(
        [("EXT_texture_webp", "image/webp", webp), ("KHR_texture_basisu", "image/ktx2", ktx2)]
    ):
        file.json["images"][image] = {"bufferView": file.view(content), "mimeType": mime_type}
        file.json["textures"][image] = {"extensions": {name: {"source": image}}}
    first, _ = material_facts(file.glb())
    assert isinstance(first["textures"], list)
    sizes = [(one["media_type"], one["width"], one["height"]) for one in first["textures"]]
    assert sizes == [
        ("image/webp", 16, 16), ("image/ktx2", 64, 32), ("image/ktx2", 64, 32),
    ]  # fmt: skip


def test_a_file_without_materials_has_none() -> None:
    file = GltfFile()
    file.mesh({"POSITION": triangle()})
    assert material_facts(file.glb()) == []
