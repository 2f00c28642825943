"""What a terminal says is wrong with it: what it is about, a code, and what exactly; see `terminal/alarms.py`."""

_ABOUT = {
    "line": ("Connection", "连接", "連線"),
    "topics": ("Topics", "主题", "主題"),
    "keys": ("Keys of the server", "服务器密钥", "伺服器金鑰"),
    "lists": ("Lists", "名单", "名單"),
    "history": ("Journal", "日志", "日誌"),
}
_CODES = {
    "tls": ("no secure connection", "无法建立安全连接", "無法建立安全連線"),
    "certificate": ("the broker's certificate is not believed", "不信任消息代理的证书", "不信任訊息代理的憑證"),
    "refused": ("the broker refuses it", "被消息代理拒绝", "被訊息代理拒絕"),
    "revoked": ("its certificate was withdrawn", "其证书已被撤回", "其憑證已被撤回"),
    "denied": ("the broker denies a topic", "消息代理拒绝主题", "訊息代理拒絕主題"),
    "not_genuine": ("not genuine", "未通过真伪验证", "未通過真偽驗證"),
    "older": ("older than what is known", "比已知的旧", "比已知的舊"),
    "same_version_other_content": (
        "the same version with other content",
        "版本相同而内容不同",
        "版本相同而內容不同",
    ),
    "no_space": ("no room on the disk", "磁盘空间不足", "磁碟空間不足"),
    "parts_missing": ("parts of the lists do not come", "名单缺少部分内容", "名單缺少部分內容"),
    "wrong_hash": ("a part has other content", "部分内容不符", "部分內容不符"),
    "other_site": ("lists of another site", "属于其他站点的名单", "屬於其他站點的名單"),
    "below_floor": ("older than it may be", "版本低于下限", "版本低於下限"),
    "too_large": ("too large", "过大", "過大"),
    "malformed": ("not as it must be", "格式有误", "格式有誤"),
    "not_wanted": ("nobody asked for it", "并未请求", "並未請求"),
    "other_history": (
        "the server holds other entries of this journal: enrol it again, that begins a new epoch",
        "服务器所存的该日志记录不同：请重新注册，将开始新的时期",
        "伺服器所存的該日誌記錄不同：請重新註冊，將開始新的時期",
    ),
}

SENTENCES = {f"terminal_says.{key}": words for key, words in _ABOUT.items()} | {
    f"terminal_code.{key}": words for key, words in _CODES.items()
}
