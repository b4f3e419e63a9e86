"""Spaces of transformers: AutoFormer for images, a decoder for text."""
