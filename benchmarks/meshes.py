"""The meshes that geometry is measured on: public models, and what is made from them.

    python -m benchmarks.meshes [NAME ...]

fetches and makes those named, or all, and prints a table. Files are fetched from their public
repository at a pinned commit, checked by their SHA-256, and kept in data/meshes, which is not part
of this repository: some may be measured on but not passed on. Models other than GLBs are scaled to
1 m along their longest side.
"""

import argparse
import hashlib
import io
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.extraction import Extraction, Noise, extract, lattice
from pipeline.mesh.repairing.repair import RepairOptions, repair
from pipeline.read_glb import read_glb
from pipeline.scene import assembled
from pipeline.types import Mesh, Silent, Surface

FOLDER = Path(__file__).parents[1] / "data" / "meshes"

_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class Repository:
    """Where files come from: a GitHub repository at one commit."""

    name: str
    commit: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """A file that someone else made.

    path: in the repository. license: as its author states it there.
    is_open: it has borders that are meant.
    """

    about: str
    source: Repository
    path: str
    sha256: str
    license: str
    author: str
    is_open: bool = False


@dataclass(frozen=True, kw_only=True)
class Made:
    """A mesh that `extraction` makes of the model named `source`."""

    about: str
    source: str
    recipe: Extraction


_STEIN = Repository(name="odedstein/meshes", commit="835213277571d625722d25880c9c3010c6f45a5a")
_COMMON = Repository(
    name="alecjacobson/common-3d-test-models", commit="8a4f8642acaf43f9cd7b67858a1502e1055ef202"
)
_SAMPLES = Repository(
    name="sbtron/glTF-Sample-Models", commit="54e8526ddf5f0bd1b075fadb7f42b63ce88c3da1"
)
_KAYKIT = Repository(
    name="KayKit-Game-Assets/KayKit-Dungeon-Remastered-1.0",
    commit="b0ca9bd96a8072ab36a3a5464f00ed1e06a16d07",
)
_WEBGLTF = Repository(
    name="webgltf/webgltf-sample-models", commit="b7c45810b571ea2c43bfbb544e1d2e08e882d157"
)
_KAYKIT_FOLDER = "addons/kaykit_dungeon_remastered/Assets/gltf"
_UNSTATED = "not stated; a test model of many papers"
_SAMPLE_UNSTATED = "not stated; given for testing glTF"

MODELS = {
    "koala": Model(
        about="toy koala, dense and smooth",
        source=_STEIN,
        path="objects/koala/koala.obj",
        sha256="0f32b65d098bcc5b4e79734d3cac7ea2d7a888c1c477235e0fedf8fcdb6d01a0",
        license="CC BY 3.0",
        author="YahooJAPAN",
    ),
    "scorpion": Model(
        about="scorpion, thin legs and stinger",
        source=_STEIN,
        path="objects/scorpion/scorpion.obj",
        sha256="98370d678a48e32191920f485725aa6be729f4a9f06f3cab9a8853a23a374384",
        license="CC BY 3.0",
        author="YahooJAPAN",
    ),
    "skull": Model(
        about="skull, cavities and teeth",
        source=_STEIN,
        path="objects/skull/skull.obj",
        sha256="823d83ed28a41ba714163bec7922c6bb7a82e9d82810ced1cc675660309e1817",
        license="CC BY 3.0",
        author="YahooJAPAN",
    ),
    "plane": Model(
        about="airplane, thin wings",
        source=_STEIN,
        path="objects/plane/plane.obj",
        sha256="cdf398872bd22c86a12ac65265aef1ea939af4332f8d259219fe7ea5a1cf272c",
        license="CC BY 3.0",
        author="YahooJAPAN",
    ),
    "plane_holes": Model(
        about="the airplane with its windows cut out: an open surface",
        source=_STEIN,
        path="objects/plane/plane_holes.obj",
        sha256="c27a246506759b0df371aa88b50b7a3a96843287cb48113d484c1de617cab1c9",
        license="CC BY 3.0",
        author="YahooJAPAN",
        is_open=True,
    ),
    "nefertiti": Model(
        about="bust of Nefertiti, a reduced scan",
        source=_STEIN,
        path="objects/nefertiti/nefertiti-lowres.obj",
        sha256="3ae65c1ec016d2903af36e2fff43c8dd7cd982cec45ce09fc57f18a5ee1c3ffb",
        license="public domain",
        author="Nora Al-Badri, Jan Nikolai Nelles",
    ),
    "hammer": Model(
        about="hammer, a scan",
        source=_STEIN,
        path="objects/hammer/hammer.obj",
        sha256="6afd245b8cf79768c4e7eca5b960119a476dc0a857f978d73dda94eb1279b723",
        license="CC BY 4.0",
        author="Andrea Spognetta",
    ),
    "boot": Model(
        about="work boot, a scan with laces",
        source=_STEIN,
        path="objects/boot/boot.obj",
        sha256="d2337237da8cabc6584e1ea552cb334fea3122e372198508e3b6bbbc874eefa3",
        license="CC BY 4.0",
        author="inciprocal",
    ),
    "pizza": Model(
        about="pizza, a scan with an open bottom",
        source=_STEIN,
        path="objects/pizza/pizza.obj",
        sha256="69bb558e9d1ccbc4214c761b3a95171e98d750896353e9fea57a056917425392",
        license="CC BY 4.0",
        author="Rigsters",
        is_open=True,
    ),
    "boat": Model(
        about="boat, developable patches with creases",
        source=_STEIN,
        path="objects/boat/boat.obj",
        sha256="c40a8338903a1acae3013ec38326f540e901a6d55d63a32fafee16e96053f27e",
        license="CC BY 4.0",
        author="Oded Stein, Eitan Grinspun, Keenan Crane",
    ),
    "mountain": Model(
        about="mountain, a height field: an open sheet",
        source=_STEIN,
        path="objects/mountain/mountain.obj",
        sha256="b4cbd086057395dad41238413034459d534c4c3e91c3a3ffc4294d75bd1ee8d4",
        license="CC BY 4.0",
        author="lastloginname",
        is_open=True,
    ),
    "sword": Model(
        about="arming sword, a thin blade",
        source=_STEIN,
        path="objects/sword/sword.obj",
        sha256="83cffb5170f69c094d6b2b8421de4730555784d25e2373dadecaaadb4b2a4abd",
        license="CC BY 4.0",
        author="The Oakeshott Institute",
    ),
    "lionstatue": Model(
        about="statue of a lion, a scan with an open bottom",
        source=_STEIN,
        path="objects/lionstatue/lionstatue.obj",
        sha256="bbdb501f0cbfadf7f422119fc3cf8c61f73d4393104d528a3b9f06e976337ae7",
        license="CC BY-SA 3.0",
        author="tomburtonwood",
        is_open=True,
    ),
    "penguin": Model(
        about="penguin, a subdivision surface",
        source=_STEIN,
        path="objects/penguin/penguin_hr.obj",
        sha256="16173477cbbf93c8126f5150db642f561b06d736d047d429ea45a97d145dbf4d",
        license="CC BY 4.0",
        author="Oded Stein",
    ),
    "spot": Model(
        about="Spot the cow, a subdivision surface",
        source=_STEIN,
        path="objects/spot/spot.obj",
        sha256="5fabbceb4fb27534f0a15077e305b65bf0fcab83f188c90fd71a9c86f9ca7e3a",
        license="public domain",
        author="Keenan Crane",
    ),
    "wingnut": Model(
        about="wing nut, developable patches with creases",
        source=_STEIN,
        path="objects/wingnut/wingnut.obj",
        sha256="ff8d168e9cf43194d3821eef1f6efeac5149eed8b1578e6d97bc6a6aba95254a",
        license="CC BY 4.0",
        author="Oded Stein, Eitan Grinspun, Keenan Crane",
    ),
    "igea": Model(
        about="Igea, a scan of an antique head",
        source=_COMMON,
        path="data/igea.ply",
        sha256="75f065f8fefbb468363718a5df39cc73c89e97c2ce3fa8a3b0086a08bb466222",
        license=_UNSTATED,
        author="Cyberware",
    ),
    "fandisk": Model(
        about="fan disk, a machine part with sharp edges",
        source=_COMMON,
        path="data/fandisk.obj",
        sha256="ea5bab2fbf545b1915f0d9faf6cc61ff8c18e0d8174ad61f8e35de15d8f6e3f8",
        license=_UNSTATED,
        author="Pratt & Whitney, Hugues Hoppe",
    ),
    "rocker_arm": Model(
        about="rocker arm, a scanned machine part",
        source=_COMMON,
        path="data/rocker-arm.obj",
        sha256="590257e6d01e689354821d807854306c3bfbb02d9cca73404d5a4924f105c287",
        license=_UNSTATED,
        author="INRIA",
    ),
    "damaged_helmet": Model(
        about="GLB: battle-damaged helmet, 55 parts, an authored atlas",
        source=_SAMPLES,
        path="2.0/DamagedHelmet/glTF-Binary/DamagedHelmet.glb",
        sha256="a1e3b04de97b11de564ce6e53b95f02954a297f0008183ac63a4f5974f6b32d8",
        license="CC BY-NC",
        author="theblueturtle_",
        is_open=True,
    ),
    "engine": Model(
        about="GLB: two-cylinder engine from CAD, many parts, 34 materials",
        source=_SAMPLES,
        path="2.0/2CylinderEngine/glTF-Binary/2CylinderEngine.glb",
        sha256="bb5fbccc73a3f68c52f26687fbb25b4a1248ab5f8a115ec55e7ac6a4451c47ee",
        license=_SAMPLE_UNSTATED,
        author="converted by Okino Computer Graphics",
        is_open=True,
    ),
    "saw": Model(
        about="GLB: reciprocating saw from CAD, many parts, 65 materials",
        source=_SAMPLES,
        path="2.0/ReciprocatingSaw/glTF-Binary/ReciprocatingSaw.glb",
        sha256="44b818a96bedaa521096ef1bd4dfb8c8b59023763f0ca069cec39edfa527c0db",
        license=_SAMPLE_UNSTATED,
        author="converted by Okino Computer Graphics",
        is_open=True,
    ),
    "truck": Model(
        about="GLB: milk truck, 4 materials, instanced wheels",
        source=_SAMPLES,
        path="2.0/CesiumMilkTruck/glTF-Binary/CesiumMilkTruck.glb",
        sha256="2f17d0f4f48f23cf9d6c8d117e8f5a9ab3e2374dfd8b2e207506438c2c0b0b84",
        license="given for testing glTF; Cesium's trademark terms",
        author="Cesium",
        is_open=True,
    ),
    "chest": Model(
        about="GLB: treasure chest, a game prop with a shared palette texture",
        source=_KAYKIT,
        path=f"{_KAYKIT_FOLDER}/chest_gold.glb",
        sha256="04708d5f88ed59d361c8a6cec1efe8b7028dbc641dfae0a1467f272e14a94b6e",
        license="CC0",
        author="Kay Lousberg",
        is_open=True,
    ),
    "table": Model(
        about="GLB: laid table, a game prop of many small parts",
        source=_KAYKIT,
        path=f"{_KAYKIT_FOLDER}/table_long_decorated_C.gltf.glb",
        sha256="bc67bce5b700ef2be4008349856f11d5d494807d20b68e079650db646af0b26b",
        license="CC0",
        author="Kay Lousberg",
        is_open=True,
    ),
    "stairs": Model(
        about="GLB: wooden stairs, a game prop of planks",
        source=_KAYKIT,
        path=f"{_KAYKIT_FOLDER}/stairs_wood_decorated.gltf.glb",
        sha256="41c86378edb2951add637d9beb52cb97b6d5adf6c02e59ed3aa5a89cef1228d9",
        license="CC0",
        author="Kay Lousberg",
        is_open=True,
    ),
    "barrel": Model(
        about="GLB: stylized barrel with base color, normal and metallic-roughness textures",
        source=_WEBGLTF,
        path="models/Barrel/glTF-Binary/barrel.glb",
        sha256="1f5bdbf8e4a86aaf1251ccb141ce4eb8c4815bee8164eb5539f668a99cfe0f09",
        license="CC BY 4.0",
        author="webgltf",
        is_open=True,
    ),
}

# What a decoder leaves on its surface: ripples a few voxels long, 0.06 % of the diagonal high.
_RIPPLES = (Noise(wavelength=6, amplitude=0.22),)
# Each side of a wall around an open model ripples on its own: more would wear it through.
_FAINT_RIPPLES = (Noise(wavelength=6, amplitude=0.1),)
# What a sensor leaves: grain of a few samples' size.
_SENSOR = (Noise(wavelength=4, amplitude=0.15),)

MADE = {
    "gen_koala": Made(
        about="as generated: the koala on 256 voxels, 25 specks, 12 tears",
        source="koala",
        recipe=Extraction(cells=246, noise=_RIPPLES, seed=1),
    ),
    "gen_fandisk": Made(
        about="as generated: the fan disk on 256 voxels, sharp edges voxelized",
        source="fandisk",
        recipe=Extraction(cells=253, noise=_RIPPLES, seed=2),
    ),
    "gen_igea": Made(
        about="as generated: Igea on 288 voxels, the 532k anchor",
        source="igea",
        recipe=Extraction(cells=276, noise=_RIPPLES, seed=3),
    ),
    "gen_scorpion": Made(
        about="as generated: the scorpion on 256 voxels, thin legs voxelized",
        source="scorpion",
        recipe=Extraction(cells=246, noise=_RIPPLES, seed=4),
    ),
    "gen_helmet": Made(
        about="as generated: the open helmet as a wall of 1.2 voxels, half of it never seen",
        source="damaged_helmet",
        recipe=Extraction(cells=240, wall=1.2, is_closed=False, noise=_FAINT_RIPPLES, seed=5),
    ),
    "gen_shell": Made(
        about="as generated: the boot as a hollow shell of 1.2 voxels, half of it never seen",
        source="boot",
        recipe=Extraction(cells=352, wall=1.2, noise=_RIPPLES, seed=6),
    ),
    "scan": Made(
        about="a scan of 5 million triangles: no public one of that size is at hand, so Igea "
        "sampled again on a grid of 843 with a sensor's grain, 60 specks and 40 gaps",
        source="igea",
        recipe=Extraction(
            cells=843, noise=_SENSOR, specks=60, tears=40, tear_radius=(2.0, 12.0), seed=7
        ),
    ),
}

LATTICE = "lattice"

NAMES = (*MODELS, LATTICE, *MADE)
GLBS = tuple(name for name, model in MODELS.items() if model.path.endswith(".glb"))
THIN = ("scorpion", "sword", "plane", "mountain", "gen_scorpion", LATTICE)
OPEN = tuple(name for name, model in MODELS.items() if model.is_open)


def load(name: str) -> Mesh:
    """Return a test mesh as it came, welded or not; fetched or made where it is missing.

    Raises:
        SystemExit: If there is no such name, or the file cannot be fetched.
    """
    made_from = _recipe_in_words(name)
    cache = FOLDER / f"{name}.npz"
    if cache.exists():
        with np.load(cache) as arrays:
            if str(arrays["made_from"]) == made_from:
                return Mesh(positions=arrays["positions"], faces=arrays["faces"])
    mesh = _make(name)
    FOLDER.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()
    np.savez(content, positions=mesh.positions, faces=mesh.faces, made_from=np.array(made_from))
    _replace(cache, content.getvalue())
    return mesh


def load_surface(name: str) -> Surface:
    """Return the whole scene of a GLB with its materials, by one of the names in `GLBS`."""
    return assembled(read_glb(fetch(name).read_bytes(), Silent()))


def cleaned(name: str) -> Mesh:
    """Return a test mesh as LODs are cut from it: specks dropped, pinholes closed."""
    options = RepairOptions.for_generated() if name in MADE else RepairOptions.for_upload()
    return repair(load(name), options, Silent()).mesh


def describe(name: str) -> str:
    """Return what it is, by whom and under which license, in one line."""
    if name == LATTICE:
        return "wire cage of 6 x 6 x 6 cells, made by formula"
    if name in MADE:
        made = MADE[name]
        return f"{made.about} (from {describe(made.source)})"
    model = MODELS[name]
    return f"{model.about}; {model.author}; {model.license}; {model.source.name}"


def fetch(name: str) -> Path:
    """Return the file of one of `MODELS`, downloaded if it is not there.

    Raises:
        SystemExit: If it cannot be fetched, or is not the file that was measured on.
    """
    model = MODELS[name]
    path = FOLDER / "sources" / f"{name}{Path(model.path).suffix}"
    if not path.exists():
        url = (
            f"https://raw.githubusercontent.com/{model.source.name}/{model.source.commit}/"
            f"{model.path}"
        )
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
                content = answer.read()
        except (urllib.error.URLError, TimeoutError) as error:
            sys.exit(f"{name} cannot be fetched ({error}): download {url} as {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    if hashlib.sha256(path.read_bytes()).hexdigest() != model.sha256:
        sys.exit(f"{path} is not the file that was measured on: delete it, it is fetched again")
    return path


def _recipe_in_words(name: str) -> str:
    """What a cached mesh must say it was made from; another recipe makes it anew."""
    if name == LATTICE:
        return LATTICE
    if name in MADE:
        return f"{MODELS[MADE[name].source].sha256} {MADE[name].recipe}"
    if name in MODELS:
        return MODELS[name].sha256
    sys.exit(f"there is no test mesh {name!r}; there are: {', '.join(NAMES)}")


def _make(name: str) -> Mesh:
    if name == LATTICE:
        return lattice(count=6, radius=0.008)
    if name in MADE:
        return extract(load(MADE[name].source), MADE[name].recipe)
    if name in GLBS:
        return load_surface(name).mesh
    import igl

    positions, faces = igl.read_triangle_mesh(fetch(name))
    positions -= (positions.min(axis=0) + positions.max(axis=0)) / 2
    positions /= np.ptp(positions, axis=0).max()
    return Mesh(positions=positions.astype(np.float32), faces=faces.astype(np.int32))


def _replace(path: Path, content: bytes) -> None:
    """Write in one step: a run that was stopped leaves no half file to be taken for a whole one."""
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a test mesh; all without")
    names = parser.parse_args().names or NAMES
    print("| name | triangles | what it is |\n|---|---|---|")
    for name in names:
        print(f"| {name} | {len(load(name).faces):,} | {describe(name)} |", flush=True)


if __name__ == "__main__":
    main()
