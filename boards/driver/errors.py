"""What can be wrong with a board and with the way to it."""


class DeviceError(RuntimeError):
    """The board cannot be reached, or does not answer as it must; one line, with what helps."""


class WrongBitstream(ValueError):
    """The board answers and holds another network than the one that is asked for."""
