"""Import of ChatGPT's data export."""
