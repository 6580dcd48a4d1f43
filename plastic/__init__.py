"""plastic: neural networks that change their own wiring while they learn."""

__version__ = "0.1.0"
