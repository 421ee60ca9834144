"""What an agent is: its prompt, and what the front matter of that may say."""
