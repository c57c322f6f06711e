"""What may be asked for."""

import pytest

from pipeline.errors import InvalidInput
from pipeline.model.kernel_options import KernelOptions


@pytest.mark.parametrize("name", ["attention", "sparse_convolution", "precision"])
def test_unknown_names_are_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(InvalidInput, match=rf"{name} must be one of auto, .*, got magic"):
        KernelOptions(**{name: "magic"})  # type: ignore[arg-type]


def test_all_is_chosen_by_measuring_by_default() -> None:
    options = KernelOptions()
    assert {options.attention, options.sparse_convolution, options.precision} == {"auto"}
