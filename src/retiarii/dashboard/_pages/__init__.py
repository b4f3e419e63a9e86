"""The pages, one file each, in a common frame."""
