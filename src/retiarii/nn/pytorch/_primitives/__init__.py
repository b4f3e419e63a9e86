"""The choices that users write into models."""
