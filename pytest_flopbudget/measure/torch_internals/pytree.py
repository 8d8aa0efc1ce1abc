"""Nested containers of tensors; newer versions document the same functions, older ones do not."""

from torch.utils._pytree import tree_leaves, tree_map, tree_map_only

__all__ = ["tree_leaves", "tree_map", "tree_map_only"]
