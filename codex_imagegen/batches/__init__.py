"""Many pictures: jobs read and checked, a journal that survives a kill, and the runs that make each picture once."""
