"""The two stages on a tiny random model: shapes, seeds, refusals, and what may stop them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import Cancelled, EmptyResult, InvalidInput
from pipeline.model.condition.encoder import Condition
from pipeline.model.condition.minilm import TEXT_TOKENS
from pipeline.model.condition.options import ConditionOptions, MultiImage
from pipeline.model.generate import (
    close_gaps,
    condition_on_pictures,
    condition_on_text,
    decode_mesh,
    enclosed_voxels,
    picture_size_px,
    sample_slat,
    sample_sparse_structure,
    to_gltf_space,
)
from pipeline.model.models import Models
from pipeline.model.sampler import SamplerOptions
from pipeline.model.sparse import SparseTensor
from pipeline.types import Silent, Stage
from tests.pipeline.model.tiny_model import (
    CHANNELS,
    CONDITION_CHANNELS,
    PICTURE_PX,
    LetterEncoder,
    load_tiny,
    write_tiny_model,
)
from tests.pipeline.samples import Listener

OPTIONS = SamplerOptions()
PLAIN = ConditionOptions()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    return load_tiny(folder)


@pytest.fixture(scope="module")
def condition(models: Models) -> Condition:
    return condition_on_text(models, "barrel", PLAIN, Silent())


def sampled(models: Models, condition: Condition, seed: int) -> SparseTensor:
    return sampled_together(models, condition, [seed])[0]


def sampled_together(
    models: Models, condition: Condition, seeds: Sequence[int], multi: MultiImage = "stochastic"
) -> list[SparseTensor]:
    rngs = [torch.Generator().manual_seed(seed) for seed in seeds]
    voxels = sample_sparse_structure(models, condition, OPTIONS, multi, rngs, Silent())
    return sample_slat(models, condition, voxels, OPTIONS, multi, rngs, Silent())


def test_text_condition_is_the_prompt_against_the_empty_prompt(models: Models) -> None:
    condition = condition_on_text(models, "chair", PLAIN, Silent())
    assert torch.equal(condition.cond, LetterEncoder()(["chair"]))
    assert torch.equal(condition.null, LetterEncoder()([""]))


def test_a_prompt_that_is_cut_off_is_a_warning(models: Models) -> None:
    listener = Listener()
    condition_on_text(models, "x" * (TEXT_TOKENS + 1), PLAIN, listener)
    assert len(listener.warnings) == 1
    assert str(TEXT_TOKENS) in listener.warnings[0]
    listener = Listener()
    condition_on_text(models, "x" * TEXT_TOKENS, PLAIN, listener)
    assert listener.warnings == []


def test_picture_condition_is_tokens_against_zeros(models: Models) -> None:
    assert picture_size_px(models) == PICTURE_PX
    picture = np.random.default_rng(0).integers(0, 256, (PICTURE_PX, PICTURE_PX, 3), np.uint8)
    condition = condition_on_pictures(models, [picture], Silent())
    assert condition.cond.shape == condition.null.shape == (1, 4, CONDITION_CHANNELS)
    assert condition.cond.any()
    assert not condition.null.any()


def test_a_model_without_the_encoder_says_what_to_give_instead(models: Models) -> None:
    with pytest.raises(InvalidInput, match="tiny-random takes pictures, not text: give an image"):
        condition_on_text(replace(models, text_encoder=None), "a barrel", PLAIN, Silent())
    with pytest.raises(InvalidInput, match="tiny-random takes text, not pictures: give a prompt"):
        picture_size_px(replace(models, image_encoder=None))


def test_active_voxels_are_where_the_decoder_is_positive(
    models: Models, condition: Condition
) -> None:
    rng = torch.Generator().manual_seed(3)
    (voxels,) = sample_sparse_structure(models, condition, OPTIONS, "stochastic", [rng], Silent())
    # The tiny model's decoder leaves out the border of its four cells per side.
    inner = [[x, y, z] for x in (1, 2) for y in (1, 2) for z in (1, 2)]
    assert voxels.tolist() == inner  # sorted


def test_slat_is_in_the_decoders_scale(models: Models, condition: Condition) -> None:
    voxels = torch.argwhere(torch.ones(2, 2, 2))
    scaled = replace(models, slat_mean=models.slat_mean + 5, slat_std=models.slat_std * 2)
    one, other = (
        sample_slat(
            m, condition, [voxels], OPTIONS, "stochastic", [torch.Generator().manual_seed(1)],
            Silent(),
        )[0]
        for m in (models, scaled)
    )  # fmt: skip
    assert one.feats.shape == (8, CHANNELS)
    assert torch.equal(one.coords[:, 1:], voxels)
    normalized = (one.feats - models.slat_mean) / models.slat_std
    torch.testing.assert_close(
        other.feats, normalized * scaled.slat_std + scaled.slat_mean, atol=1e-5, rtol=1e-5
    )


def test_the_seed_is_the_only_randomness(models: Models, condition: Condition) -> None:
    torch.manual_seed(1)
    one = sampled(models, condition, 7)
    torch.manual_seed(2)
    assert torch.equal(sampled(models, condition, 7).feats, one.feats)
    assert not torch.equal(sampled(models, condition, 8).feats, one.feats)


def test_the_condition_is_felt(models: Models, condition: Condition) -> None:
    other = condition_on_text(models, "sword", PLAIN, Silent())
    one, two = sampled(models, condition, 7), sampled(models, other, 7)
    assert not torch.allclose(one.feats, two.feats, atol=1e-4)


def test_variants_in_one_batch_are_what_they_are_alone(
    models: Models, condition: Condition
) -> None:
    together = sampled_together(models, condition, [7, 8, 9])
    for seed, variant in zip([7, 8, 9], together, strict=True):
        alone = sampled(models, condition, seed)
        assert torch.equal(variant.coords, alone.coords)
        torch.testing.assert_close(variant.feats, alone.feats, atol=1e-5, rtol=1e-5)


def test_lean_sampling_gives_the_same(models: Models, condition: Condition) -> None:
    lean = sampled_together(models.leaner(), condition, [7, 8])
    usual = sampled_together(models, condition, [7, 8])
    for one, other in zip(lean, usual, strict=True):
        torch.testing.assert_close(one.feats, other.feats, atol=1e-5, rtol=1e-5)


def test_more_pictures_than_steps_is_a_warning(models: Models) -> None:
    together = condition_on_pictures(models, views(3), Silent())
    listener = Listener()
    rng = torch.Generator()
    sample_sparse_structure(
        models, together, SamplerOptions(steps=2), "stochastic", [rng], listener
    )
    assert "only the first 2 of 3 pictures" in listener.warnings[0]


def test_a_negative_prompt_stands_in_for_the_empty_one(models: Models) -> None:
    options = ConditionOptions(negative_prompt="rust")
    negative = condition_on_text(models, "chair", options, Silent())
    assert torch.equal(negative.cond, LetterEncoder()(["chair"]))
    assert torch.equal(negative.null, LetterEncoder()(["rust"]))
    plain = condition_on_text(models, "chair", PLAIN, Silent())
    one, other = sampled(models, negative, 7), sampled(models, plain, 7)
    assert not torch.allclose(one.feats, other.feats, atol=1e-4)


def views(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (PICTURE_PX, PICTURE_PX, 3), np.uint8) for _ in range(count)]


def test_several_pictures_are_several_conditions_and_one_null(models: Models) -> None:
    together = condition_on_pictures(models, views(3), Silent())
    assert together.cond.shape == (3, 4, CONDITION_CHANNELS)
    assert together.null.shape == (1, 4, CONDITION_CHANNELS)
    alone = condition_on_pictures(models, views(2)[1:], Silent())
    torch.testing.assert_close(together.cond[1:2], alone.cond)


@pytest.mark.parametrize("multi", ["stochastic", "multidiffusion"])
def test_the_same_picture_twice_is_that_picture(models: Models, multi: MultiImage) -> None:
    (view,) = views(1)
    once = condition_on_pictures(models, [view], Silent())
    twice = condition_on_pictures(models, [view, view], Silent())
    one = sampled_together(models, once, [7])[0]
    two = sampled_together(models, twice, [7], multi)[0]
    torch.testing.assert_close(two.feats, one.feats, atol=1e-4, rtol=1e-4)


def test_both_ways_feel_the_second_picture(models: Models) -> None:
    first = condition_on_pictures(models, views(1), Silent())
    both = condition_on_pictures(models, views(2), Silent())
    modes: list[MultiImage] = ["stochastic", "multidiffusion"]
    alone = sampled_together(models, first, [7])[0]
    results = [sampled_together(models, both, [7], mode)[0] for mode in modes]
    for feats in (alone.feats, results[1].feats):
        assert not torch.allclose(results[0].feats, feats, atol=1e-4)


def test_options_override_the_models_own_walk(models: Models, condition: Condition) -> None:
    listener = Listener()
    rng = torch.Generator().manual_seed(0)
    sample_sparse_structure(
        models, condition, SamplerOptions(steps=5), "stochastic", [rng], listener
    )
    assert listener.fractions == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_a_decoded_surface_lies_in_the_unit_cube(models: Models, condition: Condition) -> None:
    listener = Listener()
    mesh = decode_mesh(models, sampled(models, condition, 0), listener)
    assert np.abs(mesh.vertices).max() < 0.5
    assert mesh.attributes.min() >= 0
    assert mesh.attributes.max() <= 1
    assert mesh.faces.max() == len(mesh.vertices) - 1
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    volume = (a * np.cross(b, c)).sum() / 6
    # The block is two of four voxels wide, and reaches into the empty cells around it.
    assert 0.5**3 < volume < 0.7**3
    assert listener.fractions[-1] == 1.0


def test_a_structure_may_have_no_active_voxel(tmp_path: Path, condition: Condition) -> None:
    models = load_tiny(write_tiny_model(tmp_path / "tiny", active=False))
    rngs = [torch.Generator(), torch.Generator()]
    voxels = sample_sparse_structure(models, condition, OPTIONS, "stochastic", rngs, Silent())
    assert [tuple(v.shape) for v in voxels] == [(0, 3), (0, 3)]


def test_a_field_without_surface_is_an_empty_result(tmp_path: Path, condition: Condition) -> None:
    models = load_tiny(write_tiny_model(tmp_path / "tiny", inside=False))
    with pytest.raises(EmptyResult, match="another seed"):
        decode_mesh(models, sampled(models, condition, 0), Silent())


class StopAt(Silent):
    """A `Progress` that stops the work when it first hears of a stage's fraction."""

    def __init__(self, stage: Stage, fraction: float) -> None:
        self._stage, self._fraction = stage, fraction

    def __call__(self, stage: Stage, fraction: float) -> None:
        if stage is self._stage and fraction >= self._fraction:
            raise Cancelled("stopped by the test")


def test_every_stage_lets_cancelled_pass(models: Models, condition: Condition) -> None:
    picture = np.zeros((PICTURE_PX, PICTURE_PX, 3), np.uint8)
    slat = sampled(models, condition, 0)
    for fraction in (0.0, 1.0):
        for stage, work in {
            Stage.CONDITION: lambda p: condition_on_text(models, "barrel", PLAIN, p),
            Stage.SPARSE_STRUCTURE: lambda p: sample_sparse_structure(
                models, condition, OPTIONS, "stochastic", [torch.Generator()], p
            ),
            Stage.SLAT: lambda p: sample_slat(
                models, condition, [slat.coords[:, 1:]], OPTIONS, "stochastic",
                [torch.Generator()], p,
            ),
            Stage.DECODE: lambda p: decode_mesh(models, slat, p),
        }.items():  # fmt: skip
            with pytest.raises(Cancelled):
                work(StopAt(stage, fraction))
        with pytest.raises(Cancelled):
            condition_on_pictures(models, [picture], StopAt(Stage.CONDITION, fraction))


def test_enclosed_voxels_are_those_no_path_leads_out_of() -> None:
    side = 6
    shell = [
        (x, y, z)
        for x in range(1, 5)
        for y in range(1, 5)
        for z in range(1, 5)
        if {x, y, z} & {1, 4}
    ]
    closed = enclosed_voxels(np.array(shell, np.int32), side)
    assert closed.shape == (side,) * 3
    assert np.argwhere(closed).tolist() == [
        [x, y, z] for x in (2, 3) for y in (2, 3) for z in (2, 3)
    ]
    opened = [voxel for voxel in shell if voxel != (1, 2, 2)]
    assert not enclosed_voxels(np.array(opened, np.int32), side).any()
    # Only faces connect: a missing edge voxel lets nothing through.
    edge = [voxel for voxel in shell if voxel != (1, 1, 2)]
    assert enclosed_voxels(np.array(edge, np.int32), side).sum() == 8


def test_a_shell_at_the_grids_border_still_encloses() -> None:
    side = 4
    cells = np.array(list(np.ndindex(side, side, side)), np.int32)
    shell = cells[((cells == 0) | (cells == side - 1)).any(1)]
    assert enclosed_voxels(shell, side).sum() == 2**3


def test_gltf_space_is_a_rotation_that_puts_z_up_on_y() -> None:
    axes = np.eye(3, dtype=np.float32)
    assert to_gltf_space(axes).tolist() == [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
    assert np.linalg.det(to_gltf_space(axes)) == pytest.approx(1)


def test_closing_fills_a_hole_in_a_shell_and_is_off_by_default(models: Models) -> None:
    shell = np.zeros((16, 16, 16), bool)
    shell[3:13, 3:13, 3:13] = True
    shell[4:12, 4:12, 4:12] = False
    holed = shell.copy()
    holed[7, 7, 12] = False
    assert np.array_equal(close_gaps(holed, models), holed)
    closed = close_gaps(holed, replace(models, structure_closing=1))
    assert closed[7, 7, 12]
    assert closed[shell].all()


def test_closing_reaches_the_border_of_the_grid(models: Models) -> None:
    full = np.ones((4, 4, 4), bool)
    assert close_gaps(full, replace(models, structure_closing=1)).all()
