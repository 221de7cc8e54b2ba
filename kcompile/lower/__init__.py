"""Circuit to text for other tools: view models rendered through templates, columns streamed through them."""
