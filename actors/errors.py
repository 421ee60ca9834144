"""The root of the coordinator's errors; each layer has its own below it."""


class CoordinatorError(Exception):
    """Something that the coordinator can name."""


class ConfigurationError(CoordinatorError):
    """A setting, a directory or a file of the user's that can't be used; nothing was started."""
