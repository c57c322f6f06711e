"""What a configuration says of the worker processes."""

from pipeline import LoadOptions
from pipeline.model.kernel_options import KernelOptions
from server.config import ServerConfig
from server.engine import WorkerKind
from server.engine.local import Crew
from server.engine.messages import WorkerSettings


def crews_of(config: ServerConfig) -> dict[WorkerKind, Crew]:
    """Return the workers of each kind."""

    def settings(kind: WorkerKind, memory_limit_bytes: int) -> WorkerSettings:
        return WorkerSettings(
            kind=kind,
            pipe=-1,
            store=str(config.data_dir / "artifacts"),
            pipeline=config.pipeline,
            load=load_options(config),
            memory_limit_bytes=memory_limit_bytes,
            max_mesh_triangles=config.max_mesh_triangles,
            log_level=config.log_level,
        )

    return {
        WorkerKind.GENERATOR: Crew(
            task_count=config.generator_workers,
            spare_count=0,
            is_warm=config.warm_generator,
            grace_s=config.generator_grace_s,
            settings=settings(WorkerKind.GENERATOR, config.generator_memory_bytes),
        ),
        WorkerKind.MESH: Crew(
            task_count=config.mesh_workers,
            spare_count=config.spare_mesh_workers,
            is_warm=True,
            grace_s=config.mesh_grace_s,
            settings=settings(WorkerKind.MESH, config.mesh_memory_bytes),
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
