"""What whoever runs the command can put right."""


class InputError(ValueError):
    """Something given cannot be used: the message says what came, what was expected and the way out."""
