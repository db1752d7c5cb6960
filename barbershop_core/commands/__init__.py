"""The command line, one file a group of commands.

``add(commands)`` of a group adds its parsers.  Each of them sets ``run``, the function that carries the
command out: ``run(options, console)`` returns an exit code or None.  Parsing imports neither PyTorch nor
NumPy.
"""
