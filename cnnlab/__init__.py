"""Convolutional networks in JAX and Flax."""

# pyproject.toml reads it here
__version__ = '0.1.0'
