"""Drawings of networks: boxes and arrows, their places, JSON and SVG. It knows neither networks nor torch.

A `Scene` says what is to be drawn; `lay_out` gives everything a place; a `Drawing` is the result as plain data, which
experiments store and the dashboard reads; `svg_of` writes it as SVG, if wanted with the parts marked that an
architecture uses. `retiarii.graph` makes scenes of graphs.
"""

from retiarii.drawing.drawings import MAX_BOXES, Drawing, DrawnArrow, DrawnBox, NodeCost
from retiarii.drawing.layered_layout import lay_out
from retiarii.drawing.scenes import (
    ADDED,
    ARROW_COLOURS,
    CHANGED,
    REMOVED,
    SAME,
    Arrow,
    Box,
    Scene,
    Selector,
)
from retiarii.drawing.svg import svg_of

__all__ = [
    "ADDED",
    "ARROW_COLOURS",
    "CHANGED",
    "MAX_BOXES",
    "REMOVED",
    "SAME",
    "Arrow",
    "Box",
    "Drawing",
    "DrawnArrow",
    "DrawnBox",
    "NodeCost",
    "Scene",
    "Selector",
    "lay_out",
    "svg_of",
]
