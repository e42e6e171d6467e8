"""The command line: click commands, one file each, and the one place that catches errors, prints and exits."""
