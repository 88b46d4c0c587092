"""What every model of something that is kept has in common."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Is not changed once it is made, and refuses a name that it does not know.

    Its validator is built when one is first read or made: a command that keeps few kinds starts sooner.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)
