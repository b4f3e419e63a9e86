"""Which points of a curve a figure shows: at most about two thousand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MAX_POINTS = 2000


def kept_points(values: npt.NDArray[np.float64], most: int = MAX_POINTS) -> npt.NDArray[np.intp]:
    """Return the positions of the points that show a curve of evenly spaced values, in order.

    The curve is cut into parts of equal length, of which the first, last, smallest and largest values are kept ("M4":
    Jugel et al., 2014, VLDB 7(10), section 4.2). So the ends and the extremes of the whole curve are kept, and a
    drawing that is at most ``most / 4`` pixels wide does not differ from that of all points. Gaps (NaN) are kept as
    gaps where a part has nothing else.

    Args:
        values: The values, which may be NaN.
        most: The maximum number of points, at least 4; a curve with at most that many is kept whole.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    starts = np.linspace(0, count, max(most // 4, 1) + 1).astype(np.intp)[:-1]
    ends = np.append(starts[1:], count) - 1
    return np.unique(np.concatenate([starts, ends, _lowest(values, starts), _lowest(-values, starts)]))


def _lowest(values: npt.NDArray[np.float64], starts: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return for each part the position of its smallest value; that of any where all are NaN."""
    filled = np.where(np.isnan(values), np.inf, values)
    lowest = np.minimum.reduceat(filled, starts)
    part = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(values))))
    hits = np.flatnonzero(filled == lowest[part])
    _, first = np.unique(part[hits], return_index=True)
    return hits[first]


def kept_steps(values: npt.NDArray[np.float64], most: int = MAX_POINTS) -> npt.NDArray[np.intp]:
    """Return the positions at which a step line changes, and its last one.

    This is exact: the line through these positions is the line through all. Only a line with more than ``most``
    changes, such as one that improves with every trial, is thinned further, by `kept_points`.

    Args:
        values: The values; NaN before the first one that counts.
        most: The maximum number of positions.
    """
    if not len(values):
        return np.arange(0)
    before = np.concatenate([[np.nan], values[:-1]])
    is_change = (values != before) & ~np.isnan(values)
    is_change[-1] = not np.isnan(values[-1])
    changes = np.flatnonzero(is_change)
    return changes[kept_points(values[changes], most)]


def kept_scatter(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], most: int = MAX_POINTS
) -> npt.NDArray[np.intp]:
    """Return the positions of the points that show a cloud, in order.

    The extremes of both axes are kept; of each part of the points, taken from left to right, the lowest and the highest
    one and, in between, evenly spaced ones, so that both the outline and the density remain visible.

    Args:
        x: Horizontal positions.
        y: Vertical positions, without NaN.
        most: The maximum number of points, at least 8.
    """
    if len(x) <= most:
        return np.arange(len(x))
    by_x = np.argsort(x, kind="stable")
    outline = by_x[kept_points(y[by_x], most // 2)]
    spread = by_x[np.linspace(0, len(x) - 1, most - most // 2).astype(np.intp)]
    return np.unique(np.concatenate([outline, spread]))
