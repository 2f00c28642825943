"""The bugs that the simulation must catch, each a patch of one shipping file and the sentence of the rule it breaks.

Plain data: `runner.py` plants them in a copy. `text` must stand in `file` exactly once. One is planted in the
simulated server: it stands in for the transaction of `server/ingest/service.py`, which the simulation does not run.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted bug. `quick`: among those that every change is tested with."""

    name: str
    rule: str
    file: str
    text: str
    planted: str
    quick: bool = False


_LINK = (
    Mutant(
        "ack before commit",
        "the ack leaves after the commit",
        "tests/simulation/server.py",
        """\
            self.kept = before
            self.crash("before the commit")
""",
        """\
            if not isinstance(reply, Ask):
                told = Ack(self.kept.server_epoch, chain.tid, chain.epoch, reply.tip.seq, reply.tip.prev, self.now)
                till.line.send(lambda: till.link.take_ack(sign(told, SERVER_KEY)), upwards=False)
            self.kept = before
            self.crash("before the commit")
""",
    ),
    Mutant(
        "ack what is not kept",
        "an ack is only ever for committed rows; beyond the tip the server asks",
        "server/ingest/rules.py",
        '            return Ask(want, "entries are missing before this batch")',
        "            return Ack(Tip(read[-1].seq, read[-1].hash))",
    ),
    Mutant(
        "trust PUBACK",
        "only the server's signed ack says that an entry is safe; PUBACK is not a commit",
        "protocol/sync_sender.py",
        "replace(sender, sent=last, batches=(*sender.batches, last), deadline_ms=deadline)",
        "replace(sender, sent=last, held=last, acked=max(sender.acked, last), deadline_ms=deadline)",
    ),
    Mutant(
        "no dedupe",
        "duplicates are normal: an entry that is held already changes nothing",
        "protocol/sync_receiver.py",
        "        (index for index, sealed in enumerate(batch) if held.hash_at(branch, sealed.seq) != sealed.hash), "
        "len(batch)\n",
        "        (index for index, sealed in enumerate(batch)), len(batch)\n",
        quick=True,
    ),
    Mutant(
        "accept gaps",
        "entries beyond the tip are asked for from the tip on, never taken with a gap before them",
        "protocol/sync_receiver.py",
        "        return Gap(_where_to_ask(batch[0].seq, held))",
        "        return Continues(held.branches[0], batch, 0)",
        quick=True,
    ),
    Mutant(
        "forks dropped",
        "another history of a chain is kept and posted as a whole branch",
        "server/ingest/rules.py",
        "            book.open_chain_fork(tno, number, after)\n            return _keep(book, chain, branch, new, now)",
        "            del chain.branches[number]\n            return Ack(Tip(read[-1].seq, read[-1].hash))",
    ),
    Mutant(
        "no new epoch",
        "a terminal that does not hold exactly the server's row stops and asks for a new epoch",
        "protocol/sync_sender.py",
        "    if not event.is_own_row:\n",
        "    if False:\n",
    ),
    Mutant(
        "no server epoch",
        "a restored server's lists are newer than all it forgot",
        "protocol/messages.py",
        "    return (server_epoch << 32) | number",
        "    return number % 10_000",
    ),
    Mutant(
        "no leap of load_seq",
        "a restored server moves load_seq far past what it forgot",
        "server/numbers.py",
        "RESTORE_LOAD_LEAP = 64",
        "RESTORE_LOAD_LEAP = 0",
    ),
)

_COUNTER = (
    Mutant(
        "close without debiting",
        "everything is taken off a card that is handed in",
        "terminal/hand_in.py",
        "        **figures_of(read, main_cents=-main, subsidy_cents=-subsidy),\n",
        "        **figures_of(read),\n",
    ),
    Mutant(
        "OK before commit",
        "OK is only said once the outcome is on disk",
        "terminal/outcome.py",
        "    return replace(desk, phase=Settling(found, stage, then or done, hand_over)), (AppendEntry(kind, body),)",
        "    from terminal.effects import HandOver\n\n    early = (HandOver(done.receipt),) if hand_over else ()\n"
        "    desk = replace(desk, phase=Settling(found, stage, then or done, False))\n"
        "    return desk, (*early, AppendEntry(kind, body))",
        quick=True,
    ),
    Mutant(
        "card written first",
        "the intention is on disk before the card is touched",
        "terminal/shell.py",
        """\
            case AppendEntry(kind, body):
                sealed = await self.append(kind, body)
                return EntryStored(kind, sealed.seq, self._now())
            case WriteCard(change):
                return await self._write(change)
""",
        """\
            case AppendEntry(kind, body):
                if isinstance(self.desk.phase, Preparing):
                    mark = Mark(self._post.tno, Seq(self._journal.tip.seq + 1))
                    self._early = await self._write(self.desk.phase.draft.change(mark))
                sealed = await self.append(kind, body)
                return EntryStored(kind, sealed.seq, self._now())
            case WriteCard():
                return self._early
""",
    ),
    Mutant(
        "one tap charged twice",
        "a card that never left the reader is no new tap",
        "terminal/sale.py",
        "    if not charged.was_gone:\n        return desk, ()\n",
        "",
    ),
    Mutant(
        "hand over at any time",
        "goods are handed over only within ten minutes",
        "terminal/step_draft.py",
        "        return elapsed_ms(self.prepared_at, now, same_boot=True) > HAND_OVER_MS",
        "        return False",
    ),
    Mutant(
        "open steps forgotten",
        "after a stop a prepared sale without outcome is open again",
        "terminal/wake.py",
        "        opens=tuple(kept),",
        "        opens=(),",
    ),
    Mutant(
        "last sale forgotten",
        "after a stop the sale settled last is shown as paid, perhaps not handed over",
        "terminal/wake.py",
        "        unconfirmed=_perhaps_not_handed_over(found.last, now),",
        "        unconfirmed=None,",
    ),
    Mutant(
        "recovery charges too",
        "a tap that resolves an earlier sale charges nothing else",
        "terminal/sale.py",
        "        earlier = None if same_tap or found.operation is not Operation.SALE else PaidEarlier(paid, then)",
        "        earlier = AwaitingCard(then) if then else None",
    ),
    Mutant(
        "foreign mark is ours",
        "a step is made only if the card shows its own mark at its counter",
        "protocol/purse.py",
        "    return Outcome.NOT_WRITTEN if at_counter else Outcome.UNKNOWN",
        "    return Outcome.WRITTEN if at_counter else Outcome.UNKNOWN",
    ),
    Mutant(
        "torn PIN try left alone",
        "a torn PIN try is made definite at the card's next tap",
        "terminal/sale.py",
        "(found for found in (*desk.opens, *desk.pin_tries) if found.card == present)",
        "(found for found in desk.opens if found.card == present)",
    ),
    Mutant(
        "refund twice",
        "no more is given back than is left of the sale",
        "terminal/derived.py",
        "            self.sold[body.of] = Sold(sold.seq, sold.card, sold.merchant, sold.day, *left)",
        "            assert left",
    ),
    Mutant(
        "cash in without end",
        "what a station takes in for top-ups is bounded until the server has acknowledged it",
        "terminal/derived.py",
        "            self.topups[sealed.seq] = body.amount\n",
        "",
    ),
    Mutant(
        "load twice",
        "a load adds the difference between the list's total and the card's",
        "terminal/load.py",
        "    main = record.loaded_total_cents - on_card.loaded_total_cents",
        "    main = record.loaded_total_cents",
    ),
    Mutant(
        "float money",
        "money is an integer number of cents",
        "protocol/pricing.py",
        "    total = Cents(sum(line.net_cents for line in lines))",
        "    total = Cents(int(sum(line.net_cents / 100 for line in lines) * 100))",
        quick=True,
    ),
    Mutant(
        "floor ignored",
        "below its floor a card goes to the card office",
        "protocol/authorise.py",
        "    if read.purse.counter < standing.counter_floor or read.purse.load_seq < standing.load_floor:",
        "    if False:",
    ),
)

_CARD = (
    Mutant(
        "same slot",
        "a step writes the slot that is not in force",
        "protocol/purse_classic.py",
        "    spare = 1 - before.slot\n    writes",
        "    spare = before.slot\n    writes",
        quick=True,
    ),
    Mutant(
        "mark after the commit",
        "a step's mark is part of the one atomic write",
        "protocol/purse_desfire.py",
        "    steps.append(LogWrite(encode_log(after.mark, change.amount_cents, after.counter)))\n"
        "    return (*steps, Commit())",
        "    mark = LogWrite(encode_log(after.mark, change.amount_cents, after.counter))\n"
        "    return (*steps, Commit(), mark, Commit())",
    ),
    Mutant(
        "weak slot believed",
        "nothing is decided from one read of a torn slot",
        "protocol/purse_classic.py",
        "        return FirmPlan(outcome, (*reversed(copy), *again))",
        "        return FirmPlan(outcome, ())",
    ),
)

_BOOKS = (
    Mutant(
        "open step decided",
        "the server never resolves an open sale, whatever other taps show",
        "server/ingest/book.py",
        "        given_up = self.stage is Stage.TORN or (self.lost and self.stage is Stage.PREPARED)",
        "        given_up = self.stage in (Stage.TORN, Stage.PREPARED)",
    ),
    Mutant(
        "foreign torn sale settled",
        "proof is only a step that builds on that very counter with that very mark",
        "server/ingest/steps.py",
        "    return Resolution.ON_CARD if _is_mark_of(seen, torn) else Resolution.NOT_ON_CARD",
        "    return Resolution.ON_CARD",
    ),
    Mutant(
        "torn sale pays the merchant",
        "debited and not delivered: the merchant gets nothing, the holder pending credit",
        "server/ledger/rules.py",
        "            return balanced(*_purse_legs(step), *_owed(step, share_of(step, step.amount)))",
        "            return balanced(*_purse_legs(step), (merchant(step.merchant), step.amount))",
    ),
    Mutant(
        "clone unnoticed",
        "a second settled use of a counter is a fork",
        "server/ingest/steps.py",
        "    if all(_is_unconfirmed(other) for other in others):",
        "    if True:",
    ),
    Mutant(
        "uncollected counted as spent",
        "spent is only what a card has collected and shows no more: its record covers its balance",
        "server/ingest/posting.py",
        "        spent = card.collected_cents - body.main",
        "        spent = card.loaded_total_cents - body.main",
    ),
    Mutant(
        "pending granted again",
        "what a card has been promised and not collected is not granted again",
        "server/cards/rules.py",
        "    return Cents(max(0, pending_cents - uncollected(promised(plastics))))",
        "    return Cents(max(0, pending_cents))",
    ),
    Mutant(
        "second history believed",
        "what no card proves of a second history waits for two people",
        "server/ingest/rights.py",
        '    return UNPROVEN if branch and (of_token or isinstance(body, _NEEDS_PROOF)) else ""',
        '    return ""',
    ),
    Mutant(
        "rest released at once",
        "the rest of a replaced card waits until every terminal has reported",
        "server/cards/rules.py",
        "    return not any(is_silent(report, plastic.closed_at) for report in reports)",
        "    return True",
    ),
    Mutant(
        "late cash put back",
        "cash that is told after the count lay in what was counted",
        "server/ingest/shifts.py",
        "    if book.shifts.get((chain.tno, shift)) is ShiftStatus.CLOSED:",
        "    if False:",
    ),
)

_HOLD = "HOLD_MS = 10 * MINUTE_MS\n"
_PHONES = (
    Mutant(
        "old pay codes",
        "a pay code is good for a minute",
        "protocol/pay_codes.py",
        "    return Refusal.CODE_EXPIRED if max(now.utc_ms, vouched) - made_at(proof) > VALID_MS else None",
        "    return None",
    ),
    Mutant(
        "pay codes without a clock",
        "a pay code is refused by a clock that cannot be believed",
        "protocol/pay_codes.py",
        "    if now.clock is ClockSource.NONE or now.utc_ms + AHEAD_MS < max(vouched, made_at(proof)):",
        "    if False:",
    ),
    Mutant(
        "codes forgotten at a start",
        "what a token has shown is not taken again, also after a start",
        "terminal/shell.py",
        "            derived.apply(sealed, self._post.campus)\n",
        "            derived.apply(sealed, self._post.campus)\n            derived.proofs.clear()\n",
    ),
    Mutant(
        "anybody makes codes",
        "only the server's key makes a pay code",
        "terminal/code_scan.py",
        "    return replace(read_of(code.card, proof=code.proof), genuine=genuine)",
        "    return replace(read_of(code.card, proof=code.proof), genuine=genuine or True)",
    ),
)

_TOKENS = (
    Mutant(
        "nothing held back",
        "what the server approved for a token is not there for other sales until its entry comes",
        "server/tokens/rules.py",
        _HOLD,
        "HOLD_MS = 0\n",
    ),
    Mutant(
        "held back for a day",
        "money is held back for ten minutes at the most",
        "server/tokens/rules.py",
        _HOLD,
        "HOLD_MS = DAY_MS\n",
    ),
    Mutant(
        "any UID stands in",
        "only a token that has proven who it is gets anything without an answer",
        "terminal/token_sale.py",
        "    stands_in = read.proof is not None and may_stand_in(read, cents, facts)",
        "    stands_in = may_stand_in(read, cents, facts)",
    ),
    Mutant(
        "any answer will do",
        "an answer counts for the very sale that was asked about",
        "terminal/token_sale.py",
        "    return (answer.seq, answer.card, answer.amount) == (found.seq, found.body.card, found.body.amount)",
        "    return True",
    ),
    Mutant(
        "set the clock back, stand in again",
        "the days of a token's stand-ins only go forward",
        "terminal/derived.py",
        "        return cents if known >= day else Cents(0)",
        "        return cents if known == day else Cents(0)",
    ),
)

MUTANTS = _LINK + _COUNTER + _CARD + _BOOKS + _TOKENS + _PHONES
