"""Toys4k: 105 classes of toys, TRELLIS' evaluation set."""

from pathlib import Path

from pipeline.training.datasets.asset import TAKE_ALL, Asset, AssetFilter, Collected

FOLDERS = ("toys4k_obj_files", "toys4k_blend_files")
_BY_PREFERENCE = (".glb", ".obj", ".blend")


def read_toys4k(folder: Path, wanted: AssetFilter = TAKE_ALL) -> Collected:
    """Read the folder that holds `toys4k_obj_files` or `toys4k_blend_files`, unpacked.

    Below stand `<class>/<object>/` with one mesh each: a GLB that was converted, else an OBJ, else
    the Blender file, which is left out with its reason. The class is the only caption. There are no
    licenses and no aesthetic scores.

    Source: rehg-lab/lowshot-shapebias and microsoft/TRELLIS, dataset_toolkits, by way of public
    code that reads them: class and object folders. The name of the OBJ inside is not confirmed, so
    the first one counts.
    """
    found = Collected(wanted=wanted)
    for top in (folder / name for name in FOLDERS):
        for place in sorted(top.glob("*/*/")):
            meshes = sorted(
                (p for p in place.iterdir() if p.suffix.lower() in _BY_PREFERENCE),
                key=lambda p: (_BY_PREFERENCE.index(p.suffix.lower()), p.name),
            )
            if not meshes:
                found.skip("no mesh in its folder")
                continue
            caption = place.parent.name.replace("_", " ")
            found.add(Asset(key=place.name, path=meshes[0], captions=(caption,)))
    return found
