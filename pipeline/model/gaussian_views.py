"""Gaussians -> pictures from all sides, for a surface to take its colors from."""

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, ThreadPoolExecutor, wait

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.model.cameras import Camera, sphere_views
from pipeline.model.gaussian_renderer import render
from pipeline.model.gaussians import Gaussians
from pipeline.types import ByteArray, View

VIEW_COUNT = 32
SIZE_PX = 640
_DISTANCE = 2.0  # sides of the unit cube, as in the pictures that the decoders were trained with
_LARGEST_RADIUS = 0.9  # the unit cube and a little more: one huge Gaussian must not shrink all
_SIGMAS = 3.0  # how far a Gaussian can be seen
_LEAST_ALPHA = 0.05  # of less, the color is mostly rounding
_MOST_THREADS = 4  # 640,000 Gaussians need 0.6 GB each
_POLL_S = 0.1


def gaussian_views(
    gaussians: Gaussians,
    to_space: NDArray[np.float64],
    *,
    filter_2d: float,
    report: Callable[[float], None],
    count: int = VIEW_COUNT,
    size_px: int = SIZE_PX,
) -> tuple[View, ...]:
    """Draw Gaussians from points spread evenly around the unit cube, so that they just fit in.

    Args:
        gaussians: What to draw, at least one; all numbers finite.
        to_space: `[4, 4]`, from the unit cube, where Z is up, to where the surface lies.
        filter_2d: As the decoder was trained with, pixels squared.
        report: Is told again and again which share is done; may raise.
        count: How many pictures.
        size_px: Side of the square pictures, of which the empty border is cut off.
    """
    reach = gaussians.positions.square().sum(1).sqrt() + _SIGMAS * gaussians.scales.amax(1)
    radius = min(float(reach.max()), _LARGEST_RADIUS)
    fov_deg = 2 * math.degrees(math.asin(radius / _DISTANCE))
    cameras = sphere_views(count, distance=_DISTANCE, fov_deg=fov_deg)
    from_space = np.linalg.inv(to_space)

    @torch.no_grad()  # here, because each thread has its own switch
    def draw(camera: Camera, check: Callable[[float], None]) -> View:
        picture = render(gaussians, camera, size_px=size_px, filter_2d=filter_2d, report=check)
        pixels = _pixels(picture.color.cpu().numpy(), picture.alpha.cpu().numpy())
        rows, columns = _span(pixels[:, :, 3].max(axis=1)), _span(pixels[:, :, 3].max(axis=0))
        projection = _projection(camera, size_px)
        projection[0] -= columns.start * projection[2]
        projection[1] -= rows.start * projection[2]
        cut = np.ascontiguousarray(pixels[rows, columns])
        return View(pixels=cut, projection=projection @ from_space)

    return _side_by_side(draw, cameras, report, on_cpu=gaussians.positions.device.type == "cpu")


def _side_by_side(
    draw: Callable[[Camera, Callable[[float], None]], View],
    cameras: Sequence[Camera],
    report: Callable[[float], None],
    *,
    on_cpu: bool,
) -> tuple[View, ...]:
    """Draw from all cameras: on a CPU several pictures at a time, each on one thread.

    Threads that share one picture wait for each other at every small step: ten times as long where
    others use the machine, too.
    """
    is_stopped = threading.Event()

    def check(_share: float) -> None:
        if is_stopped.is_set():
            raise CancelledError

    threads = torch.get_num_threads()
    try:
        if on_cpu:
            torch.set_num_threads(1)
        with ThreadPoolExecutor(min(threads, _MOST_THREADS) if on_cpu else 1) as pool:
            drawn = [pool.submit(draw, camera, check) for camera in cameras]
            try:
                pending = set(drawn)
                while pending:
                    report(1 - len(pending) / len(drawn))
                    finished, pending = wait(pending, _POLL_S, return_when=FIRST_COMPLETED)
                    for one in finished:
                        one.result()  # raises what went wrong
            finally:
                is_stopped.set()
                pool.shutdown(cancel_futures=True)
    finally:
        torch.set_num_threads(threads)
    report(1.0)
    return tuple(one.result() for one in drawn)


def _pixels(over_black: NDArray[np.float32], alpha: NDArray[np.float32]) -> ByteArray:
    is_seen = alpha >= _LEAST_ALPHA
    straight = over_black / np.where(is_seen, alpha, 1)[:, :, None]
    rgba = np.concatenate([straight, alpha[:, :, None]], axis=2) * is_seen[:, :, None]
    rounded: ByteArray = (np.clip(rgba, 0, 1) * 255 + 0.5).astype(np.uint8)
    return rounded


def _span(alpha: ByteArray) -> slice:
    """From one before the first that is not empty to one after the last; at least one."""
    used = np.flatnonzero(alpha)
    if not len(used):
        return slice(0, 1)
    return slice(max(int(used[0]) - 1, 0), int(used[-1]) + 2)


def _projection(camera: Camera, size_px: int) -> NDArray[np.float64]:
    """As `View.projection`, from the unit cube."""
    focal, middle = camera.focal_px(size_px), size_px / 2
    to_pixels = np.array([(focal, 0, middle), (0, focal, middle), (0, 0, 1)])
    rotation = camera.rotation.astype(np.float64)
    offset = -rotation @ camera.position.astype(np.float64)
    return to_pixels @ np.column_stack([rotation, offset])
