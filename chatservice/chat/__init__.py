"""What a chat is: names, rooms and lines, with no I/O."""
