"""What slots were used for, and why they are idle."""
