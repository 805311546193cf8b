// Lets a folder be an object library before it has sources of its own.
