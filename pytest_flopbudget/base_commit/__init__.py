"""The commit that a branch starts from, and which budgets the branch raises against it."""
