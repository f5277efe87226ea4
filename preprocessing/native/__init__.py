"""Rows straight from JSON into matrices: built at installation, where there is a C compiler."""
