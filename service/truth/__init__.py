"""What was answered is kept, and judged once it is known what was true."""
