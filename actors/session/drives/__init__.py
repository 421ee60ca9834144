"""Drives: one package for each kind of program that an agent may run."""
