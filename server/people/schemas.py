"""Persons as the API takes and shows them."""

from server.fields import CardClassNumber, Form, Instant, View, Words


class PersonForm(Form):
    """A person's particulars."""

    name: Words
    card_class: CardClassNumber


class PersonView(View):
    """A person."""

    id: str
    name: str
    card_class: int
    created_at: Instant
