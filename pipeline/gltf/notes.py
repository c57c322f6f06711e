"""What a reader changed or left out of a glTF file."""


class Notes:
    """What was changed or left out, and at which places: one warning each in the end."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def add(self, what: str, place: str) -> None:
        self._places.setdefault(what, []).append(place)

    def warnings(self) -> list[str]:
        """Return one sentence per kind, naming the first three places."""
        return [
            f"{what}: {', '.join(places[:3])}"
            + (f" and {len(places) - 3:,} more" if len(places) > 3 else "")
            for what, places in self._places.items()
        ]
