"""What a configuration says of the worker processes."""

from pipeline import LoadOptions
from pipeline.model.kernel_options import KernelOptions
from pipeline.preprocess import MAX_PIXELS
from server.config import ServerConfig
from server.engine import WorkerKind
from server.engine.devices import generator_devices
from server.engine.limits import WorkerLimits
from server.engine.local import Crew
from server.engine.messages import WorkerSettings
from server.engine.process import Wear
from server.engine.watchdog import StallRule


def crews_of(config: ServerConfig) -> dict[WorkerKind, Crew]:
    """Return the workers of each kind."""

    def settings(kind: WorkerKind, memory_bytes: int, task_cpu_s: float = 0.0) -> WorkerSettings:
        return WorkerSettings(
            kind=kind,
            pipe=-1,
            stacks=-1,
            store=str(config.data_dir / "artifacts"),
            pipeline=config.pipeline,
            load=load_options(config),
            limits=WorkerLimits(
                memory_bytes=memory_bytes, task_cpu_s=task_cpu_s, image_pixels=MAX_PIXELS
            ),
            max_mesh_triangles=config.max_mesh_triangles,
            log_level=config.log_level,
            log_format=config.log_format,
        )

    wear = Wear(max_tasks=config.worker_max_tasks, max_growth_bytes=config.worker_max_growth_bytes)
    stall = StallRule(min_s=config.stall_min_s, factor=config.stall_factor)
    devices = generator_devices(config.device, config.generator_workers)
    return {
        WorkerKind.GENERATOR: Crew(
            task_count=len(devices),
            spare_count=0,
            devices=devices,
            is_warm=config.warm_generator,
            grace_s=config.generator_grace_s,
            wear=wear,
            stall=stall,
            settings=settings(WorkerKind.GENERATOR, config.generator_memory_bytes),
        ),
        WorkerKind.MESH: Crew(
            task_count=config.mesh_workers,
            spare_count=config.spare_mesh_workers,
            is_warm=True,
            grace_s=config.mesh_grace_s,
            wear=wear,
            stall=stall,
            settings=settings(WorkerKind.MESH, config.mesh_memory_bytes, config.mesh_cpu_s),
        ),
    }


def load_options(config: ServerConfig) -> LoadOptions:
    """Return what a generator loads and where it runs."""
    return LoadOptions(
        models=config.models,
        home=str(config.models_dir),
        device=config.device,
        kernels=KernelOptions(
            attention=config.attention,
            sparse_convolution=config.sparse_convolution,
            precision=config.precision,
        ),
        offload=config.offload,
    )
