"""What alarms say, word by word as the server writes it, and in the other languages."""

_JOURNALS = {
    "after_entry": ("after entry {seq}: {said}", "记录 {seq} 之后：{said}", "記錄 {seq} 之後：{said}"),
    "more_ways": (
        "its journal goes on in more ways than are kept; nothing was taken",
        "其日志分叉数超过可保留的数量；未接收任何内容",
        "其日誌分叉數超過可保留的數量；未接收任何內容",
    ),
    "batch_refused": ("a batch was refused: {said}", "批次被拒：{said}", "批次被拒：{said}"),
    "not_continued": (
        "entry {seq} does not continue the one before it",
        "记录 {seq} 未承接前一条",
        "記錄 {seq} 未承接前一筆",
    ),
    "not_signed": (
        "not signed by the journal key of this epoch",
        "并非由该时期的日志密钥签名",
        "並非由該時期的日誌金鑰簽署",
    ),
    "stranger": (
        "says it is {told}, the register says {known}",
        "自称 {told}，登记表为 {known}",
        "自稱 {told}，登記表為 {known}",
    ),
    "other_chain": ("it is not of its own chain", "不属于其自身的日志链", "不屬於其自身的日誌鏈"),
    "no_epoch": ("epoch {epoch} is not registered", "时期 {epoch} 未登记", "時期 {epoch} 未登記"),
    "lost_posted": (
        (
            "epoch {epoch} was declared lost, and {said}; its entries are posted. Find it: in your hands, "
            "enrol it anew; in a stranger's, revoke it (POST /terminals/{tid}/revoke: entries of every epoch "
            "then wait for two people)"
        ),
        (
            "时期 {epoch} 已报失，而{said}；其记录照常入账。请找到它：若在自己手中，请重新注册；若在他人手中"
            "，请吊销终端 {tid}（此后各时期的记录都须由两人放行）"
        ),
        (
            "時期 {epoch} 已報失，而{said}；其記錄照常入帳。請找到它：若在自己手中，請重新註冊；若在他人手中"
            "，請撤銷終端機 {tid}（此後各時期的記錄都須由兩人放行）"
        ),
    ),
    "lost_aside": (
        (
            "epoch {epoch} was declared lost, and {said}; its entries are kept aside, as it is revoked too. "
            "Find it: in your hands, enrol it anew; in a stranger's, revoke it (POST "
            "/terminals/{tid}/revoke: entries of every epoch then wait for two people)"
        ),
        (
            "时期 {epoch} 已报失，而{said}；因终端也已吊销，其记录暂不入账。请找到它：若在自己手中，请重新注"
            "册；若在他人手中，请吊销终端 {tid}（此后各时期的记录都须由两人放行）"
        ),
        (
            "時期 {epoch} 已報失，而{said}；因終端機也已撤銷，其記錄暫不入帳。請找到它：若在自己手中，請重新"
            "註冊；若在他人手中，請撤銷終端機 {tid}（此後各時期的記錄都須由兩人放行）"
        ),
    ),
    "brought": (
        "entries {first} to {last} of it came",
        "送来了记录 {first} 至 {last}",
        "送來了記錄 {first} 至 {last}",
    ),
    "hello": (
        "it says hello with {count} entries",
        "带着 {count} 条记录重新连接",
        "帶著 {count} 筆記錄重新連線",
    ),
    "revoked_brought": (
        "revoked, it brought entries {first} to {last}; they are kept aside",
        "已吊销的终端送来记录 {first} 至 {last}；暂不入账",
        "已撤銷的終端機送來記錄 {first} 至 {last}；暫不入帳",
    ),
    "entries_wait": (
        (
            "{count} entries are not posted, of them entry {seq}: {said}. GET /terminals/{tid}/parked shows "
            "them, POST /terminals/{tid}/accept-quarantined lets them in"
        ),
        "{count} 条记录未入账，其中记录 {seq}：{said}。可在终端 {tid} 的页面查看并放行",
        "{count} 筆記錄未入帳，其中記錄 {seq}：{said}。可在終端機 {tid} 的頁面檢視並放行",
    ),
    "from_now": (
        "entry {seq} says it was written {count} s from now",
        "记录 {seq} 的写入时间比现在晚 {count} 秒",
        "記錄 {seq} 的寫入時間比現在晚 {count} 秒",
    ),
    "backlog": (
        "{count} entries are not here yet",
        "还有 {count} 条记录尚未送达",
        "還有 {count} 筆記錄尚未送達",
    ),
    "forgot": (
        "{tid} holds our ack for entry {seq}, which is not here: this server was restored; epoch is now {epoch}",
        "{tid} 持有本服务器对记录 {seq} 的回执，而此处没有该记录：服务器曾恢复备份；现为时期 {epoch}",
        "{tid} 持有本伺服器對記錄 {seq} 的回執，而此處沒有該記錄：伺服器曾還原備份；現為時期 {epoch}",
    ),
    "other_entry": (
        "it shows an entry {seq} that is not the one held here: it was put back from an image",
        "其记录 {seq} 与此处所存不同：终端曾从镜像恢复",
        "其記錄 {seq} 與此處所存不同：終端機曾從映像還原",
    ),
    "audited": (
        "entry {seq} of chain {tno}, branch {branch}: {said}",
        "链 {tno} 分支 {branch} 的记录 {seq}：{said}",
        "鏈 {tno} 分支 {branch} 的記錄 {seq}：{said}",
    ),
}
_FORGOTTEN = (
    (
        ". Where a restore has forgotten it: PUT /terminals/{tid} with its site, title, merchant and rights, "
        "then POST /grants with the line of grant.jws in its data directory; else enrol it anew"
    ),
    (
        "。若因恢复备份而被遗忘：请用 PUT /terminals/{tid} 登记其站点、名称、商户和权限，再用 POST /grants 提"
        "交其数据目录中的 grant.jws；否则请重新注册"
    ),
    (
        "。若因還原備份而被遺忘：請用 PUT /terminals/{tid} 登記其站點、名稱、商戶和權限，再用 POST /grants 提"
        "交其資料目錄中的 grant.jws；否則請重新註冊"
    ),
)
_UNKNOWN = (
    "{tid} says hello with epoch {epoch}, number {tno}, {count} entries, and no such epoch is here",
    "{tid} 以时期 {epoch}、编号 {tno}、{count} 条记录连接，而此处没有这个时期",
    "{tid} 以時期 {epoch}、編號 {tno}、{count} 筆記錄連線，而此處沒有這個時期",
)
_HOLDS_ACK = (
    "; it holds our ack for entry {seq}, so this server was restored",
    "；它持有本服务器对记录 {seq} 的回执，可见服务器曾恢复备份",
    "；它持有本伺服器對記錄 {seq} 的回執，可見伺服器曾還原備份",
)
_TERMINALS = {
    "unknown_restored": tuple(map("".join, zip(_UNKNOWN, _HOLDS_ACK, _FORGOTTEN, strict=True))),
    "unknown": tuple(map("".join, zip(_UNKNOWN, _FORGOTTEN, strict=True))),
    "tier_said": (
        "the journal key of epoch {epoch} was of tier {known}, it says {tier}",
        "时期 {epoch} 的日志密钥原为 {known} 级，现自报为 {tier} 级",
        "時期 {epoch} 的日誌金鑰原為 {known} 級，現自報為 {tier} 級",
    ),
    "tier_told": (
        "the journal key of epoch {epoch} was of tier {known}, now it is told of {tier}",
        "时期 {epoch} 的日志密钥原为 {known} 级，现申报为 {tier} 级",
        "時期 {epoch} 的日誌金鑰原為 {known} 級，現申報為 {tier} 級",
    ),
    "tier_new": (
        "the journal key of epoch {epoch} is of tier {tier}, the one before of {known}",
        "时期 {epoch} 的日志密钥为 {tier} 级，前一个为 {known} 级",
        "時期 {epoch} 的日誌金鑰為 {tier} 級，前一個為 {known} 級",
    ),
    "other_days": (
        "its [campus] says offset_min {offset}, day_starts_min {starts}; the server's {own_offset} and {own_starts}",
        "其 [campus] 设置为 offset_min {offset}、day_starts_min {starts}；服务器为 {own_offset} 和 {own_starts}",
        "其 [campus] 設定為 offset_min {offset}、day_starts_min {starts}；伺服器為 {own_offset} 和 {own_starts}",
    ),
    "no_particulars": (
        (
            "put back by its grant alone: merchant, title and rights are not known. PUT /terminals/{tid} "
            "says them; until then its sales are paid to whom its own entries name, and loads of it wait for "
            "two people"
        ),
        (
            "仅凭授权恢复登记：商户、名称和权限未知。请在终端 {tid} 的页面填写；在此之前，其消费款按其记录所"
            "指的商户入账，其充值须由两人放行"
        ),
        (
            "僅憑授權恢復登記：商戶、名稱和權限未知。請在終端機 {tid} 的頁面填寫；在此之前，其消費款按其記錄"
            "所指的商戶入帳，其儲值須由兩人放行"
        ),
    ),
    "adopted": (
        "the forgotten grant of epoch {epoch} was adopted: was this server restored?",
        "已收回登记时期 {epoch} 被遗忘的授权：服务器是否恢复过备份？",
        "已收回登記時期 {epoch} 被遺忘的授權：伺服器是否還原過備份？",
    ),
    "other_words": (
        "{who} compared other words than machine {number}'s, which was turned away",
        "{who} 核对的词与机器 {number} 不符，该机器已被拒绝",
        "{who} 核對的詞與機器 {number} 不符，該機器已被拒絕",
    ),
    "turned_away": (
        "an enrolment from {address} was turned away: {said}",
        "来自 {address} 的注册被拒：{said}",
        "來自 {address} 的註冊被拒：{said}",
    ),
    "claim_unknown": (
        "no terminal is claimed with this code",
        "没有终端使用此注册码",
        "沒有終端機使用此註冊碼",
    ),
    "claim_used": (
        "this code was used; a code enrols one machine",
        "注册码已使用；一个注册码只能注册一台机器",
        "註冊碼已使用；一個註冊碼只能註冊一台機器",
    ),
    "claim_expired": (
        "this code has expired; make a new one at the desk",
        "注册码已过期；请重新生成",
        "註冊碼已過期；請重新產生",
    ),
    "claim_tried": (
        "this code was tried {count} times; make a new one at the desk",
        "注册码已尝试 {count} 次；请重新生成",
        "註冊碼已嘗試 {count} 次；請重新產生",
    ),
    "silent": (
        "not heard of for {count} hours",
        "已 {count} 小时没有消息",
        "已 {count} 小時沒有訊息",
    ),
}
_SERVER = {
    "restored": (
        "restored from the backup of {at}; the server's epoch is now {epoch}",
        "已从 {at} 的备份恢复；服务器现为时期 {epoch}",
        "已從 {at} 的備份還原；伺服器現為時期 {epoch}",
    ),
    "clock_jumped": (
        "the server's clock jumped by {count} s",
        "服务器时钟跳变 {count} 秒",
        "伺服器時鐘跳變 {count} 秒",
    ),
    "clock_ahead": (
        "the server's clock was ahead: business day {day} was proved before it was over, and will be again",
        "服务器时钟曾超前：营业日 {day} 在结束前已对账，将重新对账",
        "伺服器時鐘曾超前：營業日 {day} 在結束前已對帳，將重新對帳",
    ),
    "closed_early": (
        "business day {day} is closed and not over: POST /days/{number}/reopen",
        "营业日 {day} 尚未结束却已日结：请在第 {number} 日的页面重新打开",
        "營業日 {day} 尚未結束卻已日結：請在第 {number} 日的頁面重新開啟",
    ),
    "night_late": (
        "business day {day} is not proved; the log says what failed",
        "营业日 {day} 尚未对账；失败原因见日志",
        "營業日 {day} 尚未對帳；失敗原因見日誌",
    ),
    "unserved": (
        "no ingest worker has had it for {count} s; its terminals sell on",
        "已 {count} 秒没有接收进程负责该站点；其终端仍可继续销售",
        "已 {count} 秒沒有接收程序負責該站點；其終端機仍可繼續銷售",
    ),
    "disk": (
        "{count} MiB are free on the disk of {path}",
        "{path} 所在磁盘剩余 {count} MiB",
        "{path} 所在磁碟剩餘 {count} MiB",
    ),
    "revocations": (
        "the broker believes the list of revocations for {count} more days, then nobody",
        "消息代理对吊销列表的信任还剩 {count} 天，之后将拒绝所有连接",
        "訊息代理對撤銷清單的信任還剩 {count} 天，之後將拒絕所有連線",
    ),
    "broker_down": (
        "there is no connection to the broker; terminals sell on",
        "与消息代理没有连接；终端仍可继续销售",
        "與訊息代理沒有連線；終端機仍可繼續銷售",
    ),
    "broker_user": (
        (
            "Mosquitto of {path} cannot be told of a change: the server may not signal its user. Start it as "
            "the user of the server. It is tried again every second."
        ),
        "无法将更改告知 {path} 的 Mosquitto：服务器无权向其用户发送信号。请以服务器的用户启动它。每秒重试一次。",
        "無法將變更告知 {path} 的 Mosquitto：伺服器無權向其使用者傳送訊號。請以伺服器的使用者啟動它。每秒重試一次。",
    ),
    "broker_stopped": (
        (
            "Mosquitto of {path} cannot be told of a change: it does not run. Start it with this directory's "
            "mosquitto.conf; if it ends at once, it says why. It is tried again every second."
        ),
        (
            "无法将更改告知 {path} 的 Mosquitto：它没有运行。请用该目录的 mosquitto.conf 启动；若立即退出，它"
            "会说明原因。每秒重试一次。"
        ),
        (
            "無法將變更告知 {path} 的 Mosquitto：它沒有執行。請用該目錄的 mosquitto.conf 啟動；若立即結束，它"
            "會說明原因。每秒重試一次。"
        ),
    ),
    "broker_session": (
        "the session of {tid} cannot be ended yet: {detail}. It is tried again every second.",
        "尚无法结束 {tid} 的会话：{detail}。每秒重试一次。",
        "尚無法結束 {tid} 的工作階段：{detail}。每秒重試一次。",
    ),
    "changed_more": (
        "not as it was sealed: {rows}, and {count} more",
        "与封存时不一致：{rows}，另有 {count} 处",
        "與封存時不一致：{rows}，另有 {count} 處",
    ),
    "changed": (
        "not as it was sealed: {rows}",
        "与封存时不一致：{rows}",
        "與封存時不一致：{rows}",
    ),
}

SENTENCES = {f"said.{key}": words for part in (_JOURNALS, _TERMINALS, _SERVER) for key, words in part.items()}
