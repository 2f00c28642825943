/* How entries come to the server, and what an ack is worth (protocol/SPEC.md, "Handshake" and "Batches").
 *
 * One terminal sells N entries whenever it likes. The network loses and doubles messages. The server stops before its
 * commit, or between commit and ack; a backup of any moment is played back, with the tool that raises the server's
 * epoch or, behind everybody's back, without.
 *
 * Left out: the hashes (of one chain, rows with equal numbers are equal); that there are other terminals, whose acks a
 * server that was played back may be shown first; that a terminal stops as well; that a message is overtaken by a later
 * one (the broker keeps the order of a topic), and that it is sent again while its answer is under way. Whoever is
 * connected learns that another instance of the server runs, and learns it after what the one before had sent.
 *
 * What holds: a row is posted once, and after all rows below it; an ack of the server's present epoch names only what
 * the server has, unless another life of it had that epoch too; and once nothing fails any more a few rounds are enough
 * until the server has everything and the terminal waits for nothing. Each of these words, defined, takes one rule away
 * and must be found out:
 *
 *   TRUST_PUBACK       what was handed to the broker counts as acknowledged
 *   ACK_BEFORE_COMMIT  the server answers, then commits
 *   ACCEPT_GAPS        the server takes a batch that does not come next
 *   NO_DEDUPE          the server posts again what it knows
 *   NO_SERVER_EPOCH    a restored server goes on signing acks as the one before it
 *   NO_TIP             the terminal sends on from where it believes to be, whatever the server's tip says
 */
#ifndef FAULTS
#define FAULTS 3
#endif
#define N 3
#define ROUNDS 4

mtype = { HELLO, TIP, BATCH, ACK, SERVER };
chan up = [3] of { mtype, byte, byte };   /* HELLO: newest ack and its epoch. BATCH: first and last row */
chan down = [3] of { mtype, byte, byte }; /* TIP, ACK: row and the server's epoch. SERVER: another instance runs */

byte faults = FAULTS;
byte row, by, first, last;   /* of the message in hand; nothing between two steps */
mtype kind;

byte written;        /* the terminal's disk: entries 1..written, */
byte acked, signer;  /* and the newest ack: its row, and the epoch of the server that signed it */

byte rows;           /* the server's disk: rows 1..rows, */
byte posted[N + 1];  /* how often the money of each row was moved, */
byte epoch = 1;      /* and its epoch */
byte backup;         /* how many rows the newest backup has, */
byte backup_epoch = 1;  /* and which epoch */
byte top = 1;        /* the greatest epoch that ever was, */
bool doubled;        /* and whether the present one was another life's before: of a backup played back without the tool, */
                     /* or twice; a terminal that shows an ack of that life ends it */

#define calm (empty(up) && empty(down))                        /* nothing is under way any more */

inline done() { row = 0; by = 0; first = 0; last = 0; kind = 0 }

active proctype Terminal() {
    byte held, sent, heard, rounds;  /* rows the server has and those under way to it, as far as this session tells */
    bool greeted;
end:
    do
    :: written < N -> written++                                 /* selling waits for nobody */
    :: atomic { greeted && sent < written ->
        up!BATCH(sent + 1, written);
        sent = written;
#ifdef TRUST_PUBACK
        acked = sent; signer = heard; held = sent
#endif
       }
    :: atomic { down?SERVER(_, _) -> greeted = false; up!HELLO(acked, signer) }
    :: atomic { down?TIP(row, by) ->
#ifdef NO_TIP
        row = (row > sent -> row : sent);
#endif
        held = row; sent = row; heard = by; greeted = true; done() }
    :: atomic { down?ACK(row, by) ->
        if
        :: row >= acked -> acked = row; signer = by
        :: else
        fi;
        if
        :: by >= heard && row > held -> held = row; sent = (row > sent -> row : sent)
        :: else
        fi;
        done() }
    :: atomic { calm && (!greeted || held < sent) ->      /* no answer */
        if
        :: !greeted -> up!HELLO(acked, signer)
        :: else -> sent = held
        fi;
        rounds = (faults || written < N -> 0 : rounds + 1);
        assert(rounds <= ROUNDS) }
    :: calm && greeted && held == N && !faults -> break
    od;
    assert(rows == N)
}

inline stop() { faults--; down!SERVER(0, 0) }

inline begin(another) { epoch = another; doubled = (epoch <= top); top = (epoch > top -> epoch : top) }

inline post() {
    d_step {
        assert(first <= rows + 1);                              /* nothing is posted before what lies below it */
        for (row : first .. last) {
            if
#ifndef NO_DEDUPE
            :: row <= rows                                      /* known: nothing changes */
#endif
            :: else -> posted[row]++; assert(posted[row] == 1); rows = (row > rows -> row : rows)
            fi
        }
    }
}

active proctype Server() {
end:
    do
    :: atomic { up?HELLO(row, by) ->
#ifndef NO_SERVER_EPOCH
        if
        :: by >= epoch && row > rows -> begin(by + 1)   /* our own signature, and no such row */
        :: else
        fi;
#endif
        down!TIP(rows, epoch);
        if
        :: by == epoch && row == rows
        :: else -> down!ACK(rows, epoch)
        fi;
        done() }
    :: atomic { up?BATCH(first, last) ->
        if
#ifndef ACCEPT_GAPS
        :: first > rows + 1 -> down!TIP(rows, epoch)            /* from further back */
        :: first <= rows + 1 ->
#else
        :: true ->
#endif
#ifdef ACK_BEFORE_COMMIT
            down!ACK(last, epoch);
#endif
            if
            :: faults && nfull(down) -> stop()                  /* before the commit */
            :: post();
                if
                :: faults && nfull(down) -> stop()              /* before the ack */
                :: down!ACK(last, epoch)
                fi
            fi
        fi;
        done() }
    :: atomic { backup != rows || backup_epoch != epoch -> backup = rows; backup_epoch = epoch }
    :: atomic { faults && backup < rows && nfull(down) -> stop();
        do
        :: rows > backup -> posted[rows] = 0; rows--
        :: else -> break
        od;
#ifndef NO_SERVER_EPOCH
        if
        :: begin(backup_epoch + 1)                              /* the tool */
        :: begin(backup_epoch)
        fi
#endif
        }
    od
}

active proctype Network() {
end:
    do
    :: atomic { faults && nempty(up) -> up?kind, first, last; faults--; done() }
    :: atomic { faults && nempty(down) && !down?[SERVER, 0, 0] -> down?kind, first, last; faults--; done() }
    :: atomic { faults && len(up) == 1 -> up?<kind, first, last>; up!kind, first, last; faults--; done() }
    :: atomic { faults && len(down) == 1 -> down?<kind, first, last>; down!kind, first, last; faults--; done() }
    :: faults -> faults = 0                                     /* from here on all goes well */
    od
}

active proctype Auditor() {
end:
    atomic { !doubled && signer == epoch && acked > rows -> assert(false) }   /* an ack of what is not there */
}
