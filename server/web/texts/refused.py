"""What else was refused, by the code of the problem; who reads English gets the server's own sentence with figures."""

_STATES = {
    "acknowledged_before": (
        "Somebody has acknowledged this alarm already.",
        "此警报已由他人确认。",
        "此警報已由他人確認。",
    ),
    "account_there": ("There is an account of that name already.", "已有同名账户。", "已有同名帳戶。"),
    "cannot_load": (
        "This card takes no money now: it is blocked, closed or waits to be looked into.",
        "此卡目前不能充值：已锁定、已注销或正在核查。",
        "此卡目前不能儲值：已鎖定、已註銷或正在核查。",
    ),
    "card_bound": (
        "Another UID is bound to this card: take that away first.",
        "此卡已绑定另一个 UID，请先解除绑定。",
        "此卡已綁定另一個 UID，請先解除綁定。",
    ),
    "card_changed": (
        "The card was closed or replaced meanwhile: look at it and ask again.",
        "卡在此期间已注销或补换，请查看后重试。",
        "卡在此期間已註銷或補換，請檢視後重試。",
    ),
    "claim_closed": (
        "This claim code opens nothing: it is unknown, used or expired.",
        "注册码无效：未知、已使用或已过期。",
        "註冊碼無效：未知、已使用或已過期。",
    ),
    "no_place": (
        "That terminal has no place to take over: it is a spare, or sells for no one merchant.",
        "该终端没有可接替的位置：它是备用终端，或没有固定商户。",
        "該終端機沒有可接替的位置：它是備用終端機，或沒有固定商戶。",
    ),
    "not_a_token": (
        "The purse of this card is on the card itself.",
        "此卡的余额存于卡内，并非令牌卡。",
        "此卡的餘額存於卡內，並非權杖卡。",
    ),
    "not_an_entry": ("What is kept there is no entry.", "该处所存并非记录。", "該處所存並非記錄。"),
    "number_taken": (
        "That chain was granted to another terminal since.",
        "该链号已授予另一终端。",
        "該鏈號已授予另一終端機。",
    ),
    "old_key": (
        "This journal key belonged to an earlier epoch: make a new one.",
        "该日志密钥属于较早的时期，请生成新密钥。",
        "該日誌金鑰屬於較早的時期，請產生新金鑰。",
    ),
    "other_tier": (
        "This journal key was of another tier: enrol with a new key.",
        "该日志密钥的等级不同，请用新密钥注册。",
        "該日誌金鑰的等級不同，請用新金鑰註冊。",
    ),
    "record_changed": (
        "It is not any more what was sealed. Stop, copy the database, ask for help.",
        "与封存时不一致。请停止操作、备份数据库并求助。",
        "與封存時不一致。請停止操作、備份資料庫並求助。",
    ),
    "replaced": (
        "Another terminal stands in its place already.",
        "该终端已被另一终端接替。",
        "該終端機已被另一終端機接替。",
    ),
    "request_id_used": (
        "This form was used for something else before: load the page again.",
        "此表单已用于其他操作，请重新加载页面。",
        "此表單已用於其他操作，請重新載入頁面。",
    ),
    "token_proves_itself": (
        "This tag says itself whose it is: block or replace its card.",
        "此标签可自证所属，请锁定或补换其卡。",
        "此標籤可自證所屬，請鎖定或補換其卡。",
    ),
    "uid_bound": (
        "This UID is bound to another card: take it away there first.",
        "此 UID 已绑定另一张卡，请先在该卡上解除绑定。",
        "此 UID 已綁定另一張卡，請先在該卡上解除綁定。",
    ),
    "not_in_good_standing": (
        "It has no such epoch in good standing: enrol it again.",
        "没有状态正常的对应时期，请重新注册。",
        "沒有狀態正常的對應時期，請重新註冊。",
    ),
    "not_reversible": (
        "Only a whole act of a person is reversed: write a correction.",
        "只能整体撤销由人办理的业务，请作更正。",
        "只能整體撤銷由人辦理的業務，請作更正。",
    ),
}
_FIELDS = {
    "not_base64url": ("That is no text in base64url.", "不是 base64url 文本。", "不是 base64url 文字。"),
    "not_a_code": ("That is no code.", "代码无效。", "代碼無效。"),
    "not_a_key": ("That is no journal key.", "日志密钥无效。", "日誌金鑰無效。"),
    "not_a_ladder": (
        "These steps of offline limits do not fit together.",
        "离线限额的各级不一致。",
        "離線限額的各級不一致。",
    ),
    "not_a_list": ("That is no such list.", "名单内容无效。", "名單內容無效。"),
    "not_a_price_list": ("These are no prices that a terminal can use.", "价格内容无效。", "價格內容無效。"),
    "not_a_request": ("That is no request for a certificate.", "证书请求无效。", "憑證請求無效。"),
    "not_an_instant": ("That is no point in time.", "时间无效。", "時間無效。"),
    "not_of_this_terminal": (
        "The file is not of this terminal. Nothing was taken.",
        "文件不属于本终端，未导入任何内容。",
        "檔案不屬於本終端機，未匯入任何內容。",
    ),
    "not_older": ("The second root must be the older one.", "第二个根须早于第一个。", "第二個根須早於第一個。"),
    "not_our_grant": (
        "This grant was not made by this server.",
        "此授权并非由本服务器签发。",
        "此授權並非由本伺服器簽發。",
    ),
    "not_ours": (
        "Nobody outside has a document about this account.",
        "此账户不会有外部单据。",
        "此帳戶不會有外部單據。",
    ),
    "not_proven": ("It is not signed by the right keys.", "签名不符。", "簽章不符。"),
    "pin_missing": ("Somebody new needs a PIN.", "新人员需要设置密码。", "新人員需要設定密碼。"),
    "uid_says_nothing": (
        "Nobody can be known by this UID: it is random, or everybody's.",
        "此 UID 无法识别持卡人：它是随机或通用的。",
        "此 UID 無法識別持卡人：它是隨機或通用的。",
    ),
    "which_channel": (
        "Name the channel where the money is in one, and only there.",
        "仅当款项在渠道中时填写渠道，且必须填写。",
        "僅當款項在通路中時填寫通路，且必須填寫。",
    ),
    "wrong_owner": (
        "Say whose account it is where it is somebody's, and only there.",
        "账户有所属者时须填写所属，没有时请留空。",
        "帳戶有所屬者時須填寫所屬，沒有時請留空。",
    ),
    "wrong_time": ("The clock is wrong.", "时钟有误。", "時鐘有誤。"),
    "too_large": ("That is too large.", "内容过大。", "內容過大。"),
}
_NONE = {
    "no_such_account": ("There is no such account.", "没有这个账户。", "沒有這個帳戶。"),
    "no_such_alarm": ("There is no such alarm.", "没有这个警报。", "沒有這個警報。"),
    "no_such_case": ("There is no such case.", "没有这项差异。", "沒有這項差異。"),
    "no_such_cause": ("Nothing was posted for it.", "没有对应的分录。", "沒有對應的分錄。"),
    "no_such_chain": ("There is no such chain.", "没有这条日志链。", "沒有這條日誌鏈。"),
    "no_such_class": ("There is no such class.", "没有这个类别。", "沒有這個類別。"),
    "no_such_enrolment": (
        "Nothing was begun with this ticket: begin again with a claim code.",
        "此凭单没有对应的注册，请用注册码重新开始。",
        "此憑單沒有對應的註冊，請用註冊碼重新開始。",
    ),
    "no_such_epoch": ("There is no such epoch.", "没有这个时期。", "沒有這個時期。"),
    "no_such_hole": ("There is no such hole.", "没有这个缺口。", "沒有這個缺口。"),
    "no_such_list": ("There is no such list.", "没有这个名单。", "沒有這個名單。"),
    "no_such_merchant": (
        "No terminal of this site sells for that merchant.",
        "该站点没有终端为此商户销售。",
        "該站點沒有終端機為此商戶銷售。",
    ),
    "no_such_movement": ("There is no such movement.", "没有这种划转。", "沒有這種劃轉。"),
    "no_such_phone": ("No phone shows codes for it.", "没有手机为其出示付款码。", "沒有手機為其出示付款碼。"),
    "no_such_site": ("No terminal is registered in that site.", "该站点没有登记的终端。", "該站點沒有登記的終端機。"),
    "no_such_token": ("This UID is bound to no such card.", "此 UID 未绑定该卡。", "此 UID 未綁定該卡。"),
}

SENTENCES = {f"refused.{code}": words for part in (_STATES, _FIELDS, _NONE) for code, words in part.items()} | {
    "refused.faulty_fields": (
        "Something is not as it must be: {told}",
        "填写内容有误：{told}",
        "填寫內容有誤：{told}",
    ),
    "said.more_than_owed": (
        "only {fen} cents are owed on that account",
        "该账户仅应付 {fen} 元",
        "該帳戶僅應付 {fen} 元",
    ),
    "said.not_free": (
        "only {fen} cents are owed and promised to no card",
        "仅有 {fen} 元应付款未指定给任何卡",
        "僅有 {fen} 元應付款未指定給任何卡",
    ),
    "said.more_than_held": (
        "the vault holds {fen} cents by the books; count it, and correct them",
        "账面上金库只有 {fen} 元；请清点并更正账面",
        "帳面上金庫只有 {fen} 元；請清點並更正帳面",
    ),
}
