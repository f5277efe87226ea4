"""What browsers are given: the page at ``/``, the viewer of the API at ``/docs``, and the files that these load."""
