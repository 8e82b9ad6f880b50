"""What can go wrong, and whether trying again helps. One table: the class says the HTTP status and the advice."""


class Fatal(Exception):
    """The start must stop. The message says what happened, whether trying again helps, and what to do."""


class Problem(Exception):
    """Something a caller can be told. The message says what happened and what to do about it."""

    status = 500
    title = "Something went wrong on our side"
    again = False


class Unreadable(Problem):
    status, title = 400, "The body can't be read"


class NotUnderstood(Problem):
    """Readable, but of a kind we do not know: the sender is told 202, the body waits in quarantine."""

    status, title = 202, "Not understood"


class Forged(Problem):
    status, title = 401, "The secret is missing or wrong"


class Forbidden(Problem):
    status, title = 403, "Not allowed"


class Unknown(Problem):
    status, title = 404, "Not found"


class WrongMethod(Problem):
    status, title = 405, "This address does not take that method"


class Conflict(Problem):
    status, title = 409, "That is not possible now"


class TooLarge(Problem):
    status, title = 413, "The body is too large"


class WrongMedia(Problem):
    status, title = 415, "This kind of body is not taken"


class Invalid(Problem):
    status, title = 400, "The request does not fit"


class TooMany(Problem):
    status, title, again = 429, "Too many tries", True


class Away(Problem):
    """The store can't take it now (Redis away, disk full, WAIT unmet). Nothing was lost that was acknowledged."""

    status, title, again = 503, "The store is away, try again shortly", True
    retry_after = 2  # seconds
