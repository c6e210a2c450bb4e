"""Records in the order of training, as NumPy arrays."""
