"""The proof page of a journal entry."""

SENTENCES = {
    "proof.title": ("Proof of entry {seq}", "记录 {seq} 的凭证", "記錄 {seq} 的憑證"),
    "proof.holds": (
        "Everything that was recomputed just now holds: signature, hash and chain.",
        "刚刚重新验算：签名、哈希和链条全部成立。",
        "剛剛重新驗算：簽章、雜湊和鏈條全部成立。",
    ),
    "proof.breaks": (
        "Something that was recomputed does not hold; it is marked below.",
        "重新验算发现不成立之处，见下文标记。",
        "重新驗算發現不成立之處，見下文標記。",
    ),
    "proof.parked": ("Set aside, not booked yet:", "已搁置，尚未入账：", "已擱置，尚未入帳："),
    "proof.unread": (
        "This program cannot read what the entry says: {why}",
        "本程序无法读取此记录的内容：{why}",
        "本程式無法讀取此記錄的內容：{why}",
    ),
    "proof.says": ("What it says", "记录内容", "記錄內容"),
    "proof.kind": ("What happened", "事件", "事件"),
    "proof.at": ("When, by the terminal's clock", "终端时间", "終端機時間"),
    "proof.came": ("When it came here", "到达时间", "送達時間"),
    "proof.day": ("Business day", "营业日", "營業日"),
    "proof.terminal": ("Terminal", "终端", "終端機"),
    "proof.site": ("Site", "站点", "站點"),
    "proof.merchant": ("Merchant", "商户", "商戶"),
    "proof.shift": ("Shift", "班次", "班次"),
    "proof.staff": ("Cashier", "收银员", "收銀員"),
    "proof.amount": ("Amount", "金额", "金額"),
    "proof.balances": ("Balance on the card", "卡上余额", "卡上餘額"),
    "proof.subsidy": ("Subsidy on the card", "卡上补贴", "卡上補貼"),
    "proof.counter": ("Counter of the card", "卡片计数器", "卡片計數器"),
    "proof.reason": ("Reason", "原因", "原因"),
    "proof.counted": ("Counted in the drawer", "钱箱实点", "錢箱實點"),
    "proof.expected": ("Expected by the terminal", "终端应有", "終端機應有"),
    "proof.basket": ("What was sold", "销售明细", "銷售明細"),
    "proof.turnover": ("Running turnover", "累计营业额", "累計營業額"),
    "proof.began": ("Begun by", "起始记录", "起始記錄"),
    "proof.outcome": ("What came of it", "后续结果", "後續結果"),
    "proof.open": ("Nothing is known of it yet.", "尚无后续结果。", "尚無後續結果。"),
    "proof.entry": ("Entry {seq}", "记录 {seq}", "記錄 {seq}"),
    "proof.branch": ("second history {branch}", "第二条历史 {branch}", "第二條歷史 {branch}"),
    "proof.chain": ("Its place in the chain", "在链条中的位置", "在鏈條中的位置"),
    "proof.chain_says": (
        (
            "Each entry names the SHA-256 of the whole entry before it. All hashes here were taken of the stored bytes "
            "just now, by the same code with which terminals seal them."
        ),
        "每条记录都写有前一条完整记录的 SHA-256。此处的哈希都是刚刚从所存字节重新计算的，所用程序与终端封存时相同。",
        "每筆記錄都寫有前一筆完整記錄的 SHA-256。此處的雜湊剛從所存位元組重新算出，所用程式與終端機封存時相同。",
    ),
    "proof.before": ("Entry before", "前一条", "前一筆"),
    "proof.is_first": (
        "The epoch's grant: this is the first entry",
        "时期授权：此为首条记录",
        "時期授權：此為首筆記錄",
    ),
    "proof.gone": ("has not come", "尚未到达", "尚未送達"),
    "proof.hole": (
        "is missing: entries {first} to {last} never came",
        "缺失：记录 {first} 至 {last} 从未到达",
        "缺失：記錄 {first} 至 {last} 從未送達",
    ),
    "proof.this": ("This entry", "本记录", "本記錄"),
    "proof.after": ("Entry after", "后一条", "後一筆"),
    "proof.newest": ("none yet: this is the newest", "暂无：此为最新记录", "暫無：此為最新記錄"),
    "proof.names_it": ("names this hash", "写有此哈希", "寫有此雜湊"),
    "proof.names_other": ("names another hash", "写有不同的哈希", "寫有不同的雜湊"),
    "proof.prev_holds": ("Names that very hash", "与之一致", "與之一致"),
    "proof.prev_breaks": ("Names another hash: {prev}", "不一致：{prev}", "不一致：{prev}"),
    "proof.prev_unknown": ("Names {prev}", "写有 {prev}", "寫有 {prev}"),
    "proof.kept": ("As it came in", "与到达时一致", "與送達時一致"),
    "proof.changed": (
        "Not as it came in: the bytes were changed here",
        "与到达时不一致：字节曾被改动",
        "與送達時不一致：位元組曾被改動",
    ),
    "proof.signer": ("Who signed it", "签名者", "簽署者"),
    "proof.epoch": ("Epoch", "时期", "時期"),
    "proof.number": ("Chain", "链号", "鏈號"),
    "proof.key": ("Public key (Ed25519)", "公钥（Ed25519）", "公鑰（Ed25519）"),
    "proof.signed": ("The signature holds under this key", "签名对此公钥成立", "簽章對此公鑰成立"),
    "proof.unsigned": ("The signature does not hold under this key", "签名对此公钥不成立", "簽章對此公鑰不成立"),
    "proof.grant": ("Whose key it is", "公钥归属", "公鑰歸屬"),
    "proof.grant_says": (
        (
            "When the terminal was enrolled, the server signed that this key writes this journal. The hash of that "
            "grant is what the journal's first entry continues."
        ),
        "终端注册时，服务器签名确认此公钥写入此日志。日志首条记录承接该授权的哈希。",
        "終端機註冊時，伺服器簽署確認此公鑰寫入此日誌。日誌首筆記錄承接該授權的雜湊。",
    ),
    "proof.grant_holds": (
        "Signed by this server's key, and names the key above",
        "由本服务器密钥签名，且写有上述公钥",
        "由本伺服器金鑰簽署，且寫有上述公鑰",
    ),
    "proof.grant_other": (
        "Not signed by the key that this server uses now",
        "并非由本服务器现用密钥签名",
        "並非由本伺服器現用金鑰簽署",
    ),
    "proof.postings": ("What it moved", "记账", "記帳"),
    "proof.postings_say": (
        "Double entry: what one account gains another loses. All lines of this operation, as they were booked.",
        "复式记账：一方增加，另一方减少。以下为此次操作的全部分录。",
        "複式記帳：一方增加，另一方減少。以下為此次操作的全部分錄。",
    ),
    "proof.no_postings": ("It moved no money.", "未产生资金变动。", "未產生資金變動。"),
    "proof.account": ("Account", "账户", "帳戶"),
    "proof.owner": ("Whose", "所属", "所屬"),
    "proof.cause": ("Cause", "缘由", "緣由"),
    "proof.sum": ("Sum", "合计", "合計"),
    "proof.card": ("The card's steps around it", "卡片前后操作", "卡片前後操作"),
    "proof.card_says": (
        "The card counts its own steps. This one goes on from the step before, and the step after goes on from it.",
        "卡片对自身操作计数：本次承接前一步，后一步承接本次。",
        "卡片對自身操作計數：本次承接前一步，後一步承接本次。",
    ),
    "proof.below": ("The step before", "前一步", "前一步"),
    "proof.here": ("This one", "本次", "本次"),
    "proof.beside": ("Others at the same counter", "同一计数器的其他操作", "同一計數器的其他操作"),
    "proof.above": ("The step after", "后一步", "後一步"),
    "proof.no_step": ("None is known.", "没有记录。", "沒有記錄。"),
    "proof.seal": ("Sealed at night", "夜间封存", "夜間封存"),
    "proof.sealed": (
        (
            "Sealed under the signed root {number} of business day {day}. Whoever keeps that root elsewhere proves "
            "with the path that this entry stood here then."
        ),
        "已封存于营业日 {day} 的第 {number} 号签名根。凡在别处保存该根者，可用路径证明此记录当时已在此处。",
        "已封存於營業日 {day} 的第 {number} 號簽署根。凡在別處保存該根者，可用路徑證明此記錄當時已在此處。",
    ),
    "proof.not_sealed": (
        "Not sealed yet: the next night does it.",
        "尚未封存：将在下一个夜间封存。",
        "尚未封存：將在下一個夜間封存。",
    ),
    "proof.path": ("Row and path (row.json)", "记录与路径（row.json）", "記錄與路徑（row.json）"),
    "proof.path_audit": (
        "The path is for auditors to download.",
        "路径可由审计员下载。",
        "路徑可由稽核員下載。",
    ),
    "proof.head": ("Signed root (head.jws)", "签名根（head.jws）", "簽署根（head.jws）"),
    "proof.check": ("Check it yourself", "自行验证", "自行驗證"),
    "proof.check_says": (
        (
            "These lines hold all they need. In a shell with openssl 3, on any machine, they print “Signature Verified "
            "Successfully”; change one character of the entry and they print a failure."
        ),
        (
            "以下命令已包含所需的一切。在任何装有 openssl 3 的终端中运行，会显示“Signature Verified Successfully”；"
            "改动记录中任一字符则验证失败。"
        ),
        (
            "以下命令已包含所需的一切。在任何裝有 openssl 3 的終端機中執行，會顯示「Signature Verified Successfully」；"
            "改動記錄中任一字元則驗證失敗。"
        ),
    ),
    "proof.files": ("The same as files", "下载文件", "下載檔案"),
    "proof.raw": ("As it was signed", "签名原文", "簽署原文"),
    "proof.jws": ("Compact JWS (RFC 7515)", "紧凑 JWS（RFC 7515）", "緊湊 JWS（RFC 7515）"),
    "proof.header": ("Protected header", "受保护头部", "受保護標頭"),
    "proof.payload": ("Payload", "载荷", "內容"),
    "proof.signature": ("Signature", "签名", "簽章"),
    "proof.to_card": ("Card {no}", "卡片 {no}", "卡片 {no}"),
    "problem.no_such_entry": ("No such entry has come.", "没有收到此记录。", "沒有收到此記錄。"),
    "problem.not_sealed": ("No night has sealed this yet.", "尚未经过夜间封存。", "尚未經過夜間封存。"),
}
