"""One module per API of the sandbox; `world.py` says what a module must have. Every module here is served."""
