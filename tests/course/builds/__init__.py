"""Sample solutions to the course's programming exercises, to test the judges: right and wrong ones.

Each module has a function ``right`` that makes a right solution, and a table ``wrong``. The table
maps a function that makes a wrong solution to text that the judge's verdict must contain. ``judge``
is the judge of that exercise.
"""
