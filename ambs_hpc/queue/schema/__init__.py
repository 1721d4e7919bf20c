"""What is stored: tables, views, and the migrations that make them."""
