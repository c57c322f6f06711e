"""Pictures of props, sphere-traced from their fields."""

import math

import numpy as np

from pipeline.model.cameras import Camera
from pipeline.training.props import Prop
from pipeline.types import ByteArray, FloatArray

FITTED_RADIUS = 0.68  # the corners of the fullest props, at camera distance 2 for 40 degrees
MAX_STEPS = 64
HIT_DISTANCE = 1.5e-3
# Fields are bounds within about a quarter of the truth; a full step could pass a thin edge.
STEP_SHARE = 0.9
NORMAL_STEP = 4e-3
AMBIENT = 0.42
SAMPLES_PER_SIDE = 2


def _ray_starts(origin: FloatArray, rays: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where rays `[N, 3]` enter and leave the unit cube; entry > exit means they miss it."""
    with np.errstate(divide="ignore"):
        inverse = 1 / rays
    low, high = (-0.5 - origin) * inverse, (0.5 - origin) * inverse
    return np.minimum(low, high).max(axis=1), np.maximum(low, high).min(axis=1)


def _trace(
    prop: Prop, origin: FloatArray, rays: FloatArray
) -> tuple[FloatArray, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Distance along each ray `[N]` and whether it hit `[N]`."""
    along, leave = _ray_starts(origin, rays)
    along = np.maximum(along, 0)
    hit = np.zeros(len(rays), np.bool_)
    active = np.flatnonzero(along < leave)
    for _ in range(MAX_STEPS):
        if not len(active):
            break
        distance, _color = prop.field(origin + along[active, None] * rays[active])
        arrived = distance < HIT_DISTANCE
        hit[active[arrived]] = True
        along[active] += np.where(arrived, 0, np.maximum(distance * STEP_SHARE, HIT_DISTANCE / 2))
        active = active[~arrived & (along[active] < leave[active])]
    return along, hit


def _normals(prop: Prop, points: FloatArray) -> FloatArray:
    """Unit normals `[N, 3]` from four probes at the corners of a tetrahedron."""
    corners = np.asarray([(1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)], np.float32)
    probes = (points[None] + corners[:, None] * NORMAL_STEP).reshape(-1, 3)
    distance = prop.field(probes)[0].reshape(4, -1)
    normals: FloatArray = distance.T @ corners
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-8)
    return normals


def render_prop(
    prop: Prop, *, yaw_deg: float, pitch_deg: float, size_px: int = 112, fov_deg: float = 40.0
) -> ByteArray:
    """Draw a prop with a soft light from the upper left.

    Args:
        prop: What to draw.
        yaw_deg: Where the camera stands: 0 in front (at -Y), 90 at +X.
        pitch_deg: Its height over the horizon; positive looks down.
        size_px: Side of the picture, pixels.
        fov_deg: Field of view, both ways. The camera's distance follows from it.

    Returns:
        `[size_px, size_px, 4]` uint8 sRGB with straight alpha, background transparent black.
    """
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    away = np.asarray(
        (math.sin(yaw) * math.cos(pitch), -math.cos(yaw) * math.cos(pitch), math.sin(pitch)),
        np.float32,
    )
    right = np.asarray((math.cos(yaw), math.sin(yaw), 0), np.float32)
    up = np.cross(away, right).astype(np.float32)
    origin = away * np.float32(FITTED_RADIUS / math.sin(math.radians(fov_deg) / 2))

    reach = math.tan(math.radians(fov_deg) / 2)
    rays = _rays(np.stack([right, -up, -away]), reach, size_px)
    along, hit = _trace(prop, origin, rays)
    points = origin + along[hit, None] * rays[hit]
    light = -0.5 * right + 0.75 * up + 0.55 * away
    light /= np.linalg.norm(light)
    lit = np.maximum(_normals(prop, points) @ light, 0)[:, None]

    samples = np.zeros((len(rays), 4), np.float32)
    samples[hit, :3] = prop.field(points)[1] * np.minimum(AMBIENT + 0.72 * lit, 1.08)
    samples[hit, 3] = 1
    mean = _mean_of_samples(samples, size_px)
    mean[..., :3] /= np.maximum(mean[..., 3:], 1e-6)
    picture: ByteArray = (np.clip(mean, 0, 1) * 255 + 0.5).astype(np.uint8)
    return picture


def render_base_color(prop: Prop, camera: Camera, size_px: int) -> FloatArray:
    """Draw a prop without light: what a decoder of colors is to reproduce.

    Args:
        prop: What to draw.
        camera: Outside the prop.
        size_px: Side of the picture, pixels.

    Returns:
        `[size_px, size_px, 4]` float32 sRGB times alpha, then alpha.
    """
    reach = math.tan(math.radians(camera.fov_deg) / 2)
    rays = _rays(camera.rotation, reach, size_px)
    along, hit = _trace(prop, camera.position, rays)
    samples = np.zeros((len(rays), 4), np.float32)
    samples[hit, :3] = prop.field(camera.position + along[hit, None] * rays[hit])[1]
    samples[hit, 3] = 1
    return _mean_of_samples(samples, size_px)


def _rays(axes: FloatArray, reach: float, size_px: int) -> FloatArray:
    """Unit directions `[N, 3]` of all samples of a picture, row after row.

    Args:
        axes: `[3, 3]` right, down and forward of the camera.
        reach: Half the picture's side at distance 1.
        size_px: Side of the picture.
    """
    side = size_px * SAMPLES_PER_SIDE
    offsets = (((np.arange(side) + 0.5) / side * 2 - 1) * reach).astype(np.float32)
    u, v = np.meshgrid(offsets, offsets)
    rays: FloatArray = (axes[2] + u[..., None] * axes[0] + v[..., None] * axes[1]).reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    return rays


def _mean_of_samples(samples: FloatArray, size_px: int) -> FloatArray:
    """`[N, 4]` samples, row after row -> `[size_px, size_px, 4]`."""
    per_pixel = samples.reshape(size_px, SAMPLES_PER_SIDE, size_px, SAMPLES_PER_SIDE, 4)
    mean: FloatArray = per_pixel.mean(axis=(1, 3))
    return mean
