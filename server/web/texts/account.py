"""One's own account."""

SENTENCES = {
    "account.title": ("Your account", "您的账户", "您的帳戶"),
    "account.who": ("Signed in", "当前登录", "目前登入"),
    "account.roles": ("Roles", "角色", "角色"),
    "account.sessions_say": (
        "A session ends by itself half an hour after the last click, and after twelve hours at most.",
        "最后一次操作半小时后会话自动结束，最长不超过十二小时。",
        "最後一次操作半小時後工作階段自動結束，最長不超過十二小時。",
    ),
    "account.end_sessions": ("Sign out everywhere", "在所有设备上退出", "在所有裝置上登出"),
    "account.password": ("Change the password", "修改密码", "變更密碼"),
    "account.present": ("Present password", "当前密码", "目前密碼"),
    "account.change": ("Change it", "修改", "變更"),
    "done.password": (
        "The password is changed. Every other session of yours has ended.",
        "密码已修改，您的其他会话均已结束。",
        "密碼已變更，您的其他工作階段均已結束。",
    ),
}
