"""Which layout a folder has."""

from pathlib import Path

from pipeline.errors import InvalidInput
from pipeline.training.datasets.abo import read_abo
from pipeline.training.datasets.asset import TAKE_ALL, AssetFilter, Collected
from pipeline.training.datasets.folder import read_folder
from pipeline.training.datasets.future3d import read_future3d
from pipeline.training.datasets.hssd import read_hssd
from pipeline.training.datasets.objaverse import read_objaverse
from pipeline.training.datasets.toys4k import FOLDERS, read_toys4k
from pipeline.training.datasets.trellis500k import read_trellis500k


def read_dataset(folder: Path, wanted: AssetFilter = TAKE_ALL) -> Collected:
    """Read a folder by the files that only its layout has; any other is a studio's own.

    Raises:
        InvalidInput: If there is no such folder, or a file of its layout is not usable.
    """
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is not a folder; name the one that holds the meshes")
    if (folder / "object-paths.json.gz").is_file():
        return read_objaverse(folder, wanted)
    if (folder / "3dmodels" / "metadata" / "3dmodels.csv.gz").is_file():
        return read_abo(folder, wanted)
    if (folder / "semantics" / "objects.csv").is_file():
        return read_hssd(folder, wanted)
    if (folder / "model_info.json").is_file():
        return read_future3d(folder, wanted)
    if any((folder / name).is_dir() for name in FOLDERS):
        return read_toys4k(folder, wanted)
    if (folder / "metadata.csv").is_file():
        return read_trellis500k(folder, wanted)
    return read_folder(folder, wanted)
