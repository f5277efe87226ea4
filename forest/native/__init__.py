"""What a C compiler builds at installation, where there is one: the walk through an ensemble, and its layout."""
