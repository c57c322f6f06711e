"""The commands' arguments. What they do is imported when they run, so that --help is instant."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from server.cli.config_commands import (
    AuthOption,
    ConfigFile,
    Device,
    DrainS,
    Host,
    HttpPort,
    InsecureAllowRemote,
    LogFormatOption,
    LogLevelOption,
    MeshWorkers,
    Models,
    Port,
    ServerDataDir,
    TlsCert,
    TlsClientCa,
    TlsKey,
    config_app,
    settings_of,
)
from server.cli.connection import (
    ClientCertificate,
    ClientKey,
    DataDir,
    Login,
    ServerAddress,
    TlsCa,
    TokenFile,
    connected,
)
from server.cli.health_command import register as register_health
from server.cli.model_commands import models_app
from server.cli.picture_commands import register as register_pictures
from server.cli.quality_commands import register as register_quality
from server.cli.token_commands import token_app
from server.cli.train_command import register

if TYPE_CHECKING:
    from server.pb import lodsmith_pb2 as pb

app = typer.Typer(
    name="lodsmith",
    help="Prompt, picture or mesh in, engine-ready LOD GLB out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich would take half of the time that --help takes
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Profile(StrEnum):
    """Values of --profile."""

    GENERIC = "generic"
    UNITY = "unity"
    UNREAL = "unreal"
    GODOT = "godot"
    ROBLOX = "roblox"
    WEB = "web"


class Atlas(StrEnum):
    """Values of --atlas."""

    PACKED = "packed"
    SHARED = "shared"
    PER_LOD = "per-lod"


class Uv(StrEnum):
    """Values of --uv."""

    AUTO = "auto"
    UNWRAP = "unwrap"
    KEEP = "keep"


class TextureFormat(StrEnum):
    """Values of --texture-format."""

    AUTO = "auto"
    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    KTX2 = "ktx2"


class Collision(StrEnum):
    """Values of --collision."""

    NONE = "none"
    BOX = "box"
    SPHERE = "sphere"
    CAPSULE = "capsule"
    HULL = "hull"
    DECOMPOSE = "decompose"
    AUTO = "auto"


class MultiImage(StrEnum):
    """Values of --multi-image."""

    STOCHASTIC = "stochastic"
    MULTIDIFFUSION = "multidiffusion"


class Remesh(StrEnum):
    """Values of --remesh."""

    OFF = "off"
    AUTO = "auto"
    WATERTIGHT = "watertight"
    ISOTROPIC = "isotropic"


Out = Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder for the files.")]
Name = Annotated[str, typer.Option(help="Name of the asset. Default: from the prompt or file.")]
Lods = Annotated[
    str,
    typer.Option(
        help="Most triangles of LOD0, LOD1, ...; or auto, desktop, console, mobile, vr; or "
        "targets: 50%,5mm,@0.25 (a share, a deviation, a share of the view's height), a&b for "
        "both, a|b for the first.  [default: 20000,10000,4000,1000]"
    ),
]
PartsOption = Annotated[
    str,
    typer.Option(
        "--parts",
        help="merged: one mesh per LOD. separate: every mesh node keeps name, place and pivot; "
        "with weights as separate,Wheel*=2.  [default: merged]",
    ),
]
TextureSize = Annotated[
    int | None, typer.Option(help="Texels along each side of the atlas.  [default: 2048]")
]
ProfileOption = Annotated[
    Profile | None, typer.Option(help="Whose importer the file is for.  [default: generic]")
]
AtlasOption = Annotated[
    Atlas | None,
    typer.Option(
        "--atlas",
        help="packed: own charts per LOD in one atlas. shared: all on LOD0's. per-lod: textures "
        "and a material each.  [default: packed]",
    ),
]
UvOption = Annotated[
    Uv | None,
    typer.Option(
        "--uv", help="Keep the mesh's own UVs and textures, or make new ones.  [default: auto]"
    ),
]
Lightmap = Annotated[
    bool | None,
    typer.Option("--lightmap/--no-lightmap", help="Add a second set of UVs for light maps."),
]
TextureFormatOption = Annotated[
    TextureFormat | None,
    typer.Option(
        "--texture-format",
        help="auto is WebP for the web, else JPEG where it costs nothing that can be seen.  "
        "[default: auto]",
    ),
]
Split = Annotated[bool | None, typer.Option("--split/--no-split", help="Also a file per LOD.")]
Pictures = Annotated[
    str,
    typer.Option(
        "--pictures", help="turntable, switches, charts, errors, with commas.  [default: none]"
    ),
]
Files = Annotated[str, typer.Option("--files", help="glb, obj, ply, with commas.  [default: glb]")]
CollisionOption = Annotated[
    Collision | None, typer.Option(help="Collision hulls.  [default: auto]")
]
Height = Annotated[
    float | None,
    typer.Option(
        help="Height in metres. Default: meshes keep theirs, generated ones are 1 m along the "
        "longest side."
    ),
]
Pivot = Annotated[
    str,
    typer.Option(
        help="Where the origin is: bottom_center, center, keep, or a place in the bounding box as "
        "0.5,0,0.5.  [default: bottom_center]"
    ),
]
RemeshOption = Annotated[
    Remesh | None, typer.Option(help="Rebuild the surface evenly.  [default: auto]")
]
Impostor = Annotated[
    bool | None,
    typer.Option("--impostor/--no-impostor", help="Add a billboard as the last LOD."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STAGE.OPTION=VALUE",
        help="Any other option of the contract, as repair.remove_interior=true or "
        "place.up=positive_z. Give it again for more.",
    ),
]
AmbientOcclusion = Annotated[
    bool | None,
    typer.Option("--ambient-occlusion/--no-ambient-occlusion", help="Bake an occlusion texture."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object per event on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only errors.")]


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help='What to make: "a wooden barrel".')] = "",
    image: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="Make it from this picture. Give it again for pictures from other sides.",
        ),
    ] = None,
    out: Out = Path("out"),
    name: Name = "",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another shape.")] = 0,
    variants: Annotated[
        int, typer.Option(min=1, help="Make this many, with seeds from --seed on.")
    ] = 1,
    formats: Annotated[
        str, typer.Option(help="mesh, gaussian, radiance_field, with commas.  [default: mesh]")
    ] = "",
    negative: Annotated[str, typer.Option(help="What it should not be. With a prompt.")] = "",
    shape: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="Keep the coarse shape of this GLB; details and colors are new.",
        ),
    ] = None,
    multi_image: Annotated[
        MultiImage | None,
        typer.Option(help="How several pictures are used.  [default: stochastic]"),
    ] = None,
    model: Annotated[str, typer.Option(help="Which of several models makes it.")] = "",
    lora: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            readable=True,
            help="Apply this adapter (`lodsmith train --lora`).",
        ),
    ] = None,
    lora_strength: Annotated[
        float | None, typer.Option(help="How much of it, 0 to 2.  [default: 1]")
    ] = None,
    structure: Annotated[
        str,
        typer.Option(
            help="Sampling of the coarse shape: steps=25,guidance=7.5,interval=0.5:1,rescale=3. "
            "Default: the model's own."
        ),
    ] = "",
    slat: Annotated[str, typer.Option(help="Sampling of details and colors, likewise.")] = "",
    lods: Lods = "",
    parts: PartsOption = "",
    texture_size: TextureSize = None,
    atlas: AtlasOption = None,
    uv: UvOption = None,
    lightmap: Lightmap = None,
    profile: ProfileOption = None,
    texture_format: TextureFormatOption = None,
    split: Split = None,
    files: Files = "",
    pictures: Pictures = "",
    collision: CollisionOption = None,
    height: Height = None,
    pivot: Pivot = "",
    remesh: RemeshOption = None,
    impostor: Impostor = None,
    ambient_occlusion: AmbientOcclusion = None,
    settings: Settings = None,
    server: ServerAddress = "",
    token_file: TokenFile = None,
    tls_ca: TlsCa = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    models: Models = None,
    data_dir: DataDir = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Generate an asset from a prompt or a picture."""
    from server.cli.asset import Upload, errors_as_exit_codes, make_asset
    from server.cli.asset_options import int32
    from server.pb import lodsmith_pb2 as pb

    images = image or []
    if images and prompt:
        raise typer.BadParameter("give a prompt or --image, not both (--name names the asset)")
    if lora is None and lora_strength is not None:
        raise typer.BadParameter("--lora-strength needs --lora")
    spec = pb.JobSpec(
        asset_name=name or (images[0].stem if images else ""),
        seed=_checked_seed(seed),
        variant_count=int32(variants, "--variants"),
        model=model,
        adapter_strength=lora_strength,
        options=_options(
            lods=lods,
            parts=parts,
            texture_size=texture_size,
            atlas=atlas,
            uv=uv,
            lightmap=lightmap,
            profile=profile,
            texture_format=texture_format,
            split=split,
            files=files,
            pictures=pictures,
            collision=collision,
            height=height,
            pivot=pivot,
            remesh=remesh,
            impostor=impostor,
            ambient_occlusion=ambient_occlusion,
            settings=settings,
        ),
    )
    spec.options.condition.negative_prompt = negative
    if multi_image is not None:
        spec.options.condition.multi_image = getattr(pb, f"MULTI_IMAGE_{multi_image.name}")
    spec.options.decode.formats.extend(_listed(formats, "--formats", pb.Format))
    _read_sampler(structure, "--structure", spec.options.sparse_structure)
    _read_sampler(slat, "--slat", spec.options.slat)
    uploads = []
    if images:
        uploads.append(Upload(path=images[0], digest=spec.image, kind="image"))
        uploads += [
            Upload(path=path, digest=spec.more_images.add(), kind="image") for path in images[1:]
        ]
    else:
        spec.prompt = prompt
    if shape is not None:
        uploads.append(Upload(path=shape, digest=spec.shape, kind="mesh"))
    if lora is not None:
        uploads.append(Upload(path=lora, digest=spec.adapter, kind="adapter"))
    login = Login(
        token_file=token_file,
        tls_ca=tls_ca,
        client_certificate=client_certificate,
        client_key=client_key,
    )
    with (
        errors_as_exit_codes(is_json=json),
        connected(server, login, is_generated=True, models=models, data_dir=data_dir) as client,
    ):
        make_asset(
            client,
            spec,
            uploads=uploads,
            out=out,
            is_json=json,
            is_quiet=quiet,
            is_kept=bool(server or data_dir),
        )


@app.command()
def lod(
    mesh: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, readable=True, help="A .glb or .gltf."),
    ],
    out: Out = Path("out"),
    name: Name = "",
    lods: Lods = "",
    parts: PartsOption = "",
    texture_size: TextureSize = None,
    atlas: AtlasOption = None,
    uv: UvOption = None,
    lightmap: Lightmap = None,
    profile: ProfileOption = None,
    texture_format: TextureFormatOption = None,
    split: Split = None,
    files: Files = "",
    pictures: Pictures = "",
    collision: CollisionOption = None,
    height: Height = None,
    pivot: Pivot = "",
    remesh: RemeshOption = None,
    impostor: Impostor = None,
    ambient_occlusion: AmbientOcclusion = None,
    settings: Settings = None,
    server: ServerAddress = "",
    token_file: TokenFile = None,
    tls_ca: TlsCa = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    data_dir: DataDir = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make LODs, atlas and collision for a mesh that exists."""
    from server.cli.asset import Upload, errors_as_exit_codes, make_asset, one_file
    from server.pb import lodsmith_pb2 as pb

    spec = pb.JobSpec(
        asset_name=name or mesh.stem,
        options=_options(
            lods=lods,
            parts=parts,
            texture_size=texture_size,
            atlas=atlas,
            uv=uv,
            lightmap=lightmap,
            profile=profile,
            texture_format=texture_format,
            split=split,
            files=files,
            pictures=pictures,
            collision=collision,
            height=height,
            pivot=pivot,
            remesh=remesh,
            impostor=impostor,
            ambient_occlusion=ambient_occlusion,
            settings=settings,
        ),
    )
    login = Login(
        token_file=token_file,
        tls_ca=tls_ca,
        client_certificate=client_certificate,
        client_key=client_key,
    )
    with (
        errors_as_exit_codes(is_json=json),
        one_file(mesh) as path,
        connected(server, login, is_generated=False, data_dir=data_dir) as client,
    ):
        upload = Upload(path=path, digest=spec.mesh, kind="mesh")
        make_asset(
            client,
            spec,
            uploads=[upload],
            out=out,
            is_json=json,
            is_quiet=quiet,
            is_kept=bool(server or data_dir),
        )


@app.command()
def reexport(
    job: Annotated[str, typer.Argument(help="The earlier job, as jobs/0123... or its id.")],
    out: Out = Path("out"),
    name: Name = "",
    lods: Lods = "",
    parts: PartsOption = "",
    texture_size: TextureSize = None,
    atlas: AtlasOption = None,
    uv: UvOption = None,
    lightmap: Lightmap = None,
    profile: ProfileOption = None,
    texture_format: TextureFormatOption = None,
    split: Split = None,
    files: Files = "",
    pictures: Pictures = "",
    collision: CollisionOption = None,
    height: Height = None,
    pivot: Pivot = "",
    remesh: RemeshOption = None,
    impostor: Impostor = None,
    ambient_occlusion: AmbientOcclusion = None,
    settings: Settings = None,
    server: ServerAddress = "",
    token_file: TokenFile = None,
    tls_ca: TlsCa = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    data_dir: DataDir = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Export an earlier job's asset again, with other options; nothing is generated.

    Whatever is left out is as it was there.
    """
    from server.cli.asset import errors_as_exit_codes, make_asset
    from server.pb import lodsmith_pb2 as pb

    if not server and data_dir is None:
        raise typer.BadParameter("name the --server that has the job, or the --data-dir it is in")
    spec = pb.JobSpec(
        asset_name=name,
        job=job,
        options=_options(
            lods=lods,
            parts=parts,
            texture_size=texture_size,
            atlas=atlas,
            uv=uv,
            lightmap=lightmap,
            profile=profile,
            texture_format=texture_format,
            split=split,
            files=files,
            pictures=pictures,
            collision=collision,
            height=height,
            pivot=pivot,
            remesh=remesh,
            impostor=impostor,
            ambient_occlusion=ambient_occlusion,
            settings=settings,
        ),
    )
    login = Login(
        token_file=token_file,
        tls_ca=tls_ca,
        client_certificate=client_certificate,
        client_key=client_key,
    )
    with (
        errors_as_exit_codes(is_json=json),
        connected(server, login, is_generated=False, data_dir=data_dir) as client,
    ):
        make_asset(
            client,
            spec,
            uploads=[],
            out=out,
            is_json=json,
            is_quiet=quiet,
            is_kept=bool(server or data_dir),
        )


@app.command()
def serve(
    context: typer.Context,
    config: ConfigFile = None,
    host: Host = None,
    port: Port = None,
    http_port: HttpPort = None,
    auth: AuthOption = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    insecure_allow_remote: InsecureAllowRemote = None,
    data_dir: ServerDataDir = None,
    models: Models = None,
    device: Device = None,
    mesh_workers: MeshWorkers = None,
    drain_s: DrainS = None,
    log_level: LogLevelOption = None,
    log_format: LogFormatOption = None,
) -> None:
    """Run the server. SIGTERM lets running jobs end first.

    Every setting can stand in the file, and has a variable: LODSMITH_PORT, LODSMITH_MODELS, ...
    """
    import asyncio
    import logging
    import os

    from server.app import serve as serve_forever
    from server.cli.asset import errors_as_exit_codes
    from server.config import read_configuration
    from server.observe.logs import set_up_logging

    with errors_as_exit_codes():
        found = read_configuration(os.environ, flags=settings_of(context.params), file=config)
        set_up_logging(found.config.log_level, found.config.log_format)
        logging.getLogger(__name__).info("settings: %s", found.changes())
        asyncio.run(serve_forever(found.config))


@app.command()
def doctor(
    server: ServerAddress = "",
    token_file: TokenFile = None,
    tls_ca: TlsCa = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    models: Models = None,
    json: Json = False,
) -> None:
    """Check that everything is there: versions, devices, backends, weights, limits."""
    import os

    from server.cli.asset import errors_as_exit_codes
    from server.cli.doctor import examine
    from server.config import read_configuration

    login = Login(
        token_file=token_file,
        tls_ca=tls_ca,
        client_certificate=client_certificate,
        client_key=client_key,
    )
    with errors_as_exit_codes(is_json=json):
        configuration = None if server else read_configuration(os.environ, flags={})
        with connected(server, login, is_generated=True, models=models) as client:
            is_well = examine(client, configuration, is_json=json)
    raise typer.Exit(0 if is_well else 1)


app.add_typer(models_app)
app.add_typer(config_app)
app.add_typer(token_app)
register_health(app)
register(app)
register_quality(app)
register_pictures(app)


def _listed(text: str, option: str, kind: Any) -> list[Any]:  # Any: the stubs disagree on enums
    """Read values of a protobuf enum from a list with commas."""
    prefix = kind.keys()[0].removesuffix("UNSPECIFIED")
    known = {name.removeprefix(prefix).lower(): kind.Value(name) for name in kind.keys()[1:]}
    names = [part.strip() for part in text.split(",")] if text else []
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{option} must be some of {', '.join(known)}, got {name!r}")
    return [known[name] for name in names]


def _read_sampler(text: str, option: str, into: "pb.SamplerOptions") -> None:
    """Read --structure and --slat."""
    from server.cli.asset_options import int32

    for part in text.split(",") if text else ():
        name, _, value = part.partition("=")
        try:
            match name.strip():
                case "steps":
                    into.steps = int32(int(value), option)
                case "guidance":
                    into.guidance_strength = float(value)
                case "rescale":
                    into.rescale_t = float(value)
                case "interval":
                    low, high = value.split(":")
                    into.guidance_interval.low = float(low)
                    into.guidance_interval.high = float(high)
                case _:
                    raise ValueError
        except ValueError as error:
            raise typer.BadParameter(
                f"{option} must be like steps=25,guidance=7.5,interval=0.5:1,rescale=3, "
                f"got {part!r}"
            ) from error


def _options(
    *,
    lods: str,
    parts: str,
    texture_size: int | None,
    atlas: Atlas | None,
    uv: Uv | None,
    lightmap: bool | None,
    profile: Profile | None,
    texture_format: TextureFormat | None,
    split: bool | None,
    files: str,
    pictures: str,
    collision: Collision | None,
    height: float | None,
    pivot: str,
    remesh: Remesh | None,
    impostor: bool | None,
    ambient_occlusion: bool | None,
    settings: list[str] | None,
) -> "pb.AssetOptions":
    """Write down what was asked; the server knows the defaults."""
    from server.cli.asset_options import int32, read_lods, read_parts, read_pivot, read_settings
    from server.pb import lodsmith_pb2 as pb

    options = pb.AssetOptions()
    if lods:
        read_lods(lods, options.lod)
    if parts:
        read_parts(parts, options.parts)
    if texture_size is not None:
        options.unwrap.texture_size = int32(texture_size, "--texture-size")
    if atlas is not None:
        options.unwrap.atlas = getattr(pb, f"ATLAS_{atlas.name}")
    if uv is not None:
        options.unwrap.uv = getattr(pb, f"UV_MODE_{uv.name}")
    if lightmap is not None:
        options.unwrap.lightmap = lightmap
    if profile is not None:
        options.export.profile = getattr(pb, f"EXPORT_PROFILE_{profile.name}")
    if texture_format is not None:
        options.export.texture_format = getattr(pb, f"TEXTURE_FORMAT_{texture_format.name}")
    if split is not None:
        options.export.split = split
    options.export.formats.extend(_listed(files, "--files", pb.FileFormat))
    options.pictures.more.extend(_listed(pictures, "--pictures", pb.PictureKind))
    if collision is not None:
        options.collision.mode = getattr(pb, f"COLLISION_MODE_{collision.name}")
    if height is not None:
        options.place.height_m = height
    if pivot:
        read_pivot(pivot, options.place)
    if remesh is not None:
        options.remesh.mode = getattr(pb, f"REMESH_MODE_{remesh.name}")
    if impostor is not None:
        options.lod.impostor = impostor
    if ambient_occlusion is not None:
        options.bake.ambient_occlusion = ambient_occlusion
    read_settings(settings or [], options)
    return options


def _checked_seed(seed: int) -> int:
    if seed >= 2**63:
        raise typer.BadParameter(f"--seed must be below 2^63, got {seed}")
    return seed
