"""Other people's importers on our files: what they find, beside what we promise.

None is needed at run time, and none is part of Lodsmith.
"""
