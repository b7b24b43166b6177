"""What labelled pictures come in: a module a format, each from label files to `headstart.images.labelled.Entries`."""
