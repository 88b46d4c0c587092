"""What the assets of every folder share: the deployment's chom.yaml."""

from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from chom_pipelines.inventory.loading import load_inventory
from chom_pipelines.inventory.models import Inventory


class Chom(dg.ConfigurableResource[Any]):
    """The configuration of this deployment. It names the file; the file names where secrets are.

    Every run reads it again, so that a change of a server's policy needs no reload. New servers and schedules do.
    """

    config: str = Field(description="The path of chom.yaml.")

    def inventory(self) -> Inventory:
        """What is in the file now; raises ConfigurationError."""
        return load_inventory(Path(self.config))
