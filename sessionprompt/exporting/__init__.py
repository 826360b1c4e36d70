"""Trained networks as ONNX files, which serve without torch."""

from __future__ import annotations

from .onnx import export_onnx

__all__ = ["export_onnx"]
