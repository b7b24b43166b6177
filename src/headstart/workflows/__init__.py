"""One module for each thing a person asks for; the command line and Python call the same."""
