"""What can be wrong with a request body."""


class InvalidBody(ValueError):
    """The body of a request cannot be predicted on; nothing of it may enter the queue."""


class MalformedJSON(InvalidBody):
    """The body is not JSON."""


class InvalidRow(InvalidBody):
    """The body is JSON, but not what the schema asks for.

    Attributes:
        path: JSONPath (RFC 9535) of the fault in the body, such as ``$.features[3]``; ``$`` is the body itself.
        reason: what is wrong there, in words for the person who wrote the request.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
