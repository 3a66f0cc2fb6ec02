"""Parts have the ids that CIHP gives them."""

from discreet.data.people.parts import Part
from discreet.labels import CIHP


def test_every_part_has_the_name_and_the_id_of_cihp() -> None:
    spelt = [name.replace("-", "").lower() for name in CIHP.names]
    assert [part.name.replace("_", "").lower() for part in Part] == spelt
    assert list(Part) == list(range(len(CIHP)))
