"""English: what stands on the keys and pages of the screen."""

from typing import Final

SCREEN: Final[dict[str, str]] = {
    "screen.pay": "Pay",
    "screen.cash": "Cash",
    "screen.clear": "Clear",
    "screen.repeat": "Again {cents}",
    "screen.all": "All",
    "screen.more": "More",
    "screen.no_dishes": "No dishes are on the price list. Type an amount on the number pad.",
    "screen.search": "Name, number or bar code",
    "screen.none_found": "Nothing of that name.",
    "screen.more_lines": "… and {count} lines above",
    "screen.enter": "OK",
    "screen.yes": "Yes",
    "screen.cancel": "Cancel",
    "screen.next": "Next customer",
    "screen.undo": "Undo this sale",
    "screen.back": "Back",
    "screen.open_shift": "Open a shift",
    "screen.close_shift": "Close the shift",
    "screen.x_report": "X report",
    "screen.refund": "Give back",
    "screen.topup": "Top up with cash",
    "screen.collect": "Collect a top-up",
    "screen.card": "Look at a card",
    "screen.status": "Terminal",
    "screen.answer": "Answer",
    "screen.theme_light": "Light",
    "screen.theme_dark": "Dark",
    "screen.theme_contrast": "High contrast",
    "screen.training": "TRAINING: nothing here is real",
    "screen.what": "That is no amount and no product.",
    "screen.none_sold": "Nothing can be given back: no sale of today.",
    "screen.sold_row": "Receipt {seq}, card {card}: {cents}",
    "screen.unsent": "Entries not yet at the server: {count}. The shift may be closed all the same.",
    "ask.staff": "Who sells?",
    "ask.drawer": "How much lies in the drawer?",
    "ask.pin": "The cashier's PIN",
    "ask.counted": "How much was counted in the drawer?",
    "ask.amount": "How much?",
    "bar.online": "Online",
    "bar.no_broker": "No network",
    "bar.tls": "TLS fault",
    "bar.not_started": "Offline",
    "bar.connecting": "Connecting",
    "bar.no_answer": "No answer",
    "bar.certificate": "Untrusted",
    "bar.dates": "Check clock",
    "bar.refused": "Refused",
    "bar.revoked": "Revoked",
    "bar.lost": "Line lost",
    "bar.stopped": "Offline",
    "bar.forked": "Stopped",
    "bar.disk": "Disk full",
    "bar.reader": "No reader",
    "bar.alarm": "Alarm",
    "bar.no_lists": "no lists",
    "report.no_shift": "No shift is open.",
    "report.shift": "Shift {number}, {staff}",
    "report.count": "Sales: {count}",
    "report.drawer": "In the drawer at the start: {cents}",
    "report.sales": "Sold: {cents}",
    "report.refunds": "Given back: {cents}",
    "report.cash": "Cash taken in: {cents}",
    "report.expected": "Should lie in the drawer: {cents}",
    "report.unsent": "Not yet at the server: {count}",
    "said.look": "Hold the card to the reader: it is only looked at.",
    "said.no_line": "There is no line {line}.",
    "screen.named": "{name}: {value}",
    "screen.tools": "This terminal",
    "screen.doctor": "Doctor",
    "screen.lists": "Lists and sync",
    "screen.language": "Language",
    "screen.train": "Begin training",
    "screen.train_end": "End training",
    "screen.trial_pays": "Card pays",
    "screen.trial_poor": "Too little on it",
    "screen.trial_torn": "Taken away early",
    "screen.trial_blocked": "Blocked card",
    "bar.training": "TRAINING",
    "training.mark": "TRAINING",
    "training.begun": (
        "Training: nothing is sold, no card is written, nothing goes to the server. Every card's PIN is 1234."
    ),
    "training.over": "Training is over. From now on everything counts.",
    "training.not_now": "First finish what is rung and take the card away.",
    "training.only": "That is for training only.",
    "verdict.good": "good",
    "verdict.look": "have a look",
    "verdict.broken": "broken",
    "doctor.reader": "Card reader",
    "doctor.keys": "Card keys",
    "doctor.journal": "Journal",
    "doctor.sync": "Sent to the server",
    "doctor.disk": "Disk",
    "doctor.medium": "Second medium",
    "doctor.clock": "Clock",
    "doctor.line": "Line to the server",
    "doctor.certificate": "Certificate",
    "doctor.lists": "Lists",
    "doctor.alarm": "Alarm",
    "doctor.identity": "This terminal",
    "doctor.program": "Program",
    "doctor.in_sam": "set {sets}, in the SAM",
    "doctor.in_file": "set {sets}, in this terminal",
    "doctor.checked": "{tip} entries; 1 to {verified} checked since the start",
    "doctor.confirmed": "{unsent} entries to send; {acked} of {tip} confirmed",
    "doctor.free": "{free} MB free",
    "doctor.asking": "connected; the server has not answered yet",
    "doctor.valid": "valid until {time}",
    "doctor.who": "{tid}, number {tno}, epoch {epoch}, {site}",
    "doctor_help.reader": (
        "Plug the reader in again. If that does not help, try another socket, then "
        "another reader. Selling for cash goes on."
    ),
    "doctor_help.keys": "No card can be read. Ask the vault for card keys and install them.",
    "doctor_help.forked": "Nothing more is sold here. Export the journal and enrol this terminal anew.",
    "doctor_help.sync": "Nothing is lost: they are sent when the line is back. Do not reset this terminal.",
    "doctor_help.disk": (
        "Nothing new is begun until there is space. Remove files that are not the journal's, or put in a larger disk."
    ),
    "doctor_help.disk_soon": "Make space soon: remove files that are not the journal's.",
    "doctor_help.medium": "Put the second medium in again, or another one. The journal itself goes on.",
    "doctor_help.clock": (
        "Selling goes on, and each sale says that the time is doubtful. Connect to the server, or set the clock."
    ),
    "doctor_help.certificate": (
        "Check [server] in the settings: it is renewed from there. Else enrol with a new claim code."
    ),
    "doctor_help.lists": "Get the line to the server going: newer lists come by themselves.",
    "doctor_help.alarm": "Tell the server's desk these words. Selling goes on.",
    "doctor_help.tls": (
        "The certificate files cannot be used. Start anew; if that does not help, enrol with a new claim code."
    ),
    "doctor_help.not_started": "Wait a moment. If it stays so, start the terminal anew.",
    "doctor_help.connecting": "Wait a moment. If it stays so, look at cable and switch.",
    "doctor_help.no_answer": "Look at cable, switch and Wi-Fi; then ask whether the broker runs and its port is open.",
    "doctor_help.dates": "Set this machine's clock. If it is right, the broker needs a new certificate.",
    "doctor_help.refused": "Is this terminal still in the register? Ask the server's desk, then enrol it anew.",
    "doctor_help.revoked": "Ask the server's desk why. It is enrolled anew with a new claim code.",
    "doctor_help.lost": "It is tried again by itself. If it comes and goes, look at cable, switch and Wi-Fi.",
    "doctor_help.stopped": "Start the terminal anew.",
    "sync.unsent": "To send: {unsent} entries (epoch {epoch})",
    "sync.acked": "The server confirmed {acked} of {tip}, last at {time}.",
    "sync.never": "The server has confirmed nothing yet; the journal has {tip} entries.",
    "sync.no_lists": "Typed amounts are sold; dishes, blocked cards and limits come with the first lists.",
    "sync.of": "Lists of {time} ({age} old)",
    "sync.ends": "Newer ones should come by {time}; until they do, these hold.",
    "sync.ended": "Newer ones should have come by {time}. These hold until they do.",
    "sync.no_end": "These hold until newer ones come.",
    "sync.none": "none yet",
    "list_name.cards": "Blocked cards",
    "list_name.prices": "Prices",
    "list_name.limits": "Limits",
    "list_name.loads": "Top-ups waiting",
    "list_name.staff": "Cashiers",
    "list_name.promotions": "Promotions",
    "list_name.texts": "Announcements",
    "list_name.config": "Settings from the server",
    "list_then.cards": "When old: smaller sales, then cash only.",
    "list_then.prices": "Hold until newer ones come.",
    "list_then.prices_later": "Others are here and hold from {time}.",
    "list_then.limits": "Hold until newer ones come.",
    "list_then.loads": "What was paid in since waits.",
    "list_then.staff": "New cashiers and PINs wait.",
    "list_then.promotions": "Hold until newer ones come.",
    "list_then.texts": "Each has its own end.",
    "list_then.config": "Hold until newer ones come.",
    "doctor_help.untrusted": (
        "Does the settings' host name the right broker? If so, its certificate is "
        "another site's: ask the server's desk."
    ),
    "enrol.title": "Make this machine a terminal",
    "enrol.ask_server": "The address of the server, as the desk gave it:",
    "enrol.no_address": "That is no address. It looks like fanka.campus.example, perhaps with :8080 behind it.",
    "enrol.ask_code": "The claim code from the desk, such as 4T7QX-W2M9K. Server: {server}",
    "enrol.no_code": "A claim code has ten letters and digits, such as 4T7QX-W2M9K. Server: {server}",
    "enrol.asking": "Asking the server …",
    "enrol.compare": (
        "Read these words to the desk. If the desk has the same, it approves, and this goes on by "
        "itself. If it has others, somebody sits between: go back, and ask for a new code."
    ),
    "enrol.failed": "This machine is no terminal yet",
    "enrol.again": "Type the code again",
    "enrol.keys": "Enrolled. Before cards can be read, card keys must be installed; this goes on by itself then.",
    "enrol.detail": "In detail: {text}",
    "enrol.no_card_keys": (
        "Ask the vault for them: python -m terminal card-keys request, then install (docs/card-keys.md)."
    ),
    "enrol_fault.bad_address": "{server} is no address. Go back to it and put it right.",
    "enrol_fault.no_listener": (
        "No server listens at {server}. Check the address and its port; then ask the desk whether the server runs."
    ),
    "enrol_fault.late": (
        "{server} does not answer in time. Look at cable, switch and Wi-Fi; then ask the desk whether the server runs."
    ),
    "enrol_fault.unknown_name": (
        "No machine of this name is known: {server}. Check the address; if it is right, look at cable, switch and "
        "Wi-Fi."
    ),
    "enrol_fault.untrusted": (
        "The certificate of {server} is not to be believed. Check the address and this machine's clock; then ask the "
        "desk."
    ),
    "enrol_fault.no_tls": (
        "What listens at {server} speaks no TLS. Check the port. If the server has none, type http:// before the "
        "address."
    ),
    "enrol_fault.no_web_server": (
        "What listens at {server} is no web server. Check the port, and whether the address begins with https:// or "
        "http://."
    ),
    "enrol_fault.unreachable": "{server} cannot be reached. Look at cable, switch and Wi-Fi.",
    "enrol_fault.not_fanka": (
        "What answers at {server} is not the server of this campus. Check the address and its port."
    ),
    "enrol_fault.busy": "The server cannot answer now. Wait a minute, then type the same code again.",
    "enrol_fault.code_closed": (
        "This claim code opens nothing: it was mistyped, is used, has expired, or was tried too often. Compare it; "
        "if it is right, ask the desk for a new one."
    ),
    "enrol_fault.says_no": (
        "The server says no. Type the same code again; if it says no again, ask the desk for a new one."
    ),
    "enrol_fault.turned_away": (
        "The desk turned this machine away, or another machine used the code. If the desk typed other words by "
        "mistake, type the same code again; else ask for a new one."
    ),
    "enrol_fault.unbelieved": (
        "The server's answer is not to be believed. Ask the desk for a new code; if it happens again, somebody may "
        "sit between: look at the network."
    ),
    "enrol_fault.journal": (
        "The journal of this machine is missing or cannot be used. Begin no other one: put the file back."
    ),
    "enrol_fault.disk": (
        "A file cannot be read or written. Look at the disk and its space, then type the same code again."
    ),
    "enrol_fault.files": "The files in this terminal's directory are not as they should be.",
    "line.load_waits": "A top-up waits for this card: it is collected at a top-up station.",
}
