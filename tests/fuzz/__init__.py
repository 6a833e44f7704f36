"""Inputs that nobody would write: what reads files and sockets answers all of them, each within bounds."""
