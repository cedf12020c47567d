"""What doctor looks at, a module for each kind; each gives lines that say what is wrong and how to mend it."""
