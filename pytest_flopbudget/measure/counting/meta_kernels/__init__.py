"""Meta kernels: the shape, strides and dtype of an operator's result, without its values."""
