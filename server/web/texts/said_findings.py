"""What findings and cases say, word by word as the server writes it, and in the other languages.

English stands here as its makers in `server/ingest` and `server/reconcile` write it: `server/web/said.py` finds a
sentence by it. A name in braces stands for what differs.
"""

_CARDS = {
    "second_use_balance": (
        "the balance is that of a second use of this counter",
        "余额与此计数的第二次使用相符",
        "餘額與此計數的第二次使用相符",
    ),
    "other_balance": (
        "the same counter, and another balance",
        "计数相同而余额不同",
        "計數相同而餘額不同",
    ),
    "on_second_use": (
        "it builds on a second use of a counter",
        "承接于某一计数的第二次使用",
        "承接於某一計數的第二次使用",
    ),
    "denied": (
        "the card was written, its terminal says it was not",
        "卡已写入，而终端称未写入",
        "卡已寫入，而終端機稱未寫入",
    ),
    "money_missing": (
        "no step is missing, but money is",
        "没有缺失的步骤，但金额有缺",
        "沒有缺失的步驟，但金額有缺",
    ),
    "says_else": (
        "the card names an entry that is held and says something else",
        "卡上指向的记录已收到，但内容不同",
        "卡上指向的記錄已收到，但內容不同",
    ),
    "never_came": (
        "the card names an entry that never came",
        "卡上指向的记录从未送达",
        "卡上指向的記錄從未送達",
    ),
    "brought_by_nobody": (
        "value that no terminal can have brought",
        "没有任何终端可能充入这笔金额",
        "沒有任何終端機可能充入這筆金額",
    ),
    "explained_by_nobody": (
        "steps that no silent terminal explains",
        "没有未上报的终端可以解释这些步骤",
        "沒有未回報的終端機可以解釋這些步驟",
    ),
    "at_lost": (
        "made at a terminal that was declared lost",
        "发生在已报失的终端上",
        "發生在已報失的終端機上",
    ),
    "silent_too_long": (
        "a terminal has been silent for too long",
        "某台终端长时间未上报",
        "某台終端機長時間未回報",
    ),
    "brought_by_silent": (
        "value from a terminal that has not reported past this tap",
        "金额来自尚未上报到此次刷卡的终端",
        "金額來自尚未回報到此次刷卡的終端機",
    ),
    "spent_at_silent": (
        "spent at a terminal that has not reported past this tap",
        "消费于尚未上报到此次刷卡的终端",
        "消費於尚未回報到此次刷卡的終端機",
    ),
    "prepared": (
        "prepared, its terminal has not said how it ended",
        "交易已开始，终端尚未上报结果",
        "交易已開始，終端機尚未回報結果",
    ),
    "torn_by_time": (
        "torn, decided for its holder when the time was over",
        "交易中断，期满后按有利于持卡人判定",
        "交易中斷，期滿後按有利於持卡人判定",
    ),
    "torn": (
        "torn, and no later tap proves what became of it",
        "交易中断，尚无后续刷卡可证明结果",
        "交易中斷，尚無後續刷卡可證明結果",
    ),
    "provisional": (
        "booked provisionally from the card's chain",
        "已按卡内记录链暂记",
        "已按卡內記錄鏈暫記",
    ),
    "kept": ("kept and not booked: {said}", "已保留未入账：{said}", "已保留未入帳：{said}"),
    "second_use": ("a second use of this counter", "此计数被第二次使用", "此計數被第二次使用"),
    "forgot_this": (
        "the card forgot this step; exchange it",
        "卡丢失了这一步，请更换该卡",
        "卡遺失了這一步，請更換該卡",
    ),
    "after_payout": (
        "it came after the card's rest was paid out",
        "在卡内余额结清之后才送达",
        "在卡內餘額結清之後才送達",
    ),
    "other_step": (
        "on a second history of its terminal, and the card made another step",
        "属于终端的第二条历史，而卡走了另一步",
        "屬於終端機的第二條歷史，而卡走了另一步",
    ),
    "unconfirmed": (
        "on a second history of its terminal, no tap confirms it yet",
        "属于终端的第二条历史，尚无刷卡证实",
        "屬於終端機的第二條歷史，尚無刷卡證實",
    ),
    "says_otherwise": (
        "decided by time for its holder, and its terminal says otherwise",
        "期满后按有利于持卡人判定，而终端所报相反",
        "期滿後按有利於持卡人判定，而終端機所報相反",
    ),
    "credited": (
        "debited and not handed over: credited to its holder",
        "已扣款未交付：款项已退还持卡人",
        "已扣款未交付：款項已退還持卡人",
    ),
    "off_path": (
        "booked, and not on the card's path",
        "已入账，但卡内没有这一步",
        "已入帳，但卡內沒有這一步",
    ),
    "settled_by_other": (
        "another sale is settled by what it had shown",
        "其出示的凭证已用于另一笔交易",
        "其出示的憑證已用於另一筆交易",
    ),
    "corrected": ("corrected", "已更正", "已更正"),
    "over_corrected": (
        "a correction of more than the difference",
        "更正金额超过差额",
        "更正金額超過差額",
    ),
    "one_cause": (
        "the postings of one cause do not sum to zero",
        "同一缘由的分录合计不为零",
        "同一緣由的分錄合計不為零",
    ),
    "kept_balance": (
        "its kept balance is not what was posted",
        "所存余额与分录不符",
        "所存餘額與分錄不符",
    ),
}
_COUNTS = {
    "hole": (
        "entries {first} to {last} never came",
        "记录 {first} 至 {last} 从未送达",
        "記錄 {first} 至 {last} 從未送達",
    ),
    "drawer_more": (
        "shift {shift}: in the drawer of {tid} is {cents} too much",
        "第 {shift} 班：{tid} 钱箱长款 {cents}",
        "第 {shift} 班：{tid} 錢箱長款 {cents}",
    ),
    "drawer_less": (
        "shift {shift}: in the drawer of {tid} is {cents} too little",
        "第 {shift} 班：{tid} 钱箱短款 {cents}",
        "第 {shift} 班：{tid} 錢箱短款 {cents}",
    ),
    "somebody_more": (
        "shift {shift}: somebody at {tid} counted {counted} where the books expected {expected}: {cents} too much",
        "第 {shift} 班：{tid} 有人实点 {counted}，账面应有 {expected}，长款 {cents}",
        "第 {shift} 班：{tid} 有人實點 {counted}，帳面應有 {expected}，長款 {cents}",
    ),
    "somebody_less": (
        "shift {shift}: somebody at {tid} counted {counted} where the books expected {expected}: {cents} too little",
        "第 {shift} 班：{tid} 有人实点 {counted}，账面应有 {expected}，短款 {cents}",
        "第 {shift} 班：{tid} 有人實點 {counted}，帳面應有 {expected}，短款 {cents}",
    ),
    "counted_more": (
        "shift {shift}: {who} at {tid} counted {counted} where the books expected {expected}: {cents} too much",
        "第 {shift} 班：{tid} 的 {who} 实点 {counted}，账面应有 {expected}，长款 {cents}",
        "第 {shift} 班：{tid} 的 {who} 實點 {counted}，帳面應有 {expected}，長款 {cents}",
    ),
    "counted_less": (
        "shift {shift}: {who} at {tid} counted {counted} where the books expected {expected}: {cents} too little",
        "第 {shift} 班：{tid} 的 {who} 实点 {counted}，账面应有 {expected}，短款 {cents}",
        "第 {shift} 班：{tid} 的 {who} 實點 {counted}，帳面應有 {expected}，短款 {cents}",
    ),
    "undocumented": (
        "{account}: money is booked here and no document says so",
        "{account}：有入账金额但无单据证明",
        "{account}：有入帳金額但無單據證明",
    ),
    "document": (
        "{account}: {document} says {counted}, the books say {expected}",
        "{account}：单据 {document} 为 {counted}，账面为 {expected}",
        "{account}：單據 {document} 為 {counted}，帳面為 {expected}",
    ),
    "document_of": (
        "{account} {owner}: {document} says {counted}, the books say {expected}",
        "{account} {owner}：单据 {document} 为 {counted}，账面为 {expected}",
        "{account} {owner}：單據 {document} 為 {counted}，帳面為 {expected}",
    ),
}
_REFUSED = {
    "tried": ("{reason}, {count} times: {said}", "{reason}，{count} 次：{said}", "{reason}，{count} 次：{said}"),
    "below_floor": (
        "it shows an older state than is known: a copy put back, or a step that the card forgot",
        "所示状态早于已知状态：可能写回了副本，或卡丢失了一步",
        "所示狀態早於已知狀態：可能寫回了副本，或卡遺失了一步",
    ),
    "not_covered": (
        "it holds more than its load record covers",
        "卡内金额超过其充值记录",
        "卡內金額超過其儲值記錄",
    ),
    "not_genuine": (
        "it could not prove to be what it said: a copy, a forged record, or damage",
        "无法证明其身份：可能是复制卡、伪造记录或损坏",
        "無法證明其身分：可能是複製卡、偽造記錄或損壞",
    ),
    "replayed": (
        "what it showed was shown before: a recording, or its holder once more",
        "所出示的凭证已出示过：可能是录制重放，或持卡人再次出示",
        "所出示的憑證已出示過：可能是側錄重放，或持卡人再次出示",
    ),
    "other_card": (
        "shown where another card was to be tapped again",
        "应再次刷另一张卡时出示了此卡",
        "應再次刷另一張卡時出示了此卡",
    ),
    "several_cards": ("more than one card at once", "同时出现多张卡", "同時出現多張卡"),
    "showed": (
        "it showed {counted}, the books say {expected}",
        "所示为 {counted}，账面为 {expected}",
        "所示為 {counted}，帳面為 {expected}",
    ),
    "no_outcome": (
        "the step named last has no outcome",
        "最后列出的步骤没有结果",
        "最後列出的步驟沒有結果",
    ),
    "all_outcomes": (
        "every step there has its outcome",
        "所涉步骤均有结果",
        "所涉步驟均有結果",
    ),
    "untold": (
        "{count} attempts more are not told one by one",
        "另有 {count} 次尝试未逐条列出",
        "另有 {count} 次嘗試未逐條列出",
    ),
}
_CASES = {
    "no_sale_of_card": (
        "no settled sale of the card is known",
        "未找到该卡对应的已完成消费",
        "未找到該卡對應的已完成消費",
    ),
    "more_than_paid": ("more than was paid", "超过原支付金额", "超過原支付金額"),
    "load_untold": (
        "a terminal tells of a load that this server does not know; nothing is believed without its record",
        "终端上报了本服务器没有的充值；没有充值记录则不予采信",
        "終端機回報了本伺服器沒有的儲值；沒有儲值記錄則不予採信",
    ),
    "load_forgotten": (
        "the card had collected a load that the server had forgotten",
        "卡已领取服务器遗忘的充值",
        "卡已領取伺服器遺忘的儲值",
    ),
    "taps_contradict": ("taps contradict one another", "多次刷卡相互矛盾", "多次刷卡相互矛盾"),
    "nothing_handed_over": (
        "the card was debited and nothing handed over",
        "卡已扣款而未交付",
        "卡已扣款而未交付",
    ),
    "no_proof": ("no proof in time", "期限内没有证明", "期限內沒有證明"),
    "our_loss": (
        "decided as {resolution}, and a tap proves {proven}: what was given is our loss",
        "判定为“{resolution}”，而刷卡证明“{proven}”：已退款项由我方承担",
        "判定為「{resolution}」，而刷卡證明「{proven}」：已退款項由我方承擔",
    ),
    "proven_otherwise": (
        "decided as {resolution}, and a tap proves {proven}",
        "判定为“{resolution}”，而刷卡证明“{proven}”",
        "判定為「{resolution}」，而刷卡證明「{proven}」",
    ),
    "never_issued_card": (
        "a terminal tells of a plastic that the server never issued; it would get what the number's holder is owed",
        "终端上报了服务器从未发出的卡片；它将得到该卡号持卡人的应得款项",
        "終端機回報了伺服器從未發出的卡片；它將得到該卡號持卡人的應得款項",
    ),
    "no_valid_slot": (
        "no slot of this card is valid: the card office restores it from the ledger",
        "卡上没有有效的存储区：由卡务中心按账面恢复",
        "卡上沒有有效的儲存區：由卡務中心按帳面還原",
    ),
    "forgot_step": (
        "the card forgot a step; exchange it",
        "卡丢失了一步，请更换该卡",
        "卡遺失了一步，請更換該卡",
    ),
    "used_twice": ("the counter was used twice", "同一计数被使用了两次", "同一計數被使用了兩次"),
    "hole_offered": (
        "entries {first} to {last} are missing; two people may book the hole",
        "记录 {first} 至 {last} 缺失；可由两人登记缺口",
        "記錄 {first} 至 {last} 缺失；可由兩人登記缺口",
    ),
    "goes_twice": ("the chain goes on twice", "日志链出现分叉", "日誌鏈出現分叉"),
    "last_history": (
        "it is the last further history that is taken",
        "这是可接收的最后一条历史",
        "這是可接收的最後一條歷史",
    ),
    "not_signed_kept": (
        "an entry that is kept is not signed by the journal key of its epoch",
        "所存记录并非由其时期的日志密钥签名",
        "所存記錄並非由其時期的日誌金鑰簽署",
    ),
    "other_bytes": (
        "the bytes of an entry are not those that came in",
        "记录的字节与送达时不一致",
        "記錄的位元組與送達時不一致",
    ),
    "stuck_card": (
        "settling a closed card: {error}; the log says more",
        "结清已销的卡：{error}；详情见日志",
        "結清已註銷的卡：{error}；詳情見日誌",
    ),
    "stuck_credit": (
        "granting pending credit: {error}; the log says more",
        "发放待领款项：{error}；详情见日志",
        "發放待領款項：{error}；詳情見日誌",
    ),
    "stuck_audit": (
        "auditing signatures: {error}; the log says more",
        "核验签名：{error}；详情见日志",
        "核驗簽章：{error}；詳情見日誌",
    ),
    "stuck_late": (
        "deciding a step late: {error}; the log says more",
        "补判交易结果：{error}；详情见日志",
        "補判交易結果：{error}；詳情見日誌",
    ),
    "stuck_again": (
        "deciding a step once more: {error}; the log says more",
        "复核交易结果：{error}；详情见日志",
        "覆核交易結果：{error}；詳情見日誌",
    ),
    "stuck_lost": (
        "giving up steps of a lost terminal: {error}; the log says more",
        "放弃报失终端的未决交易：{error}；详情见日志",
        "放棄報失終端機的未決交易：{error}；詳情見日誌",
    ),
    "settled": (
        "it differs from the books no more",
        "已与账面相符",
        "已與帳面相符",
    ),
    "has_come": ("what was missing has come", "缺失的内容已送达", "缺失的內容已送達"),
}

_VERDICTS = {
    "on_card": ("on the card", "卡上已扣", "卡上已扣"),
    "not_on_card": ("not on the card", "卡上未扣", "卡上未扣"),
    "student": ("for the holder", "有利于持卡人", "有利於持卡人"),
}

SENTENCES = {f"said.{key}": words for part in (_CARDS, _COUNTS, _REFUSED, _CASES) for key, words in part.items()} | {
    f"verdict.{key}": words for key, words in _VERDICTS.items()
}
