"""The verbs of the command line, one file per group: arguments in, one call into a room, a table or
JSON out."""
