"""Surface <-> bytes."""

import contextlib
import json
import struct
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import save

from pipeline.errors import InvalidInput
from pipeline.stored_surface import surface_from_bytes, surface_to_bytes
from pipeline.types import Image, Material, Part, Surface, View


def image(seed: int, channels: int = 4) -> Image:
    rng = np.random.default_rng(seed)
    return Image(pixels=rng.integers(0, 256, (3, 5, channels), np.uint8))


def surface(*materials: Material, colors: bool = True, uvs: bool = True) -> Surface:
    rng = np.random.default_rng(0)
    return Surface(
        positions=rng.random((4, 3), np.float32),
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        normals=rng.random((4, 3), np.float32),
        uvs=rng.random((4, 2), np.float32) if uvs else None,
        colors=rng.random((4, 4), np.float32) if colors else None,
        face_materials=np.array([0, 1], np.int32),
        materials=materials or (Material(),),
        has_own_normals=uvs,
    )


def textured() -> Surface:
    shared = image(1)
    return surface(
        Material(
            name='wood ümlaut "quoted"',
            base_color_factor=(0.1, 0.2, 0.3, 0.4),
            base_color=shared,
            metallic_factor=0.5,
            roughness_factor=0.25,
            metallic_roughness=image(2, 3),
            normal=image(3, 3),
            normal_scale=0.7,
            occlusion=image(4, 1),
            occlusion_strength=0.3,
            emissive_factor=(1.0, 0.5, 0.0),
            emissive=image(5, 3),
            alpha_mode="MASK",
            alpha_cutoff=0.3,
            double_sided=True,
        ),
        Material(
            name="again",
            base_color=shared,
            emissive=replace(shared, wrap=("clamp", "mirror")),
        ),
    )


def assert_equal(one: Surface, other: Surface) -> None:
    for field in fields(Surface):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
        elif field.name == "has_own_normals":
            assert a is b
        elif field.name not in ("materials", "parts", "views"):
            assert a is b is None
    assert len(one.views) == len(other.views)
    for view, same in zip(one.views, other.views, strict=True):
        np.testing.assert_array_equal(view.pixels, same.pixels)
        np.testing.assert_array_equal(view.projection, same.projection)
    assert [part.name for part in one.parts] == [part.name for part in other.parts]
    for part, other_part in zip(one.parts, other.parts, strict=True):
        np.testing.assert_array_equal(part.placements, other_part.placements)
    assert len(one.materials) == len(other.materials)
    for mine, theirs in zip(one.materials, other.materials, strict=True):
        for field in fields(Material):
            a, b = getattr(mine, field.name), getattr(theirs, field.name)
            if isinstance(a, Image):
                np.testing.assert_array_equal(a.pixels, b.pixels)
                assert a.wrap == b.wrap
            else:
                assert a == b
                assert type(a) is type(b)


@pytest.mark.parametrize(
    "stored", [textured(), surface(), surface(colors=False), surface(uvs=False)]
)
def test_comes_back_exactly(stored: Surface) -> None:
    assert_equal(stored, surface_from_bytes(surface_to_bytes(stored)))


def test_parts_come_back_exactly() -> None:
    wheel = Part(name="Rad hinten", placements=np.random.default_rng(1).random((3, 4, 4)))
    stored = replace(surface(), parts=(wheel,), face_parts=np.zeros(2, np.int32))
    assert_equal(stored, surface_from_bytes(surface_to_bytes(stored)))


def with_views() -> Surface:
    rng = np.random.default_rng(2)
    sizes = ((3, 5), (1, 1), (20, 8))
    views = (
        View(pixels=rng.integers(0, 256, (*size, 4), np.uint8), projection=rng.random((3, 4)))
        for size in sizes
    )
    return replace(textured(), views=tuple(views))


def test_views_come_back_exactly() -> None:
    assert_equal(with_views(), surface_from_bytes(surface_to_bytes(with_views())))
    assert surface_to_bytes(with_views()) == surface_to_bytes(with_views())


def test_empty_border_of_views_takes_hardly_any_room() -> None:
    pixels = np.zeros((256, 256, 4), np.uint8)
    pixels[100:120, 100:120] = 200
    views = (View(pixels=pixels, projection=np.zeros((3, 4))),) * 8
    stored = surface_to_bytes(replace(surface(), views=views))
    assert len(stored) < len(surface_to_bytes(surface())) + 8 * 2_000


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_damaged_view_is_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(surface_to_bytes(with_views()))
    signatures = [at for at in range(len(content)) if content.startswith(b"\x89PNG", at)]
    at = data.draw(st.sampled_from(signatures)) + data.draw(st.integers(0, 60))
    content[at] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(InvalidInput):  # and nothing else
        surface_from_bytes(bytes(content))


def test_a_texture_that_materials_share_is_stored_once() -> None:
    back = surface_from_bytes(surface_to_bytes(textured()))
    first, second = back.materials
    assert first.base_color is not None
    assert second.base_color is not None
    assert second.emissive is not None
    assert second.base_color.pixels is first.base_color.pixels
    assert second.emissive.pixels is first.base_color.pixels
    header_length = struct.unpack("<Q", surface_to_bytes(textured())[:8])[0]
    header = json.loads(surface_to_bytes(textured())[8 : 8 + header_length])
    assert sum(name.startswith("image") for name in header) == 5


def test_the_same_surface_gives_the_same_bytes() -> None:
    assert surface_to_bytes(textured()) == surface_to_bytes(textured())
    assert surface_to_bytes(textured()) != surface_to_bytes(surface())


def test_views_of_arrays_are_stored_as_what_they_show() -> None:
    stored = surface()
    turned = Surface(
        positions=np.asfortranarray(stored.positions),
        faces=stored.faces[::-1],
        normals=stored.normals[:, ::-1],
        face_materials=stored.face_materials[::-1],
        materials=stored.materials,
    )
    assert_equal(turned, surface_from_bytes(surface_to_bytes(turned)))


finite = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=25, deadline=None)
@given(
    arrays.arrays(np.float32, st.tuples(st.integers(0, 6), st.just(3)), elements=finite),
    st.text(max_size=20),
)
def test_any_positions_and_names_come_back(
    positions: np.ndarray[tuple[int, int], np.dtype[np.float32]], name: str
) -> None:
    stored = Surface(
        positions=positions,
        faces=np.zeros((0, 3), np.int32),
        normals=np.zeros_like(positions),
        face_materials=np.zeros(0, np.int32),
        materials=(Material(name=name),),
    )
    assert_equal(stored, surface_from_bytes(surface_to_bytes(stored)))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="not a stored surface"):
        surface_from_bytes(content)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_header_is_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(surface_to_bytes(textured()))
    length = struct.unpack("<Q", content[:8])[0]
    at = data.draw(st.integers(0, 8 + length - 1))
    content[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidInput):  # and nothing else
        surface_from_bytes(bytes(content))


@pytest.mark.parametrize("kept", [0, 7, 8, 100, -1])
def test_bytes_cut_short_are_refused(kept: int) -> None:
    with pytest.raises(InvalidInput, match="not a stored surface"):
        surface_from_bytes(surface_to_bytes(textured())[:kept])


@pytest.mark.parametrize(
    "materials",
    [
        "5", "[5]", "{}", "null", "", "3]", '[{"name": {"image": "image9"}}]',
        '[{"base_color": {}}]',
        '[{"color": 1}]', "[", "[" * 5000, '[{"base_color": {"image": [1]}}]',
    ],
)  # fmt: skip
def test_materials_of_another_form_are_refused(materials: str) -> None:
    stored = surface()
    tensors = {
        name: getattr(stored, name) for name in ("positions", "faces", "normals", "face_materials")
    }
    look = f'{{"materials": {materials}, "parts": []}}'
    with pytest.raises(InvalidInput, match="not a stored surface"):
        surface_from_bytes(save(tensors, metadata={"surface": look}))


def test_parts_that_stand_nowhere_are_refused() -> None:
    stored = surface()
    tensors = {
        name: getattr(stored, name) for name in ("positions", "faces", "normals", "face_materials")
    }
    look = f'{{"materials": [], "parts": [{{"name": "a", "placements": [1{"0" * 400}]}}]}}'
    with pytest.raises(InvalidInput, match="not a stored surface"):
        surface_from_bytes(save(tensors, metadata={"surface": look}))


@pytest.mark.parametrize("missing", ["positions", "faces", "normals", "face_materials"])
def test_a_file_without_a_needed_array_is_refused(missing: str) -> None:
    stored = surface()
    tensors = {
        name: getattr(stored, name)
        for name in ("positions", "faces", "normals", "face_materials")
        if name != missing
    }
    look = '{"materials": [], "parts": []}'
    with pytest.raises(InvalidInput, match=missing):
        surface_from_bytes(save(tensors, metadata={"surface": look}))
