"""What a database says, as the numbers that kernels read: columns, steps, tables."""
