"""Downloads of published files: resumed, checked, over https only."""
