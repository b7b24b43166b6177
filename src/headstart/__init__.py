"""headstart: from a folder of pictures to a classifier you can trust."""
