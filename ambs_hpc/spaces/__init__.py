"""Spaces of architectures: layers and cells as conditional parameters, beside ordinary ones."""

from ambs_hpc.spaces.architecture import Architecture
from ambs_hpc.spaces.blocks import Cell, EdgeCell, Layers
from ambs_hpc.spaces.graph import CellGraph, EdgeGraph

__all__ = ["Architecture", "Cell", "CellGraph", "EdgeCell", "EdgeGraph", "Layers"]
