"""A card that was read out, as sentences for the desk and as data for programs."""

from datetime import date, timedelta

from hardware.cards.read_out import Belongs, ReadOut
from protocol.instants import BusinessDay, Month
from protocol.purse import PIN_TRIES_MAX, CardRead, Purse, SeenStep, Technology
from protocol.tokens import uid_text
from terminal.card_checks import Finding, step_may_be_cut
from terminal.views import Words, cents_text, class_text


def detected_lines(out: ReadOut, words: Words) -> tuple[str, ...]:
    """What it is and whose, without a word about money."""
    technology = words["technology.tag" if is_tag(out) else f"technology.{out.technology or 'unknown'}"]
    first = words["cards.chip"].format(technology=technology, uid=out.uid.hex().upper() or "-")
    if out.read is None:
        no_token = () if uid_text(out.uid) else (words["cards.uid_says_nothing"],)
        return first, words[f"cards.{out.belongs}"].format(why=out.why), *no_token
    who, pin = out.read.identity, words["cards.has_pin" if out.read.identity.pin_verifier else "cards.no_pin"]
    figures = {"card": who.card, "generation": who.generation, "card_class": class_text(who.card_class, words)}
    return first, words["cards.ours"].format(**figures, key_set=out.read.key_set, pin=pin)


def is_tag(out: ReadOut) -> bool:
    """Whether it is a token that says who it is: there is nothing more on it than that."""
    return out.technology is Technology.TOKEN and (out.read is not None or out.belongs is Belongs.UNREADABLE)


def report_lines(out: ReadOut, found: tuple[Finding, ...], words: Words) -> tuple[str, ...]:
    """Everything, and last what there is to object to."""
    lines = list(detected_lines(out, words))
    if out.read is not None:
        if out.read.purse is not None:
            lines += _purse_lines(out.read.purse, words)
        lines.append(_load_line(out.read, words))
        lines += [_step_line(out.read, place, step, words) for place, step in enumerate(out.read.last)]
        lines += [words[f"finding.{finding}"] for finding in found] or [words["cards.sound"]]
    return tuple(lines)


def detected_data(out: ReadOut) -> dict[str, object]:
    """The same for programs; amounts in cents, bytes in hexadecimal digits."""
    data: dict[str, object] = {"uid": out.uid.hex(), "technology": out.technology, "belongs": out.belongs}
    if out.belongs is not Belongs.OURS:
        data["why"] = out.why
    if out.read is not None:
        who = out.read.identity
        data |= {"card": who.card, "generation": who.generation, "card_class": int(who.card_class)}
        data |= {"key_set": out.read.key_set, "has_pin": bool(who.pin_verifier)}
    return data


def report_data(out: ReadOut, found: tuple[Finding, ...]) -> dict[str, object]:
    """Everything. `purse` is null where none is valid, `loaded` where nothing was loaded yet."""
    data, read = detected_data(out), out.read
    if read is None:
        return data
    return data | {
        "purse": _purse_data(read.purse) if read.purse else None,
        "slot": read.slot if read.technology is Technology.CLASSIC else None,
        "loaded": _loaded_data(read),
        "last": [_step_data(step) for step in read.last],
        "step_may_be_cut": step_may_be_cut(read),
        "findings": list(found),
    }


def day_text(day: BusinessDay) -> str:
    """A business day as a date."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def month_text(month: Month) -> str:
    """A month as year and month."""
    return f"{1970 + month // 12}-{month % 12 + 1:02}"


def _purse_lines(purse: Purse, words: Words) -> list[str]:
    main, subsidy = cents_text(purse.main_cents, words), cents_text(purse.subsidy_cents, words)
    figures = {"main": main, "subsidy": subsidy, "period": purse.period, "counter": purse.counter}
    lines, spent = [words["cards.purse"].format(**figures)], purse.spent
    if spent.day:
        lines.append(
            words["cards.spent"].format(
                day=day_text(spent.day),
                day_cents=cents_text(spent.day_cents, words),
                month=month_text(spent.month),
                month_cents=cents_text(spent.month_cents, words),
                meal=spent.meal,
                count=spent.meal_count,
            )
        )
    return [*lines, words["cards.pin_tries"].format(tries=purse.pin_tries, most=PIN_TRIES_MAX)]


def _load_line(read: CardRead, words: Words) -> str:
    if read.loaded is None:
        return words["cards.no_load"]
    record = read.loaded
    return words["cards.load"].format(
        load_seq=record.load_seq,
        total=cents_text(record.loaded_total_cents, words),
        subsidy=cents_text(record.subsidy_total_cents, words),
        period=record.period,
    )


def _step_line(read: CardRead, place: int, step: SeenStep, words: Words) -> str:
    figures = {"slot": place, "counter": step.counter, "tno": step.tno, "seq": step.seq}
    if read.technology is not Technology.CLASSIC:
        return words["cards.step"].format(**figures, amount=cents_text(step.amount, words))
    if not step.ok:
        return words["cards.slot_invalid"].format(slot=place)
    key = "cards.slot_in_force" if place == read.slot else "cards.slot"
    return words[key].format(**figures, main=cents_text(step.main, words), subsidy=cents_text(step.subsidy, words))


def _purse_data(purse: Purse) -> dict[str, object]:
    spent = purse.spent
    return {
        "counter": purse.counter,
        "main": purse.main_cents,
        "subsidy": purse.subsidy_cents,
        "period": purse.period,
        "load_seq": purse.load_seq,
        "pin_tries": purse.pin_tries,
        "mark": {"tno": purse.mark.tno, "seq": purse.mark.seq},
        "day": day_text(spent.day) if spent.day else None,
        "day_spent": spent.day_cents,
        "month": month_text(spent.month) if spent.month else None,
        "month_spent": spent.month_cents,
        "meal": spent.meal,
        "meal_count": spent.meal_count,
    }


def _loaded_data(read: CardRead) -> dict[str, object] | None:
    record = read.loaded
    if record is None:
        return None
    return {
        "load_seq": record.load_seq,
        "total": record.loaded_total_cents,
        "spent_known": record.spent_known_cents,
        "period": record.period,
        "subsidy_total": record.subsidy_total_cents,
        "signed": read.load is not None,
    }


def _step_data(step: SeenStep) -> dict[str, object]:
    return {
        "ok": bool(step.ok),
        "tno": step.tno,
        "seq": step.seq,
        "counter": step.counter,
        "main": step.main,
        "subsidy": step.subsidy,
        "amount": step.amount,
    }
