"""The one-shot strategies that users construct: their options, and which search each starts."""
