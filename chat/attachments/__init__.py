"""What people attach: recognised by its content, read in a process of its own, named safely."""
