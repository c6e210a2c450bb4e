"""The encoder, its heads, and its weights in every format that is read or written."""
