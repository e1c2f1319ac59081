"""Faults that a soak draws by their weights: how a row lists its own.

    FAULTS = Faults()

    @FAULTS.of_weight(3)
    def the_shipper_is_stopped(soak, dice):
        ...
"""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Fault:
    name: str
    weight: int
    act: Callable  # of the soak and its dice


class Faults(list):
    def of_weight(self, weight):
        def add(function):
            self.append(Fault(function.__name__, weight, function))
            return function
        return add
