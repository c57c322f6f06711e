"""Networks come to the device and go; PyTorch's `meta` device stands in for a GPU."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.model import residency
from pipeline.model.residency import Residency, is_out_of_memory, size_bytes

META, CPU = torch.device("meta"), torch.device("cpu")


class Network(nn.Module):
    """A parameter and a buffer, one of them in a child."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 3).requires_grad_(False)
        self.register_buffer("table", torch.arange(4.0))


@pytest.fixture
def by_stage(monkeypatch: pytest.MonkeyPatch) -> tuple[Residency, Network, Network]:
    monkeypatch.setattr(residency, "_pin", lambda network: None)  # pinning needs a GPU
    networks = (Network(), Network())
    return Residency.choose("on", META, networks), *networks


def place(network: nn.Module) -> set[str]:
    return {t.device.type for t in [*network.parameters(), *network.buffers()]}


def test_only_the_running_stage_is_on_the_device(
    by_stage: tuple[Residency, Network, Network],
) -> None:
    keeper, first, second = by_stage
    assert place(first) == place(second) == {"cpu"}
    with keeper.on_device(first):
        assert place(first) == {"meta"}
        assert place(second) == {"cpu"}
    with keeper.on_device(second):
        assert place(first) == {"cpu"}
        assert place(second) == {"meta"}
    assert place(first) == place(second) == {"cpu"}


def test_nested_stages_are_on_the_device_together(
    by_stage: tuple[Residency, Network, Network],
) -> None:
    keeper, first, second = by_stage
    with keeper.on_device(first):
        with keeper.on_device(first, second):
            assert place(first) == place(second) == {"meta"}
        assert place(first) == {"meta"}
        assert place(second) == {"cpu"}
    assert place(first) == {"cpu"}


def test_weights_come_back_unchanged_without_a_copy(
    by_stage: tuple[Residency, Network, Network],
) -> None:
    keeper, first, _ = by_stage
    before = {key: (value, value.clone()) for key, value in first.state_dict().items()}
    weight = first.linear.weight
    with keeper.on_device(first):
        pass
    assert first.linear.weight is weight
    for key, value in first.state_dict().items():
        same, copied = before[key]
        assert value.data_ptr() == same.data_ptr()
        assert torch.equal(value, copied)


def test_weights_leave_the_device_when_a_stage_fails(
    by_stage: tuple[Residency, Network, Network],
) -> None:
    keeper, first, _ = by_stage

    def fail() -> None:
        with keeper.on_device(first):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - our own, without a text
        fail()
    assert place(first) == {"cpu"}


def test_changes_between_stages_are_seen_by_the_next(
    by_stage: tuple[Residency, Network, Network],
) -> None:
    keeper, first, _ = by_stage
    with keeper.on_device(first):
        pass
    first.linear.weight.fill_(7)
    with keeper.on_device(first):
        pass
    assert (first.linear.weight == 7).all()


def test_without_offload_networks_stay() -> None:
    networks = (Network(), Network())
    keeper = Residency.choose("off", META, networks)
    with keeper.on_device(networks[0]):
        assert place(networks[0]) == place(networks[1]) == {"meta"}
    assert place(networks[0]) == {"meta"}
    assert keeper.describe() == "off"


class Recorded(Network):
    """Keeps where it was sent; nothing can be copied back from `meta`."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def to(self, device: torch.device | str) -> "Recorded":  # type: ignore[override] # as used here
        self.sent.append(str(device))
        copies = {"meta": lambda t: t.to("meta"), "cpu": lambda t: torch.zeros(t.shape)}
        self._apply(copies[str(device)])  # type: ignore[no-untyped-call]
        return self


def test_leaner_sends_the_others_away_first() -> None:
    running, other = Recorded(), Recorded()
    keeper = Residency.choose("off", META, (running, other))
    with keeper.leaner().on_device(running):
        assert place(running) == {"meta"}
        assert place(other) == {"cpu"}
    assert place(running) == {"cpu"}
    # The next ordinary run brings back what it needs.
    with keeper.on_device(other):
        assert place(other) == {"meta"}
    assert other.sent == ["meta", "cpu", "meta"]


def test_a_cpu_needs_no_offload() -> None:
    keeper = Residency.choose("on", CPU, (Network(),))
    assert keeper.leaner() is keeper
    assert keeper.describe() == "off"
    with keeper.on_device(Network()):
        pass


@pytest.mark.parametrize(("free_bytes", "state"), [(1 << 40, "off"), (1 << 20, "on")])
def test_auto_looks_at_what_is_free(
    free_bytes: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free_bytes, 1 << 40))
    monkeypatch.setattr(residency, "_pin", lambda network: None)
    keeper = Residency.choose("auto", torch.device("cuda:0"), ())
    assert keeper.describe().startswith(f"{state} (1.6 GB needed, ")


def test_sizes_count_parameters_and_buffers() -> None:
    assert size_bytes(Network().half()) == 2 * (2 * 3 + 3 + 4)


def too_large_for_torch() -> object:
    return torch.empty(1 << 50)


def too_large_for_numpy() -> object:
    return np.empty(1 << 60, np.uint8)


def wrong_shapes() -> object:
    return torch.zeros(2) + torch.zeros(3)


@pytest.mark.parametrize(
    ("act", "expected"),
    [(too_large_for_torch, True), (too_large_for_numpy, True), (wrong_shapes, False)],
)
def test_failed_allocations_are_recognized(act: Callable[[], object], expected: bool) -> None:
    with pytest.raises((RuntimeError, MemoryError)) as caught:
        act()
    assert is_out_of_memory(caught.value) == expected


def test_cuda_errors_are_recognized() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"))
    assert not is_out_of_memory(KeyError("out of memory"))
