"""What is done about a terminal."""

SENTENCES = {
    "terminals.acts": ("What can be done", "可执行的操作", "可執行的操作"),
    "terminals.takes_two": (
        "It takes two people: you propose it, and a second person confirms it.",
        "此操作需要双人复核：由您提出，再由另一人确认。",
        "此操作需要雙人覆核：由您提出，再由另一人確認。",
    ),
    "terminals.claim": ("Claim code", "注册码", "註冊碼"),
    "terminals.claim_says": (
        "Lets one machine ask to become this terminal, within 48 hours. Its journal and its key are then new.",
        "允许一台机器在 48 小时内申请成为该终端，届时使用新的日志和密钥。",
        "允許一台機器在 48 小時內申請成為該終端機，屆時使用新的日誌和金鑰。",
    ),
    "terminals.claim_open": (
        "A code of {who} still holds, until {until}; a new one ends it.",
        "{who} 生成的注册码在 {until} 前仍有效；生成新码后旧码作废。",
        "{who} 產生的註冊碼在 {until} 前仍有效；產生新碼後舊碼作廢。",
    ),
    "terminals.claim_ask": (
        "The code that still holds ends, and the machine that waits with it is turned away. Make a new one?",
        "仍有效的注册码将作废，使用它等待的机器将被拒绝。确定生成新码吗？",
        "仍有效的註冊碼將作廢，使用它等待的機器將被拒絕。確定產生新碼嗎？",
    ),
    "terminals.claim_make": ("Make a claim code", "生成注册码", "產生註冊碼"),
    "terminals.claim_title": ("Claim code for {tid}", "{tid} 的注册码", "{tid} 的註冊碼"),
    "terminals.code_once": (
        "The code is shown once. Keep this page open until the machine has taken it.",
        "注册码只显示一次。请保持本页打开，直到机器接受它。",
        "註冊碼只顯示一次。請保持本頁開啟，直到機器接受它。",
    ),
    "terminals.code_holds": (
        "It enrols one machine, until {until}.",
        "可注册一台机器，有效期至 {until}。",
        "可註冊一台機器，有效期至 {until}。",
    ),
    "terminals.at_the_machine": ("At the machine", "在机器上操作", "在機器上操作"),
    "terminals.server_address": ("http://SERVER:PORT", "http://服务器:端口", "http://伺服器:連接埠"),
    "terminals.step_start": (
        "Start the enrolment there, with this server's address and the code:",
        "用本服务器的地址和注册码启动注册：",
        "用本伺服器的位址和註冊碼啟動註冊：",
    ),
    "terminals.step_words": (
        "The machine makes its keys and shows four words.",
        "机器生成密钥并显示四个词。",
        "機器產生金鑰並顯示四個詞。",
    ),
    "terminals.step_compare": (
        "Read the words off the machine's own screen, and approve it by them under “Enrolments waiting”.",
        "从机器自己的屏幕上读出这四个词，在“待批准的注册”中据此批准。",
        "從機器自己的螢幕上讀出這四個詞，在「待核准的註冊」中據此核准。",
    ),
    "terminals.place": ("A spare in its place", "用备用终端替换", "用備用終端機替換"),
    "terminals.place_says": (
        (
            "The spare takes over its title, merchant and rights. It sells from the time that you say on, "
            "else at once. This terminal reaches the broker no more from now on; what its journal still "
            "holds stays welcome."
        ),
        (
            "备用终端接替其名称、商户和权限，并从指定时间起销售；未指定则立即开始。本终端即刻起无法再连接消息"
            "代理；其日志中尚未上传的记录仍会被接收。"
        ),
        (
            "備用終端機接替其名稱、商戶和權限，並從指定時間起銷售；未指定則立即開始。本終端機即刻起無法再連接"
            "訊息代理；其日誌中尚未上傳的記錄仍會被接收。"
        ),
    ),
    "terminals.place_ask": (
        "Put the spare in the place of {tid}? {tid} gets into the broker no more.",
        "确定用备用终端替换 {tid} 吗？{tid} 将无法再连接消息代理。",
        "確定用備用終端機替換 {tid} 嗎？{tid} 將無法再連接訊息代理。",
    ),
    "terminals.place_since": (
        "It sells from (campus' clock; empty: at once)",
        "开始销售时间（校园时间，留空为立即）",
        "開始銷售時間（校園時間，留空為立即）",
    ),
    "terminals.place_do": ("Put it there", "替换", "替換"),
    "terminals.import": ("Import a journal", "导入日志", "匯入日誌"),
    "terminals.import_says": (
        (
            "An exported or rescued journal of this terminal, one entry a line, up to 32 MB; a longer one in "
            "parts. What is here already is not booked again."
        ),
        "本终端导出或抢救出的日志，每行一条记录，最大 32 MB；更长的请分段导入。已收到的记录不会重复入账。",
        "本終端機匯出或搶救出的日誌，每行一筆記錄，最大 32 MB；更長的請分段匯入。已收到的記錄不會重複入帳。",
    ),
    "terminals.file": ("File", "文件", "檔案"),
    "terminals.import_do": ("Import", "导入", "匯入"),
    "terminals.too_large": (
        "This file is larger than 32 MB: split it at the ends of lines, and import the parts in order.",
        "文件超过 32 MB：请在行尾处拆分，并按顺序导入各部分。",
        "檔案超過 32 MB：請在行尾處分割，並依序匯入各部分。",
    ),
    "terminals.imported_title": ("Journal of {tid}", "{tid} 的日志", "{tid} 的日誌"),
    "terminals.imported_all": (
        "All entries of the file are here now.",
        "文件中的全部记录均已收到。",
        "檔案中的全部記錄均已收到。",
    ),
    "terminals.imported_partly": (
        "Taken in as far as it holds:",
        "已导入到可用之处：",
        "已匯入到可用之處：",
    ),
    "terminals.entries_here": ("Entries of the file that are here", "文件中已收到的记录", "檔案中已收到的記錄"),
    "terminals.entries_new": ("Of these new", "其中新增", "其中新增"),
    "terminals.upto": ("Up to entry", "至第", "至第"),
    "terminals.asked_for": ("First that is missing", "首条缺失记录", "首筆缺少記錄"),
    "terminals.back_to": ("To {tid}", "回到 {tid}", "回到 {tid}"),
    "terminals.revoke": ("Revoke", "吊销", "撤銷"),
    "terminals.revoke_says": (
        (
            "For a terminal in strange hands. It is cut off the broker, its certificates end for good, and "
            "entries that arrive from now on are kept aside until their cards or two people confirm them."
        ),
        (
            "用于落入他人之手的终端。它将被断开消息代理，证书永久失效；此后到达的记录将被搁置，直到由相应的卡"
            "或双人复核确认。"
        ),
        (
            "用於落入他人之手的終端機。它將被斷開訊息代理，憑證永久失效；此後到達的記錄將被擱置，直到由相應的"
            "卡或雙人覆核確認。"
        ),
    ),
    "terminals.revoke_ask": (
        "Revoke {tid}? It stops at once for everything that needs the server, and has to be enrolled anew.",
        "确定吊销 {tid} 吗？它将立即无法使用任何需要服务器的功能，且必须重新注册。",
        "確定撤銷 {tid} 嗎？它將立即無法使用任何需要伺服器的功能，且必須重新註冊。",
    ),
    "terminals.revoke_do": ("Revoke it", "吊销", "撤銷"),
    "terminals.reinstate": ("Reinstate", "恢复", "恢復"),
    "terminals.reinstate_says": (
        (
            "Ends the revocation: what was kept aside is posted. Its certificates stay revoked, so it needs "
            "a new claim code to reach the broker."
        ),
        "解除吊销：被搁置的记录将入账。其证书仍然无效，需要新的注册码才能连接消息代理。",
        "解除撤銷：被擱置的記錄將入帳。其憑證仍然無效，需要新的註冊碼才能連接訊息代理。",
    ),
    "terminals.reinstate_ask": (
        "Reinstate {tid}, and post what was kept aside of it?",
        "确定恢复 {tid} 并将其被搁置的记录入账吗？",
        "確定恢復 {tid} 並將其被擱置的記錄入帳嗎？",
    ),
    "terminals.reinstate_do": ("Reinstate it", "恢复", "恢復"),
    "terminals.lose": ("Declare lost", "报失", "報失"),
    "terminals.lose_says": (
        (
            "It does not come back, nor does its journal: other evidence decides its open card steps. "
            "Entries that still arrive are posted and raise an alarm; to have them kept aside, revoke it as "
            "well."
        ),
        (
            "终端及其日志都不会再回来：未决的卡操作将依据其他证据裁定。此后到达的记录仍会入账并触发警报；如需"
            "搁置，请同时吊销。"
        ),
        (
            "終端機及其日誌都不會再回來：未決的卡操作將依據其他證據裁定。此後到達的記錄仍會入帳並觸發警報；如"
            "需擱置，請同時撤銷。"
        ),
    ),
    "terminals.lose_ask": (
        "Declare {tid} lost, with every epoch of it? This cannot be taken back.",
        "确定将 {tid} 的所有纪元报失吗？此操作无法撤回。",
        "確定將 {tid} 的所有紀元報失嗎？此操作無法撤回。",
    ),
    "terminals.lose_do": ("Declare it lost", "报失", "報失"),
    "terminals.lose_epoch": ("Declare lost", "报失", "報失"),
    "terminals.lose_epoch_ask": (
        "Declare epoch {epoch} lost? Its SD card and key do not come back; the terminal goes on in the others.",
        "确定将第 {epoch} 纪元报失吗？其存储卡和密钥不会再回来；终端继续使用其他纪元。",
        "確定將第 {epoch} 紀元報失嗎？其記憶卡和金鑰不會再回來；終端機繼續使用其他紀元。",
    ),
    "done.terminal_saved": ("The particulars are saved.", "终端资料已保存。", "終端機資料已儲存。"),
    "done.terminal_proposed": (
        "It is proposed. A second person who decides has to confirm it.",
        "已提出，须由另一位有决定权的人员确认。",
        "已提出，須由另一位有決定權的人員確認。",
    ),
    "done.terminal_placed": (
        "The spare stands in its place now.",
        "备用终端已启用。",
        "備用終端機已啟用。",
    ),
    "done.terminal_placed_later": (
        "The spare has the place, and sells from the time that you said on.",
        "备用终端已安排到位，将从指定时间起销售。",
        "備用終端機已安排到位，將從指定時間起銷售。",
    ),
    "done.terminal_revoked": ("The terminal is revoked.", "终端已吊销。", "終端機已撤銷。"),
    "done.terminal_reinstated": (
        "The terminal is reinstated, and what was kept aside is posted.",
        "终端已恢复，被搁置的记录已入账。",
        "終端機已恢復，被擱置的記錄已入帳。",
    ),
    "done.terminal_accepted": ("What waited is posted.", "待入账记录已入账。", "待入帳記錄已入帳。"),
    "done.terminal_lost": ("It is declared lost.", "已报失。", "已報失。"),
    "done.hole_booked": (
        "The hole is booked; the journal goes on behind it.",
        "缺口已登记，日志从其后继续。",
        "缺口已登記，日誌從其後繼續。",
    ),
    "problem.registered_before": (
        "There is a terminal of that name already; its own page changes it.",
        "已有同名终端，请在其页面上修改。",
        "已有同名終端機，請在其頁面上修改。",
    ),
    "problem.no_such_terminal": ("There is no such terminal.", "没有这个终端。", "沒有這個終端機。"),
    "problem.other_site": (
        "It belongs to another site. A terminal keeps its site; register a new one.",
        "该终端属于其他站点。终端的站点不可更改，请登记新终端。",
        "該終端機屬於其他站點。終端機的站點不可變更，請登記新終端機。",
    ),
    "problem.spare_without_place": (
        "A spare has neither a merchant nor rights until it gets a place.",
        "备用终端在启用之前没有商户，也没有权限。",
        "備用終端機在啟用之前沒有商戶，也沒有權限。",
    ),
    "problem.no_spare": (
        "That is no spare that is enrolled and waits for a place.",
        "该终端不是已注册并等待启用的备用终端。",
        "該終端機不是已註冊並等待啟用的備用終端機。",
    ),
    "problem.never_enrolled": (
        (
            "It was never enrolled: it has no key and no journal to decide about. A claim code in wrong "
            "hands ends when a new one is made."
        ),
        "该终端从未注册：没有密钥和日志可供决定。若注册码落入他人之手，生成新码即可使其作废。",
        "該終端機從未註冊：沒有金鑰和日誌可供決定。若註冊碼落入他人之手，產生新碼即可使其作廢。",
    ),
    "problem.not_revoked": (
        "No epoch of it is revoked. One that was declared lost stays lost.",
        "没有已吊销的纪元。已报失的纪元无法恢复。",
        "沒有已撤銷的紀元。已報失的紀元無法恢復。",
    ),
    "problem.not_offered": (
        "This hole cannot be booked now: only one that was asked for in vain.",
        "该缺口现在无法登记：只有索取未果的缺口才能登记。",
        "該缺口現在無法登記：只有索取未果的缺口才能登記。",
    ),
    "problem.empty": ("The file holds no entries.", "文件中没有记录。", "檔案中沒有記錄。"),
    "problem.too_many_histories": (
        "Its journal goes on in more ways than are kept: nothing further is taken. Keep the file.",
        "该终端的日志分叉过多，不再接收。请保留该文件。",
        "該終端機的日誌分叉過多，不再接收。請保留該檔案。",
    ),
    "problem.http_413": (
        "That is too large: a form has up to 16 kB, a journal file up to 32 MB.",
        "内容过大：表单最多 16 kB，日志文件最大 32 MB。",
        "內容過大：表單最多 16 kB，日誌檔案最大 32 MB。",
    ),
}
