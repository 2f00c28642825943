/* A card that is torn away, between tills that never meet (protocol/SPEC.md, "Open, torn, recovered" and "Made
 * definite"), as MIFARE Classic makes it hardest: two slots, and a write that can be cut short anywhere.
 *
 * A sale takes one coin: it writes the slot that is not in force with the counter after the one it built on, its mark,
 * and the mark it built on. What was torn may be as before, nothing, or weak: it reads now so, now not. A till whose
 * card left may meet it again, after others did, and makes it definite, which can be torn as well; or it gives up.
 *
 * What holds, however the card reads in the end: a settled sale is on the card for good; one that its till voided is
 * not; what the server proves of a torn sale is what happened. A card of which no slot reads is the card office's.
 *
 * Left out: blocks within a slot (a till knows a slot that it built on by its purse and its mark), loads and refunds,
 * PIN tries, the end of the ten minutes, that a till stops between a write and its entry. Of the step before its own a
 * slot knows the mark; on the card the other slot tells it, or nobody, and then the till gives up, which it may here too.
 * Each of these words, defined, takes one rule away and must be found out:
 *
 *   TRUST_COUNTER   a counter that moved counts as our debit, whoever moved it
 *   TRUST_READ      one good read decides, and nothing is written again
 *   WRITE_IN_FORCE  the slot in force is written over
 *   NO_COPY         made definite is the slot in force alone; the torn one beside it stays
 *   TRUST_HINT      what an unsettled sale found on the card proves the one before it
 */
#ifndef SALES
#define SALES 4
#endif
#define NONE 0
#define ISSUED 15   /* the mark of a card just issued; sales have 1..SALES */

mtype = { good, weak, bad };                    /* a slot reads always, now and then, never */
mtype = { untried, opened, settled, voided, torn };

mtype slot[2];
byte counter[2], mark[2], below[2];             /* of each slot: its own mark, and the one it built on */

mtype sale[SALES + 1];                          /* by mark; what its till's journal says: */
byte base[SALES + 1], under[SALES + 1];         /* the counter and the mark it built on */
byte begun, over;
byte found;                                     /* the slot in force as last read; 2 none. 0 between two taps */
bool cut;                                       /* whether the last write was cut short. false between two taps */

inline look() {
    if
    :: slot[0] != bad && slot[1] != bad -> found = (counter[0] > counter[1] -> 0 : 1)
    :: slot[0] != bad && slot[1] != good -> found = 0
    :: slot[1] != bad && slot[0] != good -> found = 1
    :: slot[0] != good && slot[1] != good -> found = 2
    fi
}

inline put(at, step, by, on) { counter[at] = step; mark[at] = by; below[at] = on }

inline write(at, step, by, on) {
    if
    :: put(at, step, by, on); slot[at] = good; cut = false
    :: cut = true;
        if
        :: skip
        :: slot[at] = (slot[at] == bad -> bad : weak)
        :: put(at, 0, NONE, NONE); slot[at] = bad
        :: put(at, step, by, on); slot[at] = weak
        :: put(at, step, by, on); slot[at] = good
        fi
    fi
}

inline debit(at) {
    write(at, base[mine] + 1, mine, under[mine]);
    if
    :: cut
    :: else -> settle()
    fi
}

inline settle() { sale[mine] = settled }

/* What is in force goes over the other slot, then over itself. What is tried again is another sale. */
inline definite(at) {
    cut = false;
#ifndef TRUST_READ
#ifndef NO_COPY
    write(1 - at, base[mine], mark[at], below[at]);
#endif
    if
    :: cut
    :: else -> write(at, base[mine], mark[at], below[at])
    fi;
#endif
    if
    :: cut
    :: else -> sale[mine] = voided
    fi
}

inline recover() {
    look();
    if
#ifdef TRUST_COUNTER
    :: found < 2 && counter[found] > base[mine] -> settle()
#else
    :: found < 2 && counter[found] == base[mine] + 1 && mark[found] == mine ->
#ifndef TRUST_READ
        write(found, base[mine] + 1, mine, under[mine]);
#endif
        if
        :: cut
        :: else -> settle()
        fi
    :: found < 2 && counter[found] == base[mine] + 1 && mark[found] != mine -> sale[mine] = voided
    :: found < 2 && counter[found] == base[mine] + 2 && below[found] == mine -> settle()
    :: found < 2 && counter[found] == base[mine] + 2 && below[found] != mine -> sale[mine] = voided
    :: found < 2 && counter[found] > base[mine] + 2 -> sale[mine] = torn
#endif
    :: found < 2 && counter[found] == base[mine] -> definite(found)
    :: found == 2 || counter[found] < base[mine] ->
        if
        :: slot[built] == weak && counter[built] == base[mine] && mark[built] == under[mine] -> definite(built)
        :: else -> sale[mine] = torn
        fi
    fi
}

proctype Till() {
    byte mine, built;                                           /* the sale at hand, and the slot it built on */
    do
    :: atomic { mine == NONE && begun < SALES -> look();
        if
        :: found < 2 -> begun++; mine = begun; built = found;
            base[mine] = counter[found]; under[mine] = mark[found];
            sale[mine] = opened;                                /* on disk before the card is written */
#ifdef WRITE_IN_FORCE
            debit(found)
#else
            debit(1 - found)
#endif
        :: else
        fi;
        found = 0; cut = false }
    :: atomic { mine != NONE && sale[mine] == opened -> recover(); found = 0; cut = false }
    :: atomic { mine != NONE && sale[mine] == opened -> sale[mine] = torn }
    :: d_step { mine != NONE && sale[mine] != opened -> mine = NONE; built = 0; over++ }
    :: over == SALES -> break
    :: mine == NONE -> break                                    /* closes early */
    od
}

/* What the server proves by itself, against what the card says for good. */
proctype Auditor() {
    bool certain[SALES + 1], truly[SALES + 1];
    byte one, other, round;
end:
    atomic { begun > 0 && over == begun -> look();
        if
        :: found == 2 -> goto unreadable                        /* the card office restores it */
        :: else -> one = mark[found]
        fi;
        d_step {
            do
            :: one == ISSUED -> break
            :: else -> truly[one] = true; one = under[one]
            od;
            for (round : 1 .. SALES) {
                for (one : 1 .. SALES) {
#ifdef TRUST_HINT
                    certain[one] = (certain[one] || sale[one] != untried);
#endif
                    certain[one] = (certain[one] || sale[one] == settled);
                    if
                    :: certain[one] && under[one] != ISSUED -> certain[under[one]] = true
                    :: else
                    fi
                }
            }
            for (one : 1 .. SALES) {
                assert(sale[one] != settled || truly[one]);
                assert(sale[one] != voided || !truly[one]);
                for (other : 1 .. SALES) {
                    if
                    :: sale[one] == torn && certain[other] && other != one && base[other] == base[one] + 1 ->
                        assert(truly[one] == (under[other] == one))
                    :: sale[one] == torn && certain[other] && other != one && base[other] == base[one] -> assert(!truly[one])
                    :: else
                    fi
                }
            }
        }
unreadable:
        one = 0
    }
}

init {
    atomic { put(0, 1, ISSUED, NONE); slot[0] = good; slot[1] = bad; run Till(); run Till(); run Auditor() }
}
