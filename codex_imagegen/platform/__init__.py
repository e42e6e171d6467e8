"""What differs between operating systems; no other room calls these functions of the system."""
