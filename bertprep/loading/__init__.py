"""Records in training order, as NumPy arrays; independent of any framework.

`order` computes which record comes at which position of an epoch; `windows` reads those records.
"""
