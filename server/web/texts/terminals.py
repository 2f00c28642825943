"""The list of terminals, and a terminal's page."""

SENTENCES = {
    "terminals.all": ("All terminals", "所有终端", "所有終端機"),
    "terminals.filter": ("Which terminals", "筛选终端", "篩選終端機"),
    "terminals.show.all": ("All", "全部", "全部"),
    "terminals.show.online": ("Online", "在线", "在線"),
    "terminals.show.offline": ("Offline", "离线", "離線"),
    "terminals.show.new": ("Not enrolled", "未注册", "未註冊"),
    "terminals.show.spare": ("Spares", "备用", "備用"),
    "terminals.show.revoked": ("Revoked", "已吊销", "已撤銷"),
    "terminals.show.lost": ("Declared lost", "已报失", "已報失"),
    "terminals.show.replaced": ("Replaced", "已被替换", "已被替換"),
    "terminals.none_shown": ("No terminal is in this state.", "没有处于此状态的终端。", "沒有處於此狀態的終端機。"),
    "terminals.pages": ("Pages", "分页", "分頁"),
    "terminals.earlier": ("Back", "上一页", "上一頁"),
    "terminals.later": ("Next", "下一页", "下一頁"),
    "terminals.some_of": (
        "{first} to {last} of {found}",
        "第 {first}–{last} 个，共 {found} 个",
        "第 {first}–{last} 個，共 {found} 個",
    ),
    "terminals.state_new": ("Not enrolled yet", "尚未注册", "尚未註冊"),
    "terminals.spare": ("Spare", "备用终端", "備用終端機"),
    "terminals.merchant": ("Merchant", "商户", "商戶"),
    "terminals.backlog": ("Still to come", "待上传", "待上傳"),
    "terminals.to_come": ("{count} entries", "{count} 条记录", "{count} 筆記錄"),
    "terminals.all_here": ("All is here", "已全部收到", "已全部收到"),
    "terminals.told_elsewhere": (
        (
            "What is still to come is not known here: this process (--role api) hears no terminal. The "
            "processes that take journals in (--role ingest) tell it in their /metrics, as "
            "fanka_backlog_entries; much of it is an alarm."
        ),
        (
            "待上传数在此未知：本进程（--role api）不接收终端消息。接收日志的进程（--role ingest）在其 /metri"
            "cs 中以 fanka_backlog_entries 给出；积压过多时会有警报。"
        ),
        (
            "待上傳數在此未知：本程序（--role api）不接收終端機訊息。接收日誌的程序（--role ingest）在其 /met"
            "rics 中以 fanka_backlog_entries 給出；積壓過多時會有警報。"
        ),
    ),
    "terminals.told_elsewhere_short": ("Not known here", "此处未知", "此處未知"),
    "terminals.not_told": (
        "Not told to this server since its start",
        "本服务器启动后尚未收到报告",
        "本伺服器啟動後尚未收到回報",
    ),
    "terminals.tid": ("Name", "编号", "編號"),
    "terminals.tid_hint": (
        "3 to 32 letters a to z, digits and hyphens, such as till-7. The name and the site stay for good.",
        "3 到 32 个字符：小写字母、数字和连字符，例如 till-7。编号和站点登记后不可更改。",
        "3 到 32 個字元：小寫字母、數字和連字號，例如 till-7。編號和站點登記後不可變更。",
    ),
    "terminals.site": ("Site", "站点", "站點"),
    "terminals.title": ("Title, for people", "名称（供识别）", "名稱（供識別）"),
    "terminals.rights": ("Rights", "权限", "權限"),
    "terminals.no_rights": ("Sales only", "仅限销售", "僅限銷售"),
    "terminals.can_load": ("May put money onto cards", "可为卡充值", "可為卡加值"),
    "terminals.can_issue": ("May make cards", "可发卡", "可發卡"),
    "terminals.is_spare": (
        "Is a spare and waits for a place",
        "作为备用终端，等待启用",
        "作為備用終端機，等待啟用",
    ),
    "terminals.rights_hint": (
        (
            "A new right takes two people, as whoever has such a terminal's key can make money. A spare has "
            "neither a merchant nor rights."
        ),
        "授予新权限需要双人复核，因为持有此类终端密钥的人可以凭空造出余额。备用终端没有商户，也没有权限。",
        "授予新權限需要雙人覆核，因為持有此類終端機金鑰的人可以憑空造出餘額。備用終端機沒有商戶，也沒有權限。",
    ),
    "terminals.register": ("Register a terminal", "登记终端", "登記終端機"),
    "terminals.register_says": (
        "First the terminal is registered here, then a claim code lets a machine become it.",
        "先在此登记终端，再用注册码把一台机器注册为该终端。",
        "先在此登記終端機，再用註冊碼把一台機器註冊為該終端機。",
    ),
    "terminals.now": ("Now", "当前状态", "目前狀態"),
    "terminals.replaced_by": ("Replaced by", "替换为", "替換為"),
    "terminals.said_at": ("Last word", "最近报告", "最近回報"),
    "terminals.says_nothing": ("Nothing is wrong", "一切正常", "一切正常"),
    "terminals.never_said": ("Nothing yet", "尚无报告", "尚無回報"),
    "terminals.keys": ("Server keys, version", "服务器密钥版本", "伺服器金鑰版本"),
    "terminals.card_sets": ("Sets of card keys", "卡密钥组", "卡金鑰組"),
    "terminals.lists_as_of": ("Lists as of", "名单截至", "名單截至"),
    "terminals.list": ("List", "名单", "名單"),
    "terminals.applied": ("It runs", "正在使用", "正在使用"),
    "terminals.particulars": ("Particulars", "终端资料", "終端機資料"),
    "terminals.registered": ("Registered", "登记时间", "登記時間"),
    "terminals.placed": ("In its place since", "启用时间", "啟用時間"),
    "terminals.change": ("Change the particulars", "修改资料", "修改資料"),
    "terminals.save": ("Save", "保存", "儲存"),
    "terminals.parked": ("Entries that wait to be posted", "待入账记录", "待入帳記錄"),
    "terminals.none_parked": (
        "Every entry that is here is posted.",
        "已收到的记录均已入账。",
        "已收到的記錄均已入帳。",
    ),
    "terminals.entry": ("Entry", "记录", "記錄"),
    "terminals.entries": ("Entries", "记录", "記錄"),
    "terminals.written": ("Written", "写入时间", "寫入時間"),
    "terminals.kind": ("Kind", "类型", "類型"),
    "terminals.card": ("Card", "卡号", "卡號"),
    "terminals.amount": ("Amount", "金额", "金額"),
    "terminals.why": ("Why it waits", "原因", "原因"),
    "terminals.for_good": (
        "It stays so: neither time nor people change that.",
        "保持原状：时间和人工均无法改变。",
        "保持原狀：時間和人工均無法改變。",
    ),
    "terminals.sum": ("Sum", "合计", "合計"),
    "terminals.first_only": (
        "The first {most} are shown.",
        "仅显示前 {most} 条。",
        "僅顯示前 {most} 筆。",
    ),
    "terminals.accept_says": (
        (
            "Accepting posts all entries that can be posted, as they stand here. It changes no right: what "
            "comes next waits again."
        ),
        "接受后，所有可入账的记录将按此入账。权限不变：之后到达的记录仍需等待。",
        "接受後，所有可入帳的記錄將按此入帳。權限不變：之後到達的記錄仍需等待。",
    ),
    "terminals.accept_ask": (
        "Post all entries that wait, as they stand here?",
        "确定将所有待入账记录按此入账吗？",
        "確定將所有待入帳記錄按此入帳嗎？",
    ),
    "terminals.accept_do": ("Accept them", "接受", "接受"),
    "terminals.holes": ("Missing entries", "缺失的记录", "缺少的記錄"),
    "terminals.holes_say": (
        (
            "The terminal was asked for these and has not brought them. If they are gone, two people let the "
            "journal go on behind them; what the cards tell of them is posted."
        ),
        "已向终端索取这些记录，但未收到。若确已丢失，可由两人复核让日志从其后继续；卡上留有的信息将入账。",
        "已向終端機索取這些記錄，但未收到。若確已遺失，可由兩人覆核讓日誌從其後繼續；卡上留有的資訊將入帳。",
    ),
    "terminals.chain": ("Chain", "链", "鏈"),
    "terminals.asked_times": ("Asked for", "索取次数", "索取次數"),
    "terminals.book": ("Book the hole", "登记缺口", "登記缺口"),
    "terminals.book_ask": (
        "Go on without entries {first} to {last}? It takes two people.",
        "确定在缺少第 {first}–{last} 条记录的情况下继续吗？此操作需要双人复核。",
        "確定在缺少第 {first}–{last} 筆記錄的情況下繼續嗎？此操作需要雙人覆核。",
    ),
    "hole.asked": ("Asked for", "已索取", "已索取"),
    "hole.offered": ("Asked for in vain", "索取未果", "索取未果"),
    "hole.booked": ("Booked", "已登记", "已登記"),
    "terminals.epochs": ("Journals", "日志", "日誌"),
    "terminals.no_epochs": (
        "No machine was ever enrolled as this terminal. Make a claim code to begin.",
        "尚无机器注册为该终端。请先生成注册码。",
        "尚無機器註冊為該終端機。請先產生註冊碼。",
    ),
    "terminals.epoch": ("Epoch", "纪元", "紀元"),
    "terminals.tier": ("Journal key kept", "日志密钥存放", "日誌金鑰存放"),
    "tier.0": ("In a file", "文件中", "檔案中"),
    "tier.1": ("Sealed to the machine", "绑定于本机", "綁定於本機"),
    "tier.2": ("In a chip", "芯片中", "晶片中"),
    "terminals.here": ("Entries here", "已收到记录", "已收到記錄"),
    "terminals.head": ("Head", "链头", "鏈頭"),
    "terminals.head_says": (
        (
            "The head is the number and hash of the newest entry that is here: python -m protocol verify "
            "--expect-head checks an exported journal against it."
        ),
        "链头是已收到的最新记录的序号和哈希值：python -m protocol verify --expect-head 可用它核对导出的日志。",
        "鏈頭是已收到的最新記錄的序號和雜湊值：python -m protocol verify --expect-head 可用它核對匯出的日誌。",
    ),
    "terminals.granted": ("Granted", "授予时间", "授予時間"),
    "terminals.received": ("Last batch", "最近批次", "最近批次"),
    "terminals.reported": ("Known up to", "已知截至", "已知截至"),
    "terminals.in_force": ("In force", "有效", "有效"),
    "terminals.batches": ("Last batches", "最近批次", "最近批次"),
    "terminals.came": ("Came", "到达时间", "到達時間"),
    "terminals.count": ("Count", "数量", "數量"),
    "terminals.of_these_parked": ("Of these waiting", "其中待入账", "其中待入帳"),
    "terminals.certificates": ("Certificates", "证书", "憑證"),
    "terminals.serial": ("Serial number", "序列号", "序號"),
    "terminals.issued": ("Issued", "签发", "簽發"),
    "terminals.ends": ("Ends", "到期", "到期"),
    "terminals.taken_back": ("Taken back", "已吊销", "已撤銷"),
    "terminals.expired": ("Expired", "已过期", "已過期"),
    "terminals.waits_for_second": ("Waits for a second person", "待复核", "待覆核"),
    "terminals.proposed_by": (
        "Proposed by {who} on {at}; holds until {until}.",
        "由 {who} 于 {at} 提出，有效期至 {until}。",
        "由 {who} 於 {at} 提出，有效期至 {until}。",
    ),
}
