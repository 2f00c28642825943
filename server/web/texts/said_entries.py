"""Why an entry waits or was refused, word by word as the server writes it, and in the other languages."""

_WAITING = {
    "unknown_card": ("unknown card", "未知的卡", "未知的卡"),
    "no_sale": (
        "no settled sale that this delivery belongs to",
        "没有与此出货对应的已完成消费",
        "沒有與此出貨對應的已完成消費",
    ),
    "no_right": (
        "the terminal has no right to this; two people may let it be posted",
        "终端无此权限；可由两人放行入账",
        "終端機無此權限；可由兩人放行入帳",
    ),
    "never_issued": (
        "the server made no such generation of this card known; two people may let it be posted",
        "服务器从未发出此卡的该版本；可由两人放行入账",
        "伺服器從未發出此卡的該版本；可由兩人放行入帳",
    ),
    "foreign_merchant": (
        "the register gives this terminal to another merchant; two people may let it be posted",
        "登记表中该终端属于另一商户；可由两人放行入账",
        "登記表中該終端機屬於另一商戶；可由兩人放行入帳",
    ),
    "unknown_product": (
        "no price list of the site ever had this product; two people may let it be posted",
        "该站点的价目表从未有此商品；可由两人放行入账",
        "該站點的價目表從未有此商品；可由兩人放行入帳",
    ),
    "a_spare": (
        "the register says that this terminal waits for a place; two people may let it be posted",
        "登记表中该终端为待启用的备用终端；可由两人放行入账",
        "登記表中該終端機為待啟用的備用終端機；可由兩人放行入帳",
    ),
    "unproven": (
        "told by a second history of the terminal alone; its card, or two people, may confirm it",
        "仅由终端的第二条历史上报；可由卡或两人证实",
        "僅由終端機的第二條歷史回報；可由卡或兩人證實",
    ),
    "quarantined": (
        "quarantined: the terminal was revoked before this arrived",
        "已隔离：该记录送达前终端已被吊销",
        "已隔離：該記錄送達前終端機已被撤銷",
    ),
    "second_outcome": (
        "an outcome of a step that was decided before",
        "所属步骤此前已有结果",
        "所屬步驟此前已有結果",
    ),
    "second_delivery": (
        "a delivery that was decided before",
        "该出货此前已有结果",
        "該出貨此前已有結果",
    ),
    "second_count": (
        "the drawer of this shift was counted before",
        "该班钱箱此前已清点",
        "該班錢箱此前已清點",
    ),
    "inconsistent": ("inconsistent: {said}", "自相矛盾：{said}", "自相矛盾：{said}"),
    "unreadable": ("unreadable: {detail}", "无法读取：{detail}", "無法讀取：{detail}"),
}
_INCONSISTENT = {
    "other_kind": (
        "another kind of card than the server gave out",
        "卡的种类与服务器发出的不同",
        "卡的種類與伺服器發出的不同",
    ),
    "token_erased": ("a token is never erased", "令牌卡不会被擦除", "權杖卡不會被清除"),
    "topup_outcome": ("a top-up to a load has no outcome", "转为圈存的充值没有后续结果", "轉為圈存的加值沒有後續結果"),
    "not_all": (
        "what is taken off a card that is handed in is not all it holds",
        "退卡时取出的金额不是卡内全部金额",
        "退卡時取出的金額不是卡內全部金額",
    ),
    "lines_sum": (
        "the lines do not add up to the amount",
        "各行合计与金额不符",
        "各行合計與金額不符",
    ),
    "token_proof": (
        "only a token proves who it is",
        "只有令牌卡可自证身份",
        "只有權杖卡可自證身分",
    ),
    "writes_card": (
        "writes a card where it should not, or none where it should",
        "不应写卡时写了卡，或应写卡时未写",
        "不應寫卡時寫了卡，或應寫卡時未寫",
    ),
    "moves": (
        "balances move by {cents} without a card step",
        "没有卡步骤，余额却变动 {cents}",
        "沒有卡步驟，餘額卻變動 {cents}",
    ),
    "moves_other": (
        "balances move by {counted}, the amount says {expected}",
        "余额变动 {counted}，而金额为 {expected}",
        "餘額變動 {counted}，而金額為 {expected}",
    ),
    "token_counter": (
        "a token has no counter, and remembers nothing",
        "令牌卡没有计数，也不保存任何内容",
        "權杖卡沒有計數，也不保存任何內容",
    ),
    "token_written": ("nothing is written on a token", "令牌卡上不会写入任何内容", "權杖卡上不會寫入任何內容"),
    "moves_unsold": (
        "balances move by {cents} without a sale",
        "没有消费，余额却变动 {cents}",
        "沒有消費，餘額卻變動 {cents}",
    ),
    "counter_jump": (
        "the counter does not rise by one",
        "计数没有递增一",
        "計數沒有遞增一",
    ),
    "other_than_named": (
        "says something else than the step it names",
        "内容与其所指的步骤不同",
        "內容與其所指的步驟不同",
    ),
    "code_not_ours": (
        "its pay code is not signed by this server",
        "付款码并非由本服务器签名",
        "付款碼並非由本伺服器簽署",
    ),
    "load_not_ours": (
        "its load record is not signed by this server",
        "充值记录并非由本服务器签名",
        "儲值記錄並非由本伺服器簽署",
    ),
    "load_of_other": ("its load record is another card's", "充值记录属于另一张卡", "儲值記錄屬於另一張卡"),
    "load_otherwise": ("its load record says otherwise", "与充值记录不符", "與儲值記錄不符"),
    "no_such_totals": ("no drawer has such totals", "钱箱不可能有这样的合计", "錢箱不可能有這樣的合計"),
}
_FILES = {
    "cut_off": (
        "unreadable: {detail}: was the file cut off?",
        "无法读取：{detail}：文件是否不完整？",
        "無法讀取：{detail}：檔案是否不完整？",
    ),
    "no_entry": (
        "it is no entry of this terminal, or was cut off",
        "不是本终端的记录，或已被截断",
        "不是本終端機的記錄，或已被截斷",
    ),
    "line": ("line {number}: {said}", "第 {number} 行：{said}", "第 {number} 行：{said}"),
    "not_continued_by": (
        "entry {seq} does not continue entry {last}, which stands before it",
        "记录 {seq} 未承接其前的记录 {last}",
        "記錄 {seq} 未承接其前的記錄 {last}",
    ),
    "not_registered_here": (
        "epoch {epoch} is not registered here",
        "时期 {epoch} 未在此登记",
        "時期 {epoch} 未在此登記",
    ),
    "too_long": ("it is longer than any entry", "超过记录的最大长度", "超過記錄的最大長度"),
    "into_hole": (
        "this belongs into a hole that is proven from its end",
        "属于须从末尾证明的缺口",
        "屬於須從末尾證明的缺口",
    ),
    "before_batch": (
        "entries are missing before this batch",
        "此批次之前有记录缺失",
        "此批次之前有記錄缺失",
    ),
}
_REFUSALS = {
    "terminal_revoked": ("terminal revoked", "终端已吊销", "終端機已撤銷"),
    "journal_low": ("no room in the journal", "日志空间不足", "日誌空間不足"),
    "topups_unacked": ("too many top-ups not yet sent", "未上传的充值过多", "未上傳的加值過多"),
    "server_silent": ("the server does not answer", "服务器无应答", "伺服器無回應"),
    "uid_says_nothing": ("nobody is known by this UID", "此 UID 未绑定任何人", "此 UID 未綁定任何人"),
    "card_not_ours": ("not a card of ours", "非本校卡", "非本校卡"),
    "not_genuine": ("not genuine", "未通过真伪验证", "未通過真偽驗證"),
    "purse_unreadable": ("card cannot be read", "卡无法读取", "卡無法讀取"),
    "card_blocked": ("card blocked", "卡已锁定", "卡已鎖定"),
    "card_closed": ("card closed", "卡已注销", "卡已註銷"),
    "below_floor": ("older than known", "早于已知状态", "早於已知狀態"),
    "replayed": ("shown before", "重复出示", "重複出示"),
    "clock_unsure": ("clock not sure", "时钟不可靠", "時鐘不可靠"),
    "code_expired": ("pay code expired", "付款码已过期", "付款碼已過期"),
    "value_not_covered": ("value not covered", "金额无充值记录", "金額無儲值記錄"),
    "class_not_served": ("class not served here", "此处不受理该类卡", "此處不受理該類卡"),
    "outside_window": ("outside the hours", "不在允许时段", "不在允許時段"),
    "sale_limit": ("limit of a sale", "超过单笔限额", "超過單筆限額"),
    "meal_limit": ("limit of a meal", "超过餐次限额", "超過餐次限額"),
    "day_limit": ("limit of a day", "超过日限额", "超過日限額"),
    "month_limit": ("limit of a month", "超过月限额", "超過月限額"),
    "offline_limit": ("limit without a network", "超过离线限额", "超過離線限額"),
    "balance_too_low": ("balance too low", "余额不足", "餘額不足"),
    "pin_blocked": ("PIN blocked", "密码已锁定", "密碼已鎖定"),
    "pin_not_here": ("PIN cannot be asked for here", "此处无法输入密码", "此處無法輸入密碼"),
    "pin_needed": ("PIN needed", "需要密码", "需要密碼"),
    "pin_wrong": ("wrong PIN", "密码错误", "密碼錯誤"),
    "other_card": ("another card", "换了另一张卡", "換了另一張卡"),
    "several_cards": ("several cards", "多张卡", "多張卡"),
}
_ERASED = {
    "begun": ("begun", "已开始", "已開始"),
    "done": ("done", "已完成", "已完成"),
    "failed": ("not finished", "未完成", "未完成"),
}

SENTENCES = (
    {f"said.{key}": words for part in (_FILES, _WAITING, _INCONSISTENT) for key, words in part.items()}
    | {f"refusal.{key}": words for key, words in _REFUSALS.items()}
    | {f"erased.{key}": words for key, words in _ERASED.items()}
)
