"""One ASGI application: a model answers over HTTP."""
